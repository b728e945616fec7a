"""Rules of operators that take elements by index."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from .scattering import as_range, give_back_rows, pad_back, scatter_add
from .table import RuleTable
from .vocabulary import count_of, reshape_as, zeros_like

_INT64 = np.dtype(np.int64)


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
    """Equal elements: the first of them has the whole derivative."""
    node = ys[0].value.producer()
    if len(ys) > 1 or node is None:
        first = ys[1]
    else:
        # The node keeps to itself where it found them.
        first = x.builder.append("Unique", [x], dict(node.attributes), outputs=2)[1]
    flat = x.reshape(math.prod(x.sizes)) if axis is None else x
    along = 0 if axis is None else axis % x.rank
    return reshape_as(give_back_rows(op, dy, flat, first, along, repeated=False), x)


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


# Indices of several axes ------------------------------------------------------------------------


def split_sizes(
    x: Tensor, indices: Tensor, batch_dims: int = 0
) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """The sizes of the axes that the indices of GatherND or ScatterND go over, and of the rest.

    Raises:
        OperatorError: how many axes the indices go over is not known.
    """
    depth = indices.dims[-1]
    if not isinstance(depth, int):
        raise OperatorError(
            f"the last size of {indices.name!r} must be a number: it says how many axes these "
            "indices go over"
        )
    return x.sizes[: batch_dims + depth], x.sizes[batch_dims + depth :]


def flat_positions(
    op: Operators, indices: Tensor, leading: Sequence[Size], batch_dims: int = 0
) -> np.ndarray | Tensor:
    """The indices of GatherND or ScatterND as one vector of row numbers.

    Args:
        op: Operators of the graph.
        indices: (batch..., ..., depth); they may be negative.
        leading: Sizes of the batch axes and of those that are indexed.
        batch_dims: How many axes batch has.

    Returns:
        Positions in the leading axes as one; an array where they are known.
    """
    indexed = leading[batch_dims:]
    strides = [math.prod(indexed[axis + 1 :]) for axis in range(len(indexed))]
    known, numbers = indices.array, [size for size in leading if isinstance(size, int)]
    if known is not None and len(numbers) == len(leading):
        inside = known % np.array(numbers[batch_dims:], np.int64)
        rows = np.asarray((inside * np.array(strides, np.int64)).sum(-1))
        batch = math.prod(numbers[:batch_dims])
        base = np.arange(batch) * math.prod(numbers[batch_dims:])
        return (rows.reshape(batch, -1) + base[:, None]).reshape(-1)
    wide = indices.astype(_INT64)
    inside_at_run_time = op.Where(wide.less(0), wide + op.vector(indexed), wide)
    flat = (inside_at_run_time * op.vector(strides)).sum([-1])
    if not batch_dims:
        return flat.reshape(-1)
    count = count_of(leading[:batch_dims], _INT64)
    end = count if isinstance(count, Tensor) else op.constant(count, np.int64)
    steps = op.Range(op.constant(0, np.int64), end, op.constant(1, np.int64))
    base_at_run_time = steps * op.vector([math.prod(indexed)])
    rows_by_batch = flat.reshape(math.prod(leading[:batch_dims]), -1)
    return (rows_by_batch + base_at_run_time.reshape(-1, 1)).reshape(-1)
