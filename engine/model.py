"""A loaded model: its layers, what it expects of a picture, its activations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from .activations import Activations, channels_first, patches
from .errors import (
    EmptyError,
    InputError,
    LayerError,
    ModelError,
    OnnxscopeError,
    OperatorError,
)
from .expectations import Expectation, find_expectation, find_labels, find_size
from .graph.builder import Builder
from .graph.crop import needed_part
from .graph.layout import (
    PICTURE,
    PICTURE_LAST,
    Axes,
    Grid,
    channel_axis,
    find_axes,
)
from .graph.loading import LoadedModel
from .graph.replay import model_of, replay
from .graph.tensor import Tensor
from .image_input import describe, known_dims
from .image_input import image_input as find_image_input
from .images import as_batch
from .layers import Layer, LayerNames, Layers, find_branches, find_main
from .metadata import Metadata
from .naming import computed_from, name_values
from .plain import whole
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    import numpy.typing as npt

_USUAL_SIZE = 224


class Model:
    """A network as onnxscope sees it: pictures (N, 3, H, W), RGB in [0, 1], to named layers.

    Made by `onnxscope.load`.

    Attributes:
        name: The catalogue name, or where the file came from.
        sha256: Hash of the model file.
        metadata: What a converted model says of itself; `None` for files of other origin.
        preprocessing: What the picture goes through before the graph, `None` where that is unknown.
        expectation: Where that was found, and what of it is assumed.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        name: str,
        preprocessing: Preprocessing | None = None,
        layout: str | None = None,
        channel_axis: Mapping[str, int] | None = None,
        image_input: str | None = None,
        inputs: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.name = name
        self.sha256 = loaded.sha256
        self.opset = loaded.opset
        self.metadata = Metadata.from_props(loaded.props)
        self._graph = loaded.model.graph
        self._inputs = dict(inputs or {})
        self._input, self._layout = find_image_input(
            self._graph, name, layout, wanted=image_input, given=self._inputs
        )
        if self.metadata is not None:
            self.expectation = Expectation(preprocessing or Preprocessing(), "in the graph")
        elif preprocessing is not None:
            self.expectation = Expectation(replace(preprocessing, layout=self._layout), "as given")
        else:
            self.expectation = find_expectation(
                self._graph, self._input, self._layout, loaded.props
            )
        self.preprocessing = self.expectation.preprocessing
        self._labels = find_labels(loaded.props)
        self._named_size = find_size(loaded.props)
        self._given_axes = {
            self.names.find(layer): whole(f"the channel axis of {layer}", axis, 1)
            for layer, axis in (channel_axis or {}).items()
        }

    def __repr__(self) -> str:
        height, width = self._size_or_fixed(self.size)
        return f"<onnxscope model {self.name}: {len(self.layers)} layers, {height}×{width}>"

    @property
    def identity(self) -> dict[str, object]:
        """All that determines what the model computes, as plain data."""
        return {
            "sha256": self.sha256,
            "layout": self._layout,
            "preprocessing": self.preprocessing,
            "channel axes": self._given_axes,
            "image input": self._input.name,
            "inputs": self._inputs,
        }

    @property
    def self_contained(self) -> bool:
        """Whether its weights are all in memory: none in files beside its own, which may change."""
        weights = [value.const_value for value in self._graph.initializers.values()]
        for node in self._graph.all_nodes():
            weights += [a.value for a in node.attributes.values() if isinstance(a, ir.Attr)]
        return not any(isinstance(weight, ir.ExternalTensor) for weight in weights)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits; empty where they are unknown."""
        return self.metadata.labels if self.metadata else self._labels

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width where the file accepts one picture size only, else `None`."""
        dims = known_dims(self._input)
        height, width = dims[1:3] if self._layout == "NHWC" else dims[2:4]
        return None if height is None or width is None else (height, width)

    @property
    def expected_layout(self) -> str:
        """How pictures lie in the file's input: `NCHW` or `NHWC`."""
        return self._layout

    @property
    def fixed_batch(self) -> int | None:
        """How many pictures the file takes at a time, where it says a number; else `None`."""
        return known_dims(self._input)[0]

    @property
    def size(self) -> int:
        """The usual picture size in pixels: the file's, its metadata's, or 224."""
        if self.metadata is not None:
            return self.metadata.size
        return self.fixed_size[0] if self.fixed_size else self._named_size or _USUAL_SIZE

    @cached_property
    def names(self) -> LayerNames:
        """What may be written for a layer. A converted model's own names need no aliases."""
        if self.metadata is not None:
            return LayerNames(self.name, self.metadata.layers)
        return LayerNames(self.name, self.layer_names, name_values(self._graph, self._input))

    @property
    def layer_names(self) -> list[str]:
        """Names of the layers' values, from the image to the output, also of those not supported.

        Aliases are in `names`.
        """
        if self.metadata is not None:
            return list(self.metadata.layers)
        return [
            node.outputs[0].name
            for node in computed_from(self._graph, self._input)
            if node.outputs[0].name
        ]

    @cached_property
    def layers(self) -> Layers:
        """The layers by name, from the image to the output, with shapes at the usual size.

        Values that cannot be written, such as those behind an unknown operator, are left out.
        """
        builder = Builder(opset=self.opset)
        batch = self.fixed_batch or 1
        image = builder.input("image", (batch, 3, *self._size_or_fixed(self.size)), np.float32)
        failures: dict[str, OnnxscopeError] = {}
        missing = self._missing(self.layer_names)
        names = [name for name in self.layer_names if name not in missing]
        values, axes = self._replay(image, names, failures)
        left_out = {name: str(error) for name, error in failures.items()} | missing
        found: dict[str, tuple[tuple[int, ...], int]] = {}
        for name, value in values.items():
            if not _known(value):
                continue
            axis = self._channel_axis(name, axes[name])
            reason = _unusable(value.shape, axis, batch, axes[name])
            if reason or axis is None:
                left_out[name] = reason
            else:
                found[name] = value.shape, axis
        channels = {name: shape[axis] for name, (shape, axis) in found.items()}
        main = find_main(self._graph, self._input, list(found), self.names.naming)
        by_name = {v.name: v for node in self._graph for v in node.outputs if v.name}
        layers = {
            name: Layer(
                name,
                (shape[axis], *(size for at, size in enumerate(shape) if at not in (0, axis))),
                channels[name],
                _producer_type(by_name[name]),
                find_branches(by_name[name], channels, axis, len(shape)),
                name in main,
                self.names.naming.aliases.get(name, ""),
                patches(axes[name], axis),
            )
            for name, (shape, axis) in found.items()
        }
        return Layers(layers, left_out, self.names)

    def arguments(self) -> dict[str, Any]:
        """What `onnxscope.load` needs besides the file, as plain data."""
        found: dict[str, Any] = {} if self.preprocessing is None else self.preprocessing.to_json()
        if self._given_axes:
            found["channel_axis"] = dict(self._given_axes)
        if self._inputs:
            found["inputs"] = {name: array.tolist() for name, array in self._inputs.items()}
        if len(self._graph.inputs) > 1:
            found["image_input"] = self._input.name
        return found

    def on_plain_pictures(self) -> Model:
        """The same model, which takes pictures as they are where it is unknown what it expects."""
        if self.preprocessing is not None:
            return self
        plain = copy(self)
        plain.preprocessing = Preprocessing(layout=self._layout)
        return plain

    def append(
        self, image: Tensor, wanted: Sequence[str], *, check_preprocessing: bool = True
    ) -> Activations:
        """Append the network to the graph that `image` belongs to.

        Args:
            image: Symbolic pictures (N, 3, H, W), RGB in [0, 1].
            wanted: Names of layers, or their aliases.
            check_preprocessing: Refuse to go on where it is not known what the input expects.

        Returns:
            The layers' activations (N, C, H, W), (N, C, L) for L tokens, or (N, C), in float32, by
            the names that were given.

        Raises:
            LayerError: a layer is not there.
            InputError: the preprocessing is unknown, or the picture does not fit the network.
        """
        if self.preprocessing is None and check_preprocessing:
            raise InputError(
                f"{self.name} does not say what its input {self._input.name!r} expects of a "
                f"picture{_in_brackets(self.expectation.words)}: give input_range, such as (0, 1), "
                "(-1, 1) or (0, 255), and mean, std and channel_order where the model was trained "
                "with them"
            )
        height, width = image.shape[2:]
        if self.fixed_size not in (None, (height, width)):
            fixed = "×".join(str(n) for n in self.fixed_size or ())
            raise InputError(
                f"{self.name} takes pictures of {fixed} pixels only, not {height}×{width}"
            )
        named = {name: self.names.find(name) for name in wanted}
        for name, reason in self._missing(named.values()).items():
            raise InputError(f"{name} of {self.name} cannot be computed: {reason}")
        try:
            values, axes = self._replay(image, dict.fromkeys(named.values()))
        except EmptyError as error:
            raise InputError(self._too_small(wanted, height, width)) from error
        except OperatorError:
            raise
        except ModelError as error:
            raise InputError(
                f"{self.name} does not accept {_pictures(image)} of {height}×{width} pixels: "
                f"{error}{self._batch_advice(image.dims[0])}"
            ) from error
        return self._present(named, values, axes, image)

    def activations(
        self, images: npt.ArrayLike, layers: Sequence[str] | str, provider: str = "cpu"
    ) -> dict[str, np.ndarray]:
        """The activations of layers on pictures.

        Args:
            images: (H, W, 3) or (N, H, W, 3), float in [0, 1] or uint8.
            layers: Layer names.
            provider: Where to compute (see `onnxscope.render`).

        Returns:
            By layer, (N, C, H, W) or (N, C) float32.
        """
        from .session import open_session

        names = [layers] if isinstance(layers, str) else list(layers)
        batch = as_batch(images)
        builder = Builder(opset=self.opset)
        image = builder.input("image", batch.shape, np.float32)
        for name, tensor in self.append(image, names).items():
            builder.output(f"activations/{name}", tensor)
        session = open_session(model_of(builder), provider)
        outputs = session.run({"image": batch})
        return {name: outputs[f"activations/{name}"] for name in names}

    def smallest_size(self, layers: Sequence[str]) -> int:
        """The least height and width of square pictures for which all `layers` have cells."""
        low, high = 0, max(self.size, 1)
        while not self._fits(layers, high):
            low, high = high, high * 2
            if high > 16384:
                raise ModelError(f"no picture size up to {high // 2} fits {', '.join(layers)}")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._fits(layers, middle) else (middle, high)
        return high

    def receptive_field(self, layer: str) -> tuple[int, int] | None:
        """Height and width of what the middle cell of a layer sees, in pixels.

        It is taken at the usual picture size and ends at the picture's border.

        Returns:
            `None` where the layer has no cells.
        """
        builder = Builder(opset=self.opset)
        height, width = self._size_or_fixed(self.size)
        image = builder.input("image", (1, 3, height, width), np.float32)
        cells = self.append(image, [layer], check_preprocessing=False)[layer]
        if cells.rank != 4:
            return None
        y, x = (size // 2 for size in cells.shape[2:])
        builder.output("cell", cells[:, :, y : y + 1, x : x + 1])
        box = needed_part(builder, image)
        return None if box is None else (box.bottom - box.top, box.right - box.left)

    def logits(self) -> str:
        """The name of the layer of class scores before the softmax.

        Raises:
            LayerError: the model does not end in classes.
        """
        scores = [layer for layer in self.layers.values() if len(layer.shape) == 1]
        # Behind other heads there may be other numbers than scores of classes.
        named = [layer for layer in scores if layer.channels == len(self.labels)] or scores
        for layer in reversed(named):
            if layer.op_type not in ("Softmax", "LogSoftmax"):
                return layer.name
        raise LayerError(f"{self.name} has no layer of class scores")

    # ---------------------------------------------------------------------------------------------

    def _replay(
        self,
        image: Tensor,
        wanted: Collection[str],
        failures: dict[str, OnnxscopeError] | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Axes]]:
        """The wanted values behind an image as the file has them, and what their axes mean."""
        builder = image.builder
        preprocessing = self.preprocessing or Preprocessing(layout=self._layout)
        pictures = preprocessing.apply(image)
        if self._input.dtype is ir.DataType.FLOAT16:
            pictures = pictures.astype(np.dtype(np.float16))
        given = {name: builder.constant(array, array.dtype) for name, array in self._inputs.items()}
        given[self._input.name or ""] = pictures
        values = replay(builder, self._graph, given, wanted, failures=failures)
        known = {pictures.value: PICTURE if self._layout == "NCHW" else PICTURE_LAST}
        axes = find_axes(builder.graph, known)
        return values, {name: axes.get(tensor.value, ()) for name, tensor in values.items()}

    def _present(
        self,
        named: Mapping[str, str],
        values: Mapping[str, Tensor],
        axes: Mapping[str, Axes],
        image: Tensor,
    ) -> Activations:
        """Values as objectives read them, under the names that were asked for."""
        presented: dict[str, Tensor] = {}
        grids: dict[str, Grid] = {}
        for name, value_name in named.items():
            value = values[value_name]
            if value.rank and value.dims[0] != image.dims[0]:
                raise ModelError(
                    f"{name} has {value.dims[0]} rows for {image.dims[0]} pictures"
                    + (self._batch_advice(image.dims[0]) or "; a layer has one for each")
                )
            if value.rank in (3, 4):
                axis = self._channel_axis(value_name, axes[value_name])
                if axis is None:
                    raise LayerError(
                        f"{name!r} cannot be shown: {_no_channels(value.dims, axes[value_name])}"
                    )
                grid = patches(axes[value_name], axis)
                if grid is not None:
                    grids[name] = grid
                value = channels_first(value, axis)
            presented[name] = value.astype(np.dtype(np.float32)) if _is_half(value) else value
        return Activations(presented, grids)

    def _missing(self, names: Iterable[str]) -> dict[str, str]:
        """Which values cannot be computed from the picture alone, and what they need."""
        missing: dict[ir.Value, str] = {
            value: f"it needs the input {describe(value)} as well; give it to load as "
            f"inputs={{{value.name!r}: array}}"
            for value in self._graph.inputs
            if value is not self._input
            and value.name not in self._graph.initializers
            and value.name not in self._inputs
        }
        if not missing:
            return {}
        for node in self._graph:
            reason = next((missing[v] for v in node.inputs if v is not None and v in missing), None)
            if reason is not None and node.op_type != "Shape":
                missing.update(dict.fromkeys(node.outputs, reason))
        by_name = {value.name: reason for value, reason in missing.items()}
        return {name: by_name[name] for name in names if name in by_name}

    def _channel_axis(self, name: str, axes: Axes) -> int | None:
        given = self._given_axes.get(name)
        if given is not None and given >= len(axes):
            raise InputError(
                f"{name} has axes 1 to {len(axes) - 1} for its channels, not axis {given}"
            )
        return channel_axis(axes) if given is None else given

    def _batch_advice(self, pictures: int | str | None) -> str:
        if self.fixed_batch in (None, pictures):
            return ""
        return (
            f"; the file fixes its batch to {self.fixed_batch}: give as many pictures at a time, "
            "or export it with an open batch"
        )

    def _size_or_fixed(self, size: int) -> tuple[int, int]:
        return self.fixed_size or (size, size)

    def _fits(self, layers: Sequence[str], size: int) -> bool:
        builder = Builder(opset=self.opset)
        image = builder.input("image", (1, 3, size, size), np.float32)
        try:
            self._replay(image, [self.names.find(name) for name in layers])
        except ModelError:
            return False
        return True

    def _too_small(self, wanted: Sequence[str], height: int, width: int) -> str:
        least = self.smallest_size(wanted)
        return (
            f"a picture of {height}×{width} pixels is too small for {', '.join(wanted)}; "
            f"the smallest is {least}×{least}"
        )


def _producer_type(value: ir.Value) -> str:
    node = value.producer()
    return node.op_type if node is not None else "input"


def _known(value: Tensor) -> bool:
    """Whether a value is of floating-point numbers and of known shape."""
    dtype, shape = value.value.dtype, value.value.shape
    return (
        dtype is not None
        and dtype.is_floating_point()
        and shape is not None
        and all(isinstance(dim, int) for dim in shape)
    )


def _in_brackets(words: str) -> str:
    return f" ({words})" if words else ""


def _is_half(value: Tensor) -> bool:
    return value.value.dtype is ir.DataType.FLOAT16


def _pictures(image: Tensor) -> str:
    return "a picture" if image.dims[0] == 1 else f"{image.dims[0]} pictures"


def _unusable(shape: tuple[int, ...], axis: int | None, batch: int, axes: Axes) -> str:
    """Why a value of this shape is no layer; empty where it is one."""
    if not 2 <= len(shape) <= 4:
        return f"it has {len(shape)} axes; a layer has the pictures, the channels and up to 2 more"
    if shape[0] != batch:
        return f"its first axis, of {shape[0]}, is not the pictures"
    return _no_channels(shape, axes) if axis is None else ""


def _no_channels(shape: Sequence[int | str | None], axes: Axes) -> str:
    dims = "×".join(map(str, shape))
    reason = f"which axis of {dims} the channels are on cannot be told"
    if any(axis.kind == "h" for axis in axes) and all(axis.kind != "c" for axis in axes):
        reason = f"the channels of {dims} are divided among the heads of an attention"
    return (
        f"{reason}; channel_axis={{name: axis}} (--channel-axis NAME=AXIS) says which axis to take"
    )
