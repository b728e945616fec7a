"""`load`: from a name, a path, bytes or an object to a `Model`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cache import GraphCache, graph_cache
from ..errors import InputError, ModelError, nearest
from ..importer.model_file import ModelFile
from ..notebook import working
from ..plain import by_name, flag, real, reals, shown, text, texts
from .inputs.preprocessing import Preprocessing, Range
from .inputs.presets import preset
from .model import Model
from .reading import Reading

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx
    import onnx_ir as ir

    from ..importer.opsets import ModelSource


def load(
    source: ModelSource,
    *,
    preprocessing: str | None = None,
    input_range: tuple[float, float] | Sequence[tuple[float, float]] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    channel_order: str | None = None,
    layout: str | None = None,
    colors: Sequence[int] | str | None = None,
    channel_axis: Mapping[str, int] | None = None,
    image_input: str | None = None,
    inputs: Mapping[str, npt.ArrayLike] | None = None,
    labels: Sequence[str] | None = None,
    cache: bool = True,
    compare: bool = True,
) -> Model:
    """Load a model.

    Models of the catalogue say themselves what they expect of a picture, and so do some other
    files, in their metadata or by what their graph begins with (`Model.expectation` says where it
    was found). For the rest the arguments say it; without `input_range` such a model can be
    inspected, not rendered.

    Args:
        source: A name of the catalogue (`"squeezenet"`), a path, the bytes of a file, an
            `onnx.ModelProto` or an `onnx_ir.Model`.
        preprocessing: The next four by the name of where the network comes from: `"imagenet"`,
            `"clip"`, `"inception"`, `"caffe"`, `"tf"`, `"yolo"` or `"none"` (see
            `onnxscope.network.inputs.presets`).
        input_range: What black and white are to the network, such as (0, 1), (-1, 1), (0, 255); or
            such a pair for each channel.
        mean: Subtracted after that, in the same units: one number, or one for each channel, of
            three in the order of `channel_order`.
        std: Divided by then, likewise.
        channel_order: `"rgb"` (the default) or `"bgr"`.
        layout: Where the file leaves open what the axes of its input are, or means others than it
            is taken for: `"NCHW"` or `"NHWC"`; D slices of volumes, T frames of videos or moments
            of spectrograms and F their frequencies, as in `"NCDHW"`, `"NTCHW"`, `"NCFT"`, `"NFT"`.
        colors: Which channels are red, green and blue, such as (3, 2, 1), or `"none"`; by default
            all of three, and none of another number.
        channel_axis: Of layers, by name, the axis with the channels, counted from 0 with the
            pictures on axis 0: where it cannot be told, or is told wrongly.
        image_input: The name of the input that takes pictures, where there are several.
        inputs: The values of other inputs, by name: arrays of their shapes, numbers in a row that
            are laid out in these, or a number that fills one; sizes that the file leaves open are 1
            where nothing else follows.
        labels: Names of the classes, in the order of their scores; by default the file's own.
        cache: Whether what is known of a file without its graph is kept on disk for the next
            process, and taken from there (see `onnxscope.cache`). The graph is then read when it
            is needed.
        compare: Whether the network's values are compared with those that ONNX Runtime gives for
            the file as it is, before the first picture or gradient on a machine, with a warning
            that names the first node that differs (`Model.faithfulness` has what was found).
            `ONNXSCOPE_COMPARE=off` does without everywhere.

    Raises:
        ModelError: there is no such model or file, or it is damaged.
        OperatorError: it holds operators of another domain.
        InputError: an argument is of another kind, the preprocessing is contradictory, the value of
            an input does not fit it, or there are not as many labels as scores.
    """
    cache, compare = flag("cache", cache), flag("compare", compare)
    axes = by_name("channel_axis", channel_axis, "{'encoder': 2}")
    said = _Said.of(input_range, mean, std, channel_order)
    named = None
    if preprocessing is not None:
        named = preset(text("preprocessing", preprocessing, "a name such as 'imagenet'"))
        if said is not None:
            raise InputError(
                f"preprocessing={preprocessing!r} says all of input_range, mean, std and "
                "channel_order; give the one or the others"
            )
    names = None if labels is None else texts("labels", labels, "names of classes")
    if names == ():
        raise InputError("labels must be a list of names of classes, not an empty one")
    with working(f"reading {source}" if isinstance(source, str) else "reading the model"):
        reading = open_model(
            source,
            layout=layout,
            image_input=image_input,
            inputs=inputs,
            cache=graph_cache() if cache else None,
        )
        model = Model(reading, None, axes, compared=compare, labels=names, colors=colors)
    if names is not None:
        # Imported here: few name the classes themselves.
        from .class_scores import check_labels

        check_labels(model)
    if said is None and named is None:
        return model
    if model.metadata is not None:
        raise InputError(
            f"{model.name} says itself what it expects of a picture; leave preprocessing, "
            "input_range, mean, std and channel_order out"
        )
    given = named if said is None else said.preprocessing(model.form.channels)
    return Model(reading, given, axes, compared=compare, labels=names, colors=colors)


@dataclass(frozen=True)
class _Said:
    """What the arguments of `load` say of pictures, each of its kind."""

    ranges: tuple[Range, ...] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channel_order: str

    @staticmethod
    def of(
        input_range: tuple[float, float] | Sequence[tuple[float, float]] | None,
        mean: float | Sequence[float] | None,
        std: float | Sequence[float] | None,
        channel_order: str | None,
    ) -> _Said | None:
        """Check the arguments; `None` where they say nothing."""
        if all(argument is None for argument in (input_range, mean, std, channel_order)):
            return None
        if channel_order is not None:
            text("channel_order", channel_order, "'rgb' or 'bgr'")
        return _Said(
            None if input_range is None else _ranges(input_range),
            (0.0,) if mean is None else _numbers("mean", mean),
            (1.0,) if std is None else _numbers("std", std),
            channel_order or "rgb",
        )

    def preprocessing(self, channels: int) -> Preprocessing:
        """Return what happens to a picture.

        Raises:
            InputError: that remains open, or is contradictory.
        """
        if self.ranges is None:
            raise InputError(
                "mean, std and channel_order need input_range as well: what black and white are "
                "before the mean is subtracted, such as (0, 1) or (0, 255)"
            )
        ranges = self.ranges if len(self.ranges) > 1 else self.ranges[0]
        return Preprocessing(ranges, self.mean, self.std, self.channel_order, channels=channels)


def _ranges(given: tuple[float, float] | Sequence[tuple[float, float]]) -> tuple[Range, ...]:
    """One pair of ends, or one for each channel."""
    items: Sequence[object] = given if _is_list(given) else ()
    several = len(items) > 0 and all(_is_list(item) for item in items)
    pairs = []
    for pair in items if several else [given]:
        ends = reals("input_range", pair, "(0, 255)")
        if len(ends) != 2:
            raise InputError(f"input_range takes two numbers, such as (0, 255), not {shown(given)}")
        pairs.append((ends[0], ends[1]))
    return tuple(pairs)


def _is_list(item: object) -> bool:
    return isinstance(item, Sequence | np.ndarray) and not isinstance(item, str)


def _numbers(name: str, value: float | Sequence[float]) -> tuple[float, ...]:
    """One number, or those of a list or array."""
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, Real):
        return (real(name, value),)
    return reals(name, value, "(0.485, 0.456, 0.406)")


def open_model(
    source: ModelSource,
    *,
    layout: str | None = None,
    image_input: str | None = None,
    inputs: Mapping[str, npt.ArrayLike] | None = None,
    cache: GraphCache | None = None,
) -> Reading:
    """Return what a source means, ready to be read.

    Args:
        source: As `load` takes it.
        layout: As `load` takes it.
        image_input: As `load` takes it.
        inputs: As `load` takes it.
        cache: Where facts are kept.

    Raises:
        ModelError: there is no such model or file.
    """
    if layout is not None:
        text("layout", layout, "'NCHW' or 'NHWC'")
    if image_input is not None:
        text("image_input", image_input, "the name of an input")
    inputs = by_name("inputs", inputs, "{'mask': 1}")
    found, name = find_source(source)
    return Reading(found, name, layout=layout, image_input=image_input, inputs=inputs, cache=cache)


def find_source(source: ModelSource) -> tuple[ModelFile | onnx.ModelProto | ir.Model, str]:
    """Return a model's content, and what to call it.

    Raises:
        ModelError: there is no such model or file.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return ModelFile(bytes(source)), "the model"
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        return _as_object(source), "the model"
    text = os.fspath(source)
    if isinstance(source, str) and _is_catalogue_name(text):
        from .. import models

        if text in models.catalogue():
            return ModelFile.read(models.fetch(text)), text
        if not Path(text).exists():
            raise ModelError(
                f"there is no file {text!r} and no model of that name in the catalogue"
                f"{nearest(text, models.catalogue())}"
            )
    return ModelFile.read(text), text


def _as_object(source: object) -> onnx.ModelProto | ir.Model:
    import onnx
    import onnx_ir as ir

    if isinstance(source, onnx.ModelProto | ir.Model):
        return source
    raise ModelError(
        "a model is a catalogue name, a path, bytes, an onnx.ModelProto or an onnx_ir.Model, "
        f"not {shown(source)}"
    )


def _is_catalogue_name(text: str) -> bool:
    return os.sep not in text and "/" not in text and not text.endswith(".onnx")
