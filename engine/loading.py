"""`load`: from a name, a path, bytes or an object to a `Model`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_ir as ir

from .errors import InputError, ModelError, nearest
from .graph.loading import LoadedModel, ModelSource, load_graph
from .model import Model
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy.typing as npt


def load(
    source: ModelSource,
    *,
    input_range: tuple[float, float] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    channel_order: str | None = None,
    layout: str | None = None,
    channel_axis: Mapping[str, int] | None = None,
    image_input: str | None = None,
    inputs: Mapping[str, npt.ArrayLike] | None = None,
) -> Model:
    """Load a model.

    Models of the catalogue say themselves what they expect of a picture, and so do some other
    files, in their metadata or by what their graph begins with (`Model.expectation` says where it
    was found). For the rest the arguments say it; without `input_range` such a model can be
    inspected, not rendered.

    Args:
        source: A name of the catalogue (`"squeezenet"`), a path, the bytes of a file, an
            `onnx.ModelProto` or an `onnx_ir.Model`.
        input_range: What black and white are to the network, such as (0, 1), (-1, 1), (0, 255).
        mean: Subtracted after that, in the same units: one number, or three in the order of
            `channel_order`.
        std: Divided by then, likewise.
        channel_order: `"rgb"` (the default) or `"bgr"`.
        layout: `"NCHW"` or `"NHWC"`, where the file leaves open where the channels are.
        channel_axis: Of layers, by name, the axis with the channels, counted from 0 with the
            pictures on axis 0: where it cannot be told, or is told wrongly.
        image_input: The name of the input that takes pictures, where there are several.
        inputs: The values of other inputs, by name.

    Raises:
        ModelError: there is no such model or file, or it is damaged.
        OperatorError: it holds operators of another domain.
        InputError: the preprocessing is contradictory.
    """
    loaded, name = find_model(source)
    fixed = _inputs(loaded, inputs)
    model = Model(loaded, name, None, layout, channel_axis, image_input, fixed)
    given = (input_range, mean, std, channel_order)
    if all(argument is None for argument in given):
        return model
    if model.metadata is not None:
        raise InputError(
            f"{name} says itself what it expects of a picture; leave input_range, mean, std and "
            "channel_order out"
        )
    if input_range is None:
        raise InputError(
            "mean, std and channel_order need input_range as well: what black and white are before "
            "the mean is subtracted, such as (0, 1) or (0, 255)"
        )
    if np.shape(input_range) != (2,):
        raise InputError(f"input_range takes two numbers, not {input_range!r}")
    preprocessing = Preprocessing(
        (float(input_range[0]), float(input_range[1])),
        _triple(mean, 0.0),
        _triple(std, 1.0),
        channel_order or "rgb",
    )
    return Model(loaded, name, preprocessing, layout, channel_axis, image_input, fixed)


def _inputs(
    loaded: LoadedModel, inputs: Mapping[str, npt.ArrayLike] | None
) -> dict[str, np.ndarray]:
    """The values of inputs in the types that the file says."""
    types = {value.name: value.dtype for value in loaded.model.graph.inputs}
    arrays = {}
    for name, given in (inputs or {}).items():
        kind = types.get(name)
        array = np.asarray(given, None if kind is None else kind.numpy())
        if array.dtype == object:
            raise InputError(f"the input {name!r} takes numbers, not {given!r}")
        arrays[name] = array
    return arrays


def _triple(value: float | Sequence[float] | None, default: float) -> tuple[float, ...]:
    if value is None:
        return (default,)
    return tuple(float(item) for item in np.ravel(np.asarray(value, np.float64)))


def find_model(source: ModelSource) -> tuple[LoadedModel, str]:
    """The graph that a source means, and what to call it.

    Raises:
        ModelError: there is no such model or file, or it is damaged.
    """
    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    if isinstance(source, bytes | onnx.ModelProto | ir.Model):
        return load_graph(source), "the model"
    if not isinstance(source, str | os.PathLike):
        raise ModelError(
            "a model is a catalogue name, a path, bytes, an onnx.ModelProto or an onnx_ir.Model, "
            f"not {type(source).__name__}"
        )
    text = os.fspath(source)
    if isinstance(source, str) and _is_catalogue_name(text):
        from . import models

        if text in models.catalogue():
            return load_graph(models.fetch(text)), text
        if not Path(text).exists():
            raise ModelError(
                f"there is no file {text!r} and no model of that name in the catalogue"
                f"{nearest(text, models.catalogue())}"
            )
    return load_graph(text), text


def _is_catalogue_name(text: str) -> bool:
    return os.sep not in text and "/" not in text and not text.endswith(".onnx")
