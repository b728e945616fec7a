"""Indices of several axes as positions in one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import OperatorError
from .builder import Operators
from .tensor import Size, Tensor
from .words import count_of

_INT64 = np.dtype(np.int64)


def split_sizes(
    x: Tensor, indices: Tensor, batch_dims: int = 0
) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """Return the sizes of the axes that indices of GatherND go over, and of the rest.

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
    """Return the indices of GatherND or ScatterND as one vector of row numbers.

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


def as_elements(
    op: Operators, x: Tensor, indices: Tensor, updates: Tensor
) -> tuple[Tensor, Tensor]:
    """Return indices and updates of ScatterND as those of ScatterElements along axis 0.

    Both have the shape (updates, rest), for data of the shape (indexed, rest).
    """
    leading, rest = split_sizes(x, indices)
    rows = flat_positions(op, indices, leading)
    column = op.constant(rows, np.int64) if isinstance(rows, np.ndarray) else rows
    width = math.prod(rest)
    written = updates.reshape(column.sizes[0], width)
    return op.Expand(column.reshape(-1, 1), op.vector([1, width])), written
