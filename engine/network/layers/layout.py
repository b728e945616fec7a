"""Where the channels are: what each axis of each value means, from what the operators say.

A picture's axes are known, and so is what operators do to them: a convolution gives (N, C, H, W), a
transposition moves axes, a reshape merges the rows and columns of patches into one axis of tokens,
a product with weights gives channels. What cannot be followed is unknown, and is never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.traits import Trait, operators_with
from .axes import PICTURE, UNKNOWN, Axes, Axis, C, Shape, apart, first_axes, regroup


def find_axes(
    nodes: Iterable[ir.Node], known: Mapping[ir.Value, Axes]
) -> dict[ir.Value, tuple[Axis, ...]]:
    """Return what the axes of values mean.

    Args:
        nodes: Of a graph with shapes, in topological order.
        known: Values whose axes are known, such as the picture's.

    Returns:
        For each value that depends on those, one `Axis` for each of its axes.
    """
    found: dict[ir.Value, Axes] = dict(known)
    for node in nodes:
        if not any(value in found for value in node.inputs if value is not None):
            continue
        follow = _FOLLOW.get(node.op_type, _unknown) if node.domain == "" else _unknown
        for index, output in enumerate(node.outputs):
            shape = shape_of(output)
            if output in known or shape is None or node.op_type == "Shape":
                continue
            axes = follow(_Step(node, index, shape, found))
            found[output] = axes if len(axes) == len(shape) else (UNKNOWN,) * len(shape)
    return found


def shape_of(value: ir.Value | None) -> Shape | None:
    """Return the shape of a value, a name for what is open; `None` where the rank is unknown."""
    if value is None or value.shape is None:
        return None
    return tuple(dim if isinstance(dim, int) else dim.value for dim in value.shape)


# What operators do to axes -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """One output of a node, with what is known of its inputs."""

    node: ir.Node
    index: int
    shape: Shape
    found: Mapping[ir.Value, Axes]

    def axes(self, index: int = 0) -> Axes | None:
        """Of one input, where they are known."""
        value = self.node.inputs[index] if index < len(self.node.inputs) else None
        return None if value is None else self.found.get(value)

    def input_shape(self, index: int = 0) -> Shape | None:
        """Of one input."""
        return shape_of(self.node.inputs[index]) if index < len(self.node.inputs) else None

    def numbers(self, index: int) -> list[int] | None:
        """The elements of a constant input."""
        value = self.node.inputs[index] if index < len(self.node.inputs) else None
        if value is None or value.const_value is None or value.const_value.size > 64:
            return None
        return [int(number) for number in value.const_value.numpy().ravel()]


def _picture(step: _Step) -> Axes:
    # The first axis need not be pictures: windows of one are sometimes put there.
    return (*(step.axes() or PICTURE)[:1], *first_axes(len(step.shape))[1:])


def _per_channel(step: _Step) -> Axes:
    axes = step.axes() or first_axes(len(step.shape))
    # Groups of channels stay groups: a GroupNormalization may be spelled out by an instance's.
    return axes if axes[1].kind == "h" else (axes[0], C, *axes[2:])


def _unknown(step: _Step) -> Axes:
    return (UNKNOWN,) * len(step.shape)


def _elementwise(step: _Step) -> Axes:
    """Axes are aligned at the end; each is what the first operand that has it says."""
    result = [UNKNOWN] * len(step.shape)
    for index in range(len(step.node.inputs)):
        axes, shape = step.axes(index), step.input_shape(index)
        if axes is None or shape is None or len(shape) > len(result):
            continue
        offset = len(result) - len(shape)
        for at, (axis, size) in enumerate(zip(axes, shape, strict=True), offset):
            if size == step.shape[at] and _says_more(axis, result[at]):
                result[at] = axis
    return tuple(result)


def _says_more(axis: Axis, than: Axis) -> bool:
    """Channels once found stay; tokens whose patches are known say more than tokens."""
    if than.kind == "?":
        return axis.kind != "?" or len(axis.parts) > len(than.parts)
    return than.kind == axis.kind == "t" and than.grid is None and axis.grid is not None


def _same(step: _Step) -> Axes:
    return step.axes() or ()


def _transpose(step: _Step) -> Axes:
    axes = step.axes() or ()
    order = step.node.attributes.get_ints("perm", None) or range(len(axes))[::-1]
    return tuple(axes[index] for index in order)


def _reshape(step: _Step) -> Axes:
    axes, before = step.axes(), step.input_shape()
    if axes is None or before is None:
        return ()
    # Sizes that stand on their own first: what was merged can come apart again.
    flat: list[tuple[Axis, int | str | None]] = []
    for axis, size in zip(axes, before, strict=True):
        flat += apart(axis, size)
    return regroup(flat, step.shape)


def _flatten(step: _Step) -> Axes:
    axes, shape = step.axes(), step.input_shape()
    if axes is None or shape is None:
        return ()
    return regroup(list(zip(axes, shape, strict=True)), step.shape)


def _squeeze(step: _Step) -> Axes:
    axes, shape = step.axes() or (), step.input_shape() or ()
    dropped = step.numbers(1)
    if dropped is None:
        return tuple(axis for axis, size in zip(axes, shape, strict=True) if size != 1)
    return tuple(axis for at, axis in enumerate(axes) if at not in _positive(dropped, len(axes)))


def _unsqueeze(step: _Step) -> Axes:
    inserted = step.numbers(1)
    if inserted is None:
        return ()
    at, axes = _positive(inserted, len(step.shape)), iter(step.axes() or ())
    return tuple(
        UNKNOWN if index in at else next(axes, UNKNOWN) for index in range(len(step.shape))
    )


def _reduce(step: _Step) -> Axes:
    axes = step.axes() or ()
    listed = step.numbers(1)
    if listed is None and step.node.attributes.get_int("noop_with_empty_axes", 0) == 1:
        return axes
    gone = _positive(listed, len(axes)) if listed else set(range(len(axes)))
    if len(step.shape) == len(axes):
        return axes
    return tuple(axis for at, axis in enumerate(axes) if at not in gone)


def _gather(step: _Step) -> Axes:
    axes, indices = step.axes(), step.input_shape(1)
    if axes is None or indices is None:
        return ()
    at = step.node.attributes.get_int("axis", 0) % len(axes)
    if len(axes) == 1 and _in_order(step.node.inputs[1]):
        # A reshape, as exporters write a view with strides.
        return regroup(apart(axes[0], (step.input_shape() or (0,))[0]), step.shape)
    # Tokens or channels in another order or number are tokens or channels still.
    kept = (Axis(axes[at].kind),) if len(indices) == 1 else (UNKNOWN,) * len(indices)
    return (*axes[:at], *kept, *axes[at + 1 :])


def _in_order(indices: ir.Value | None) -> bool:
    if indices is None or indices.const_value is None:
        return False
    numbers = indices.const_value.numpy().ravel()
    return bool(np.array_equal(numbers, np.arange(numbers.size)))


def _slice(step: _Step) -> Axes:
    axes, shape = step.axes(), step.input_shape()
    starts, ends, which, steps = (step.numbers(index) for index in range(1, 5))
    if axes is None or shape is None:
        return ()
    if starts is None or ends is None:
        return tuple(Axis(axis.kind) for axis in axes)
    result = list(axes)
    listed = list(range(len(starts))) if which is None else which
    for number, at in enumerate(listed):
        at %= len(axes)
        axis, size = axes[at], shape[at]
        stride = 1 if steps is None else steps[number]
        if isinstance(size, int):
            start, stop, _ = slice(starts[number], ends[number], stride).indices(size)
            result[at] = _part(axis, size, start, stop, stride)
        else:
            result[at] = Axis(axis.kind)
    return tuple(result)


def _part(axis: Axis, size: int, start: int, stop: int, stride: int = 1) -> Axis:
    """What is left of an axis between two positions."""
    if (start, stop, stride) == (0, size, 1) or not axis.parts:
        return axis
    grid = axis.grid
    if grid is None or stride != 1 or start > grid.before:
        return Axis(axis.kind)
    if stop < grid.before + grid.height * grid.width:
        return Axis(axis.kind)
    return Axis(axis.kind, axis.parts, grid.before - start)


def _split(step: _Step) -> Axes:
    axes, shape = step.axes(), step.input_shape()
    if axes is None or shape is None:
        return ()
    at = step.node.attributes.get_int("axis", 0) % len(axes)
    sizes = [(shape_of(output) or (None,) * len(axes))[at] for output in step.node.outputs]
    size, result = shape[at], list(axes)
    numbers = [n for n in sizes if isinstance(n, int)]
    if isinstance(size, int) and len(numbers) == len(sizes):
        start = sum(numbers[: step.index])
        result[at] = _part(axes[at], size, start, start + numbers[step.index])
    else:
        result[at] = Axis(axes[at].kind)
    return tuple(result)


def _concat(step: _Step) -> Axes:
    at = step.node.attributes.get_int("axis", 0) % len(step.shape)
    result = [UNKNOWN] * len(step.shape)
    for index in range(len(step.node.inputs)):
        for place, axis in enumerate(step.axes(index) or ()):
            if place < len(result) and _says_more(axis, result[place]):
                result[place] = axis
    result[at] = _joined(step, at)
    return tuple(result)


def _joined(step: _Step, at: int) -> Axis:
    """The axis that a concatenation runs along."""
    start: int | None = 0
    tokens: list[Axis] = []
    kinds = set()
    for index in range(len(step.node.inputs)):
        axes, shape = step.axes(index), step.input_shape(index)
        size = None if shape is None else shape[at]
        if axes is not None:
            axis = axes[at]
            kinds.add(axis.kind)
            if axis.grid is not None:
                known = start is not None
                place = axis.before + (start or 0)
                tokens.append(Axis(axis.kind, axis.parts, place) if known else Axis(axis.kind))
        start = start + size if start is not None and isinstance(size, int) else None
    if len(tokens) == 1 and "t" in kinds:
        return tokens[0]
    kinds.discard("?")
    return Axis(kinds.pop()) if len(kinds) == 1 else UNKNOWN


def _matmul(step: _Step) -> Axes:
    left, right = step.axes(0), step.axes(1)
    if left is not None and right is None:
        return _times_weights(left, -1, step.input_shape(1))
    if right is not None and left is None:
        return _times_weights(right, -2, step.input_shape(0))
    if left is None or right is None or min(len(left), len(right)) < 2:
        return ()
    rows = left[:-1]
    if right[-1].kind in "ch" and right[-2].kind == "t" and _sums_to_one(step.node.inputs[0]):
        # Of an average over tokens the channels are those of what is averaged. What there is one of
        # for each average are queries, even where weights made them.
        rows = tuple(UNKNOWN if axis.kind == "c" else axis for axis in rows)
    return (*rows, right[-1])


def _sums_to_one(value: ir.Value | None) -> bool:
    """Whether a value is a softmax over its last axis."""
    node = None if value is None else value.producer()
    rank = len(shape_of(value) or ())
    last = node is not None and node.attributes.get_int("axis", -1) in (-1, rank - 1)
    return last and node is not None and node.op_type == "Softmax"


def _times_weights(axes: Axes, contracted: int, weights: Shape | None) -> Axes:
    """Weights make new channels of channels, and tell where they are, if it was unknown.

    A product over tokens, as in a mixer, makes no channels. Neither do weights for each head: they
    may be queries that were learned, one for each object to be detected.
    """
    if len(axes) < 2:
        return ()
    result = list(axes)
    elsewhere = any(axis.kind == "c" for axis in axes[:contracted] or ()) or (
        contracted == -2 and axes[-1].kind == "c"
    )
    per_head = axes[contracted].kind == "h" and (weights is None or len(weights) > 2)
    # Of two axes that both may be the channels' each stays one.
    either = elsewhere and axes[contracted].kind == "c"
    result[contracted] = C if either or not (elsewhere or per_head) else UNKNOWN
    return tuple(result)


def _gemm(step: _Step) -> Axes:
    axes, attributes = step.axes(0), step.node.attributes
    if axes is None or len(axes) != 2:
        return ()
    return (axes[1] if attributes.get_int("transA", 0) else axes[0], C)


def _normalized(step: _Step) -> Axes:
    """A normalisation over one axis, with a gain for each of its elements, is over channels."""
    axes = list(step.axes() or ())
    if step.index or not axes:
        return ()
    over = step.node.attributes.get_int("axis", -1) % len(axes)
    if over == len(axes) - 1 and axes[-1].kind == "?" and all(axis.kind != "c" for axis in axes):
        axes[-1] = C
    return tuple(axes)


def _einsum(step: _Step) -> Axes:
    equation = step.node.attributes.get_string("equation", "").replace(" ", "")
    operands, arrow, output = equation.partition("->")
    if not arrow or "." in equation:
        return ()
    meaning: dict[str, Axis] = {}
    channels_lost = False
    for index, letters in enumerate(operands.split(",")):
        for letter, axis in zip(letters, step.axes(index) or (), strict=False):
            if letter not in meaning or _says_more(axis, meaning[letter]):
                meaning[letter] = axis
            channels_lost |= axis.kind == "c" and letter not in output
    fresh = [letter for letter in output if letter not in meaning]
    if channels_lost and len(fresh) == 1:
        meaning[fresh[0]] = C
    return tuple(meaning.get(letter, UNKNOWN) for letter in output)


def _positive(axes: Iterable[int], rank: int) -> set[int]:
    return {axis % rank for axis in axes} if rank else set()


_FOLLOW: dict[str, Callable[[_Step], Axes]] = {
    # These read and write (N, C, ...), whatever the layout of the picture that the file takes.
    **dict.fromkeys(
        operators_with(Trait.WINDOWED)
        | operators_with(Trait.POOLING)
        | {
            "ConvTranspose", "DeformConv", "DepthToSpace", "GridSample", "MaxUnpool",
            "SpaceToDepth",
        },
        _picture,
    ),
    # What gives its input's shape and leaves each element's place its meaning.
    **dict.fromkeys(
        operators_with(Trait.POINTWISE)
        | {
            "CumProd", "CumSum", "Hardmax", "LogSoftmax", "LpNormalization",
            "MeanVarianceNormalization", "Pad", "Resize", "ReverseSequence", "Softmax", "Trilu",
            "Upsample",
        },
        _same,
    ),
    **dict.fromkeys(operators_with(Trait.BROADCASTING) | {"Expand"}, _elementwise),
    **dict.fromkeys(
        ("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"), _per_channel
    ),
    **dict.fromkeys(
        ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"), _reduce
    ),
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "LayerNormalization": _normalized,
    "RMSNormalization": _normalized,
    "Einsum": _einsum,
}  # fmt: skip
