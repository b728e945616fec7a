"""The graph of a model between its pictures and its layers, in whatever layout the file has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import onnx_ir as ir

from ..errors import InputError, LayerError, ModelError, OnnxscopeError, RowsError
from ..graph.tensor import Tensor
from ..graph.walks import computed_from, read_by
from ..importer.replay import replay
from .activations import Activations, channels_first, patches
from .inputs.image_input import describe, image_input, known_dims, other_layout
from .inputs.taken_for import counts_of, sizes_of
from .layers.axes import Axes, Grid, Z, axes_of, channel_axis
from .layers.idle import bypass_idle, is_idle
from .layers.layer import Layer, LayerNames, Layers, find_branches, find_main
from .layers.layout import find_axes
from .layers.naming import Naming, name_values

Values = tuple[dict[str, Tensor], dict[str, Axes]]
"""Values as the file has them, and what their axes mean, by name."""


class Network:
    """A graph with one input that takes pictures.

    Attributes:
        name: Of the model, for messages.
        graph: In topological order.
        image: The input that takes pictures.
        layout: Of that input, such as `NCHW` (see `forms.Form`).
        inputs: Values of the other inputs, by name.
    """

    def __init__(
        self,
        graph: ir.Graph,
        name: str,
        *,
        layout: str | None = None,
        picture: str | None = None,
        inputs: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Find the input.

        Args:
            graph: The network.
            name: Of the model.
            layout: Where the file leaves it open.
            picture: The input's name, where there are several.
            inputs: Values of the others.

        Raises:
            OnnxscopeError: there is no input that certainly takes pictures.
        """
        self.name = name
        self.graph = graph
        self.inputs = dict(inputs or {})
        self.image, self.layout = image_input(
            graph, name, layout, wanted=picture, given=self.inputs
        )
        bypass_idle(graph)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The height and width where the file accepts one picture size only, else `None`."""
        height, width = self.sides
        return None if height is None or width is None else (height, width)

    @property
    def sides(self) -> tuple[int | None, int | None]:
        """The height and the width, each `None` where the file leaves it open."""
        return sizes_of(self.layout, known_dims(self.image))

    @property
    def channels(self) -> int:
        """How many channels pictures have: three colours where the file leaves it open."""
        return counts_of(self.layout, known_dims(self.image))[0] or 3

    @property
    def fixed_depth(self) -> int | None:
        """How many slices or frames the file takes, `None` where it leaves it open."""
        return counts_of(self.layout, known_dims(self.image))[1]

    @property
    def fixed_batch(self) -> int | None:
        """How many pictures the file takes at a time, where it says a number; else `None`."""
        return known_dims(self.image)[0]

    @property
    def self_contained(self) -> bool:
        """Whether its weights are all in memory: none in files beside its own, which may change."""
        weights = [value.const_value for value in self.graph.initializers.values()]
        for node in self.graph.all_nodes():
            weights += [a.value for a in node.attributes.values() if isinstance(a, ir.Attr)]
        return not any(isinstance(weight, ir.ExternalTensor) for weight in weights)

    @cached_property
    def value_names(self) -> list[str]:
        """The values that are computed from the picture, the first output of each node."""
        first = [node.outputs[0] for node in computed_from(self.graph, self.image)]
        return [value.name for value in first if value.name and not _is_idle(value)]

    @cached_property
    def producers(self) -> dict[str, ir.Node]:
        """The nodes that compute values from the picture, by the names of their first outputs."""
        return {
            node.outputs[0].name: node
            for node in computed_from(self.graph, self.image)
            if node.outputs[0].name
        }

    def naming(self) -> Naming:
        """Find names of these values for people."""
        return name_values(self.graph, self.image)

    def append(
        self,
        pictures: Tensor,
        wanted: Collection[str],
        failures: dict[str, OnnxscopeError] | None = None,
    ) -> Values:
        """Append what computes values from pictures.

        Args:
            pictures: As the input takes them.
            wanted: Names of values.
            failures: As `graph.replay.replay` takes it.
        """
        builder = pictures.builder
        if self.image.dtype is ir.DataType.FLOAT16:
            pictures = pictures.astype(np.dtype(np.float16))
        given = {name: builder.constant(array, array.dtype) for name, array in self.inputs.items()}
        given[self.image.name or ""] = pictures
        values = replay(builder, self.graph, given, wanted, failures=failures)
        known = {pictures.value: axes_of(self.layout)}
        axes = find_axes(builder.graph, known)
        return values, {name: axes.get(tensor.value, ()) for name, tensor in values.items()}

    def present(
        self,
        named: Mapping[str, str],
        found: Values,
        pictures: int | str | None,
        given_axes: Mapping[str, int],
    ) -> Activations:
        """Make values what objectives read.

        Args:
            named: The names that they get, each with the value's name.
            found: From `append`.
            pictures: How many there are.
            given_axes: Channel axes that the user says, by the layers' values.

        Raises:
            RowsError: a value has not one row for each picture.
            LayerError: it cannot be told where a value's channels are.
        """
        presented: dict[str, Tensor] = {}
        grids: dict[str, Grid] = {}
        for name, value_name in named.items():
            value, axes = found[0][value_name], found[1][value_name]
            if value.rank and value.dims[0] != pictures:
                raise RowsError(
                    f"{name} has {value.dims[0]} rows for {pictures} pictures"
                    + (self.batch_advice(pictures) or "; a layer has one for each")
                )
            if value.rank in (3, 4) or (value.rank == 5 and Z in axes):
                axis = _channel_axis(value_name, axes, given_axes)
                if axis is None:
                    raise LayerError(f"{name!r} cannot be shown: {_no_channels(value.dims, axes)}")
                grid = patches(axes, axis)
                if grid is not None:
                    grids[name] = grid
                value = channels_first(value, axis)
            half = value.value.dtype is ir.DataType.FLOAT16
            presented[name] = value.astype(np.dtype(np.float32)) if half else value
        return Activations(presented, grids)

    def describe(
        self,
        pictures: Tensor,
        names: LayerNames,
        wanted: Sequence[str],
        given_axes: Mapping[str, int],
    ) -> Layers:
        """Return the layers, with their shapes for these pictures.

        Args:
            pictures: Symbolic, as the input takes them.
            names: Of the layers.
            wanted: The values that may be layers.
            given_axes: Channel axes that the user says, by the layers' values.
        """
        missing = self.missing(wanted)
        failures: dict[str, OnnxscopeError] = {}
        values, axes = self.append(pictures, [n for n in wanted if n not in missing], failures)
        left_out = {
            name: str(error) + (self.layout_advice if type(error) is ModelError else "")
            for name, error in failures.items()
        } | missing
        found: dict[str, tuple[tuple[int, ...], int]] = {}
        for name, value in values.items():
            if not _known(value):
                continue
            axis = _channel_axis(name, axes[name], given_axes)
            reason = _unusable(value.shape, axis, pictures.dims[0], axes[name])
            if reason or axis is None:
                left_out[name] = reason
            else:
                found[name] = value.shape, axis
        channels = {name: shape[axis] for name, (shape, axis) in found.items()}
        main = find_main(self.graph, self.image, list(found), names.naming)
        by_name = {v.name: v for node in self.graph for v in node.outputs if v.name}
        layers = {
            name: Layer(
                name,
                (shape[axis], *(size for at, size in enumerate(shape) if at not in (0, axis))),
                channels[name],
                _producer_type(by_name[name]),
                find_branches(by_name[name], channels, axis, len(shape)),
                name in main,
                names.naming.aliases.get(name, ""),
                patches(axes[name], axis),
            )
            for name, (shape, axis) in found.items()
        }
        return Layers(layers, left_out, names)

    def missing(self, names: Iterable[str]) -> dict[str, str]:
        """Return which values cannot be computed from the picture alone, and what they need."""
        missing: dict[ir.Value, str] = {
            value: f"it needs the input {describe(value)} as well; give it to load as "
            f"inputs={{{value.name!r}: array}} (--input {value.name}=VALUE)"
            for value in self.graph.inputs
            if value is not self.image
            and value.name not in self.graph.initializers
            and value.name not in self.inputs
        }
        if not missing:
            return {}
        for node in self.graph:
            reason = next((missing[v] for v in read_by(node) if v in missing), None)
            if reason is not None and node.op_type != "Shape":
                missing.update(dict.fromkeys(node.outputs, reason))
        by_name = {value.name: reason for value, reason in missing.items()}
        return {name: by_name[name] for name in names if name in by_name}

    @property
    def layout_advice(self) -> str:
        """What to do where a layer refuses its pictures, and they may lie the other way."""
        other = other_layout(self.image, self.layout)
        if other is None:
            return ""
        return (
            f"; the file leaves open where the channels are, and {self.layout} was said: perhaps "
            f"it is layout={other!r} (--layout {other})"
        )

    def batch_advice(self, pictures: int | str | None) -> str:
        """Return what to do where the file takes another number of pictures, else nothing."""
        if self.fixed_batch in (None, pictures):
            return ""
        return (
            f"; the file fixes its batch to {self.fixed_batch}: give as many pictures at a time, "
            "or export it with an open batch"
        )


def _is_idle(value: ir.Value) -> bool:
    """Whether a value is another one over again, which nobody reads."""
    node = value.producer()
    return node is not None and is_idle(node) and not value.is_graph_output()


def _channel_axis(name: str, axes: Axes, given_axes: Mapping[str, int]) -> int | None:
    given = given_axes.get(name)
    if given is not None and given >= len(axes):
        raise InputError(f"{name} has axes 1 to {len(axes) - 1} for its channels, not axis {given}")
    return channel_axis(axes) if given is None else given


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


def _unusable(
    shape: tuple[int, ...], axis: int | None, pictures: int | str | None, axes: Axes
) -> str:
    """Why a value of this shape is no layer; empty where it is one."""
    most = 3 if Z in axes else 2
    if not 2 <= len(shape) <= 2 + most:
        return (
            f"it has {len(shape)} axes; a layer has the pictures, the channels and up to "
            f"{most} more"
        )
    if shape[0] != pictures:
        return f"its first axis, of {shape[0]}, is not the pictures"
    return _no_channels(shape, axes) if axis is None else ""


def _no_channels(shape: Sequence[int | str | None], axes: Axes) -> str:
    dims = "×".join(map(str, shape))
    reason = f"which axis of {dims} the channels are on cannot be told"
    if any(axis.kind == "h" for axis in axes) and all(axis.kind != "c" for axis in axes):
        reason = (
            f"the channels of {dims} are divided, into groups or among the heads of an attention"
        )
    return (
        f"{reason}; channel_axis={{name: axis}} (--channel-axis NAME=AXIS) says which axis to take"
    )
