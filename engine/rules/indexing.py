"""Rules of operators that take elements by index."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..graph.builder import Operators
from ..graph.positions import _INT64, flat_positions, split_sizes
from ..graph.tensor import Size, Tensor
from ..graph.words import reshape_as, zeros_like
from .scattering import as_range, give_back_rows, pad_back, scatter_add
from .table import RuleTable

# Outputs of Unique: the elements, where each was found first, which each was, how often.
_ALL_OF_UNIQUE = 4


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Gather", _gather)
    rules.define("GatherElements", _gather_elements)
    rules.define("GatherND", _gather_nd)
    rules.define("Compress", _compress)
    rules.define("Unique", _unique, ignores=("sorted",))
    rules.define("TopK", _top_k, ignores=("largest", "sorted"))
    rules.define("OneHot", None, None, _one_hot_values)


def _gather(op: Operators, dy: Tensor, x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    axis %= x.rank
    rows: list[Size] = list(x.sizes)
    known = indices.array
    if known is None:
        rows[axis] = -1 if indices.rank != 1 else indices.sizes[0]
        flat = dy if indices.rank == 1 else dy.reshape(*rows)
        return give_back_rows(op, flat, x, indices.reshape(-1), axis)
    rows[axis] = known.size
    flat = dy if known.ndim == 1 else dy.reshape(*rows)
    vector = known.reshape(-1)
    if not isinstance(x.dims[axis], int) and _one_direction(vector):
        # Consecutive rows of an open axis, such as the first: cheaper to pad than to scatter.
        start = op.constant(vector[:1], np.int64)
        return pad_back(op, flat, x, start, op.constant([axis], np.int64))
    return give_back_rows(op, flat, x, vector, axis)


def _one_direction(index: np.ndarray) -> bool:
    """Whether positions ascend one by one, and all count from the same end."""
    taken = as_range(index)
    return taken is not None and taken.step == 1 and (taken.start < 0) == (taken[-1] < 0)


def _gather_elements(op: Operators, dy: Tensor, x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    return x.builder.declare_shape(scatter_add(op, dy, x.sizes, indices, axis), x.dims)


def _gather_nd(op: Operators, dy: Tensor, x: Tensor, indices: Tensor, *, batch_dims: int) -> Tensor:
    leading, rest = split_sizes(x, indices, batch_dims)
    rows = flat_positions(op, indices, leading, batch_dims)
    count: Size = rows.size if isinstance(rows, np.ndarray) else rows.sizes[0]
    flat = x.reshape(math.prod(leading), *rest)
    return reshape_as(give_back_rows(op, dy.reshape(count, *rest), flat, rows, 0), x)


def _compress(
    op: Operators, dy: Tensor, x: Tensor, condition: Tensor, *, axis: int | None
) -> Tensor:
    known = condition.array
    flat = x.reshape(math.prod(x.sizes)) if axis is None else x
    along = 0 if axis is None else axis % x.rank
    size, length = flat.dims[along], condition.dims[0]
    if known is None and isinstance(size, int) and isinstance(length, int):
        return reshape_as(_expanded(op, dy, condition, along, size - length), x)
    kept = np.flatnonzero(known) if known is not None else op.NonZero(condition).reshape(-1)
    return reshape_as(give_back_rows(op, dy, flat, kept, along, repeated=False), x)


def _expanded(op: Operators, dy: Tensor, condition: Tensor, axis: int, more: int) -> Tensor:
    """Rows of dy where the condition holds, zeros elsewhere and for so many rows more.

    Every row is gathered: how many there are in dy need not be known, which ONNX Runtime would find
    out on the CPU.
    """
    holds = condition.astype(_INT64)
    # Row 0 will be zeros.
    rows = op.CumSum(holds, op.constant(0, np.int64)) * holds
    if more:
        rows = op.Concat(rows, op.constant(np.zeros(more), np.int64), axis=0)
    pads = np.zeros(2 * dy.rank, np.int64)
    pads[axis] = 1
    return op.Gather(op.Pad(dy, op.constant(pads)), rows, axis=axis)


def _unique(
    op: Operators, dy: Tensor, x: Tensor, *, ys: Sequence[Tensor], axis: int | None
) -> Tensor:
    """Equal elements share the derivative: none of them is the one that was found."""
    node = ys[0].value.producer()
    if len(ys) == _ALL_OF_UNIQUE or node is None:
        inverse, counts = ys[2:]
    else:
        # The node keeps to itself where it found them, and how often.
        whole = x.builder.append("Unique", [x], dict(node.attributes), outputs=_ALL_OF_UNIQUE)
        inverse, counts = whole[2:]
    along = 0 if axis is None else axis % x.rank
    column: list[Size] = [1] * dy.rank
    column[along] = -1
    share = dy / counts.astype(dy.dtype).reshape(*column)
    return reshape_as(op.Gather(share, inverse, axis=along), x)


def _top_k(
    op: Operators, dy: Tensor, x: Tensor, k: Tensor, *, ys: Sequence[Tensor], axis: int
) -> Tensor:
    """Equal elements: as the operator chooses, the first of them."""
    return op.ScatterElements(zeros_like(op, x), ys[1], dy, axis=axis)


def _one_hot_values(
    op: Operators, dy: Tensor, indices: Tensor, depth: Tensor, values: Tensor, *, axis: int
) -> Tensor:
    # The values are those of the rest and of the chosen places, in this order.
    shares = [
        dy * op.OneHot(indices, depth, op.constant(pair, np.float32), axis=axis).astype(dy.dtype)
        for pair in ([1, 0], [0, 1])
    ]
    return op.Concat(*(share.sum().reshape(1) for share in shares), axis=0)
