"""The adjoint of moving elements by index: cotangents go back to where they were taken from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.words import count_of, reshape_as, zeros, zeros_like
from .pieces import place
from .slide import numbers

# How much more a gradient may gather than it was given, before scattering is cheaper.
_GATHERED_TWICE = 4


def scatter_add(
    op: Operators, dy: Tensor, sizes: Sequence[Size], positions: Tensor, axis: int
) -> Tensor:
    """Return zeros of these sizes, with `dy` added at positions along an axis.

    Half precision is added up in single precision: ONNX Runtime has no other way on the CPU, and
    many small numbers would be lost.
    """
    wide = np.dtype(np.float32) if dy.dtype.itemsize < 4 else dy.dtype
    nothing = zeros(op, sizes, wide)
    total = op.ScatterElements(nothing, positions, dy.astype(wide), axis=axis, reduction="add")
    return total.astype(dy.dtype)


def give_back_rows(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    index: np.ndarray | Tensor,
    axis: int,
    *,
    repeated: bool = True,
) -> Tensor:
    """Return the adjoint of `Gather(x, index, axis)` for a vector of indices.

    Args:
        op: Operators of the graph.
        dy: The cotangent: as x, but along `axis` as long as the index.
        x: What was gathered from.
        index: Positions along the axis, which may be negative; as an array where they are known.
        axis: Counted from the front.
        repeated: Whether positions may repeat.
    """
    size = x.dims[axis]
    if isinstance(index, np.ndarray) and isinstance(size, int):
        known = np.asarray(index % size, np.int64)
        taken = as_range(known)
        if taken is not None:
            return place(op, dy, x.dims, {axis: taken})
        gathered = _gathered_back(op, dy, known, axis, size)
        if gathered is not None:
            return x.builder.declare_shape(gathered, x.dims)
    column: list[Size] = [1] * x.rank
    column[axis] = -1
    vector = op.constant(index, np.int64) if isinstance(index, np.ndarray) else index
    positions = op.Expand(vector.reshape(*column), op.vector(dy.sizes))
    if not repeated:
        return op.ScatterElements(zeros_like(op, x), positions, dy, axis=axis)
    return x.builder.declare_shape(scatter_add(op, dy, x.sizes, positions, axis), x.dims)


def as_range(index: np.ndarray) -> range | None:
    """Return equally spaced positions as a range, `None` where they are not, or repeat."""
    if index.size == 1:
        return range(int(index[0]), int(index[0]) + 1)
    steps = np.diff(index)
    if index.size == 0 or steps[0] == 0 or np.any(steps != steps[0]):
        return None
    first, step = int(index[0]), int(steps[0])
    return range(first, first + step * index.size, step)


def _gathered_back(
    op: Operators, dy: Tensor, index: np.ndarray, axis: int, size: int
) -> Tensor | None:
    """Every row of x gathers the rows of dy that came from it: several times as fast as scattering.

    `None` where few rows are taken often, so that most of a table would be empty.
    """
    counts = np.bincount(index, minlength=size)
    most = int(counts.max(initial=0))
    if most * size > _GATHERED_TWICE * index.size or not index.size:
        return None
    order = np.argsort(index, kind="stable")
    first = np.cumsum(counts) - counts
    # Row r of the table: where each position was taken for the (r+1)th time; or the row of zeros.
    table = np.full((most, size), index.size, np.int64)
    table[np.arange(index.size) - np.repeat(first, counts), index[order]] = order
    if np.any(table == index.size):
        pads = np.zeros(2 * dy.rank, np.int64)
        pads[dy.rank + axis] = 1
        dy = op.Pad(dy, op.constant(pads))
    if most == 1:
        return op.Gather(dy, op.constant(table[0]), axis=axis)
    return op.Gather(dy, op.constant(table), axis=axis).sum([axis])


def pad_back(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    starts: Tensor,
    axes: Tensor,
    ends: Tensor | None = None,
) -> Tensor:
    """Return zeros of x's shape around `dy`, which was cut out of it, as the run finds out.

    Args:
        op: Operators of the graph.
        dy: The part.
        x: The whole; along other axes as long as the part.
        starts: Where the part begins along each axis, as Slice has it: negative numbers count from
            the end, and what is outside is clipped.
        axes: The axes, which may be negative.
        ends: Where it ends along each axis, likewise; by default the part is measured.
    """
    known = numbers(x.sizes)
    if ends is None or known is None:
        sizes, lengths = (op.Gather(op.Shape(tensor), axes) for tensor in (x, dy))
        before = _clipped(op, starts, sizes)
        after = sizes - lengths - before
    else:
        # ONNX Runtime computes on the CPU with what it measures, whatever the provider.
        sizes = op.Gather(op.constant(known, np.int64), axes)
        before = _clipped(op, starts, sizes)
        after = sizes - op.Max(_clipped(op, ends, sizes), before)
    pads = op.Concat(before, after, axis=0)
    return x.builder.declare_shape(op.Pad(dy, pads, None, axes), x.dims)


def _clipped(op: Operators, bounds: Tensor, sizes: Tensor) -> Tensor:
    """Bounds of a Slice counted from the front, within axes of these sizes."""
    counted = bounds.astype(np.dtype(np.int64))
    if counted.array is None or counted.array.min(initial=0) < 0:
        counted = op.Where(counted.less(0), counted + sizes, counted)
        counted = op.Max(counted, op.constant(0, np.int64))
    # An empty part may begin anywhere; one that begins inside does not notice.
    return op.Min(counted, sizes)


def positions_in(op: Operators, x: Tensor) -> Tensor:
    """Return the place of every element of x in row-major order, in the shape of x (int64)."""
    count = count_of(x.sizes, np.dtype(np.int64))
    end = count if isinstance(count, Tensor) else op.constant(count, np.int64)
    return reshape_as(op.Range(op.constant(0, np.int64), end, op.constant(1, np.int64)), x)


def give_back_moved(op: Operators, dy: Tensor, x: Tensor, positions: Tensor) -> Tensor:
    """Return the adjoint of any operator that only moves elements.

    Args:
        op: Operators of the graph.
        dy: The cotangent.
        x: What was moved.
        positions: What the operator makes of `positions_in(x)`, in the shape of dy.
    """
    minus_one = op.constant([-1], np.int64)
    count = count_of(x.sizes, np.dtype(np.int64))
    size: Size = count.reshape(1) if isinstance(count, Tensor) else int(count)
    flat = scatter_add(
        op, op.Reshape(dy, minus_one), [size], op.Reshape(positions, minus_one), axis=0
    )
    return reshape_as(flat, x)
