"""Rules of operators that move elements: reshape, permute, join, cut, pad, repeat."""

from __future__ import annotations

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from .table import RuleTable
from .vocabulary import constant_of, normalized_axes, reshape_as, zeros, zeros_like


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Reshape", _as_input, ignores=("allowzero",))
    rules.define("Flatten", _as_input, ignores=("axis",))
    rules.define("Squeeze", _as_input)
    rules.define("Unsqueeze", _as_input)
    rules.define("Transpose", _transpose)
    rules.define("Concat", each=_concat)
    rules.define("Split", _split, ignores=("num_outputs",))
    rules.define("Slice", _slice)
    rules.define("Gather", _gather)
    rules.define("Pad", _pad, None, _pad_value)
    # The walk sums over repeated axes: only axes that Expand adds or widens are left to it.
    rules.define("Expand", lambda op, dy, x: dy)


def _as_input(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    return reshape_as(dy, x)


def _transpose(op: Operators, dy: Tensor, x: Tensor, *, perm: list[int] | None) -> Tensor:
    order = list(reversed(range(x.rank))) if perm is None else perm
    return op.Transpose(dy, perm=[int(axis) for axis in np.argsort(order)])


def _concat(op: Operators, dy: Tensor, *xs: Tensor, axis: int, index: int) -> Tensor:
    start: Size = 0
    for x in xs[:index]:
        start = start + x.sizes[axis]
    part = [slice(None)] * dy.rank
    part[axis] = slice(start, start + xs[index].sizes[axis])
    return dy[tuple(part)]


def _split(
    op: Operators,
    dy: Tensor | None,
    x: Tensor,
    *,
    axis: int,
    ys: list[Tensor],
    dys: list[Tensor | None],
) -> Tensor:
    parts = [
        zeros_like(op, part) if cotangent is None else cotangent
        for part, cotangent in zip(ys, dys, strict=True)
    ]
    return op.Concat(*parts, axis=axis)


def _slice(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None,
    steps: Tensor | None,
) -> Tensor:
    ranges = _slice_ranges(x, starts, ends, axes, steps)
    before, after = [0] * x.rank, [0] * x.rank
    for axis, taken in ranges.items():
        if taken.step == 1:
            before[axis] = taken.start
            after[axis] = x.shape[axis] - taken.stop
        else:
            # Put each row back to where it was taken from.
            shape = [x.shape[a] if a == axis else dy.shape[a] for a in range(x.rank)]
            index = np.arange(len(taken)) * taken.step + taken.start
            index = index.reshape([-1 if a == axis else 1 for a in range(x.rank)])
            dy = op.ScatterElements(
                zeros(op, shape, dy.dtype),
                op.constant(np.broadcast_to(index, dy.shape), np.int64),
                dy,
                axis=axis,
            )
    if any(before) or any(after):
        dy = op.Pad(dy, op.constant(before + after, np.int64))
    return dy


def _slice_ranges(
    x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None, steps: Tensor | None
) -> dict[int, range]:
    first = [int(n) for n in constant_of(starts, "the starts of Slice")]
    last = [int(n) for n in constant_of(ends, "the ends of Slice")]
    where = range(len(first)) if axes is None else constant_of(axes, "the axes of Slice")
    stride = [1] * len(first) if steps is None else constant_of(steps, "the steps of Slice")
    ranges = {}
    for start, end, axis, step in zip(
        first, last, normalized_axes(list(where), x.rank), stride, strict=True
    ):
        # Python clips both ends as ONNX does.
        ranges[axis] = range(*slice(start, end, int(step)).indices(x.shape[axis]))
    return ranges


def _gather(op: Operators, dy: Tensor, x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.rank
    index = constant_of(indices, "the indices of Gather").astype(np.int64)
    flat = index.ravel() % x.shape[axis]
    rows = [flat.size if a == axis else size for a, size in enumerate(x.shape)]
    column = flat.reshape([-1 if a == axis else 1 for a in range(x.rank)])
    return op.ScatterElements(
        zeros_like(op, x),
        op.constant(np.broadcast_to(column, rows), np.int64),
        dy.reshape(*rows),
        axis=axis,
        reduction="add",
    )


def _pad(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    pads: Tensor,
    value: Tensor | None,
    axes: Tensor | None,
    *,
    mode: str,
) -> Tensor:
    if mode != "constant":
        raise OperatorError(f"the gradient of Pad in mode {mode!r} is not supported yet")
    amounts = constant_of(pads, "the pads of Pad")
    listed = range(x.rank) if axes is None else constant_of(axes, "the axes of Pad")
    where = normalized_axes(list(listed), x.rank)
    before, after = amounts[: len(where)], amounts[len(where) :]
    if any(n < 0 for n in amounts):
        raise OperatorError("the gradient of Pad with negative pads is not supported yet")
    return op.Slice(
        dy,
        op.constant(before, np.int64),
        op.constant([dy.shape[a] - n for a, n in zip(where, after, strict=True)], np.int64),
        op.constant(where, np.int64),
    )


def _pad_value(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    pads: Tensor,
    value: Tensor,
    axes: Tensor | None,
    *,
    mode: str,
) -> Tensor:
    inside = _pad(op, dy, x, pads, value, axes, mode=mode)
    return (dy.sum() - inside.sum()).reshape(*value.shape)
