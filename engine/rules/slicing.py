"""Rules of operators that cut or pad: Slice, Pad, CenterCropPad."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..graph.builder import Operators
from ..graph.cuts import Cut, cuts_of
from ..graph.tensor import INT64_MAX, Size, Tensor
from .pieces import add_up, flip, place, spread
from .scattering import give_back_moved, pad_back, positions_in
from .table import RuleTable
from .vocabulary import normalized_axes, zeros, zeros_like


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Slice", _slice)
    rules.define("Pad", _pad, None, _pad_value)
    rules.define("CenterCropPad", _center_crop_pad)


# Slice ------------------------------------------------------------------------------------------


def _slice(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None,
    steps: Tensor | None,
) -> Tensor:
    given = [starts, ends, axes, steps]
    arrays = [None if tensor is None else tensor.array for tensor in given]
    constant = all(
        tensor is None or array is not None for tensor, array in zip(given, arrays, strict=True)
    )
    cuts = cuts_of(x.rank, *arrays) if constant else None
    if cuts is not None:
        taken = _positions(x, cuts)
        if taken is not None:
            return place(op, dy, x.dims, taken)
        part = _in_blocks(op, dy, x, cuts)
        if part is not None:
            where = op.constant([cut.axis for cut in cuts], np.int64)
            return pad_back(op, part, x, op.constant(_block_starts(cuts), np.int64), where)
    if steps is None or (steps.array is not None and np.all(steps.array == 1)):
        where = axes or _leading_axes(op, starts)
        return pad_back(op, dy, x, starts, where)
    # The positions that the same Slice takes; for steps that are computed, or count from an open
    # end.
    return give_back_moved(op, dy, x, op.Slice(positions_in(op, x), *given))


def _positions(x: Tensor, cuts: Sequence[Cut]) -> dict[int, range] | None:
    """What is taken of each axis, `None` where a size is open."""
    taken: dict[int, range] = {}
    for cut in cuts:
        size = x.dims[cut.axis]
        if not isinstance(size, int):
            return None
        taken[cut.axis] = cut.positions(size)
    return taken


def _in_blocks(op: Operators, dy: Tensor, x: Tensor, cuts: Sequence[Cut]) -> Tensor | None:
    """The cotangent with steps of 1, `None` where an open size tells which positions are taken."""
    for cut in cuts:
        if cut.step == -1 and dy.dims[cut.axis] == x.dims[cut.axis]:
            dy = flip(op, dy, [cut.axis])
        elif cut.step > 1 and cut.start >= 0:
            dy = spread(op, dy, cut.axis, cut.step, cut.start % cut.step)
        elif cut.step != 1:
            return None
    return dy


def _block_starts(cuts: Sequence[Cut]) -> list[int]:
    """Where the parts of `_in_blocks` begin."""
    return [
        cut.start if cut.step == 1 else max(cut.step, 0) * (cut.start // cut.step) for cut in cuts
    ]


def _leading_axes(op: Operators, starts: Tensor) -> Tensor:
    """The axes of a Slice that names none."""
    count = starts.sizes[0]
    if not isinstance(count, Tensor):
        return op.constant(range(count), np.int64)
    return op.Range(op.constant(0, np.int64), count.reshape(), op.constant(1, np.int64))


# Pad --------------------------------------------------------------------------------------------


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
    amounts, where = pads.array, _constant_axes(axes, x.rank)
    if mode == "constant":
        if amounts is None or where is None or amounts.min(initial=0) < 0:
            # Cutting is padding by a negative amount, and the other way round.
            dx = op.Pad(dy, -pads, None, axes)
            return x.builder.declare_shape(dx, x.dims)
        return _inside(op, dy, x, amounts, where)
    if amounts is not None and where is not None:
        sizes = [size for axis in where if isinstance(size := x.dims[axis], int)]
        if len(sizes) == len(where):
            for axis, size, pair in zip(where, sizes, _pairs(amounts), strict=True):
                if any(pair):
                    dy = _fold_back(op, dy, _padded_positions(size, *pair, mode), axis, size)
            return dy
    moved = op.Pad(positions_in(op, x), pads, None, axes, mode=mode)
    return give_back_moved(op, dy, x, moved)


def _constant_axes(axes: Tensor | None, rank: int) -> list[int] | None:
    if axes is None:
        return list(range(rank))
    return None if axes.array is None else normalized_axes(list(axes.array), rank)


def _pairs(amounts: np.ndarray) -> list[tuple[int, int]]:
    """Padding before and after each axis."""
    half = amounts.size // 2
    return [(int(a), int(b)) for a, b in zip(amounts[:half], amounts[half:], strict=True)]


def _inside(
    op: Operators, dy: Tensor, x: Tensor, amounts: np.ndarray, where: Sequence[int]
) -> Tensor:
    """What lies within the padding."""
    ends: list[int] = []
    for axis, (_, after) in zip(where, _pairs(amounts), strict=True):
        size = dy.dims[axis]
        ends.append(size - after if isinstance(size, int) else -after or INT64_MAX)
    dx = op.Slice(
        dy,
        op.constant(amounts[: len(where)], np.int64),
        op.constant(ends, np.int64),
        op.constant(where, np.int64),
    )
    return x.builder.declare_shape(dx, x.dims)


def _padded_positions(size: int, before: int, after: int, mode: str) -> np.ndarray:
    """The position that each padded element comes from."""
    # Negative padding cuts first.
    kept = np.arange(size)[max(-before, 0) : size - max(-after, 0)]
    widths = (max(before, 0), max(after, 0))
    if mode == "edge":
        return np.pad(kept, widths, "edge")
    return np.pad(kept, widths, "reflect") if mode == "reflect" else np.pad(kept, widths, "wrap")


def _fold_back(op: Operators, dy: Tensor, positions: np.ndarray, axis: int, size: int) -> Tensor:
    """Along one axis of `size`, every element of the padding back to the one that it repeats.

    Between the borders of what was repeated, whole stretches of the cotangent are added up.
    """
    runs = _runs(positions)
    targets = [(int(positions[a:b].min()), int(positions[a:b].max()) + 1) for a, b in runs]
    bounds = sorted({0, size, *(end for target in targets for end in target)})
    segments: list[Tensor] = []
    for low, high in pairwise(bounds):
        parts = [
            _repeated(op, dy, positions, axis, run, low, high)
            for run, (first, last) in zip(runs, targets, strict=True)
            if first <= low and high <= last
        ]
        if not parts:
            gap = list(dy.sizes)
            gap[axis] = high - low
            parts = [zeros(op, gap, dy.dtype)]
        segments.append(add_up(dy.builder, parts))
    return segments[0] if len(segments) == 1 else op.Concat(*segments, axis=axis)


def _repeated(
    op: Operators,
    dy: Tensor,
    positions: np.ndarray,
    axis: int,
    run: tuple[int, int],
    low: int,
    high: int,
) -> Tensor:
    """The cotangent of the positions from `low` to `high` in one stretch, in ascending order."""
    start, stop = run
    inside = np.flatnonzero((positions[start:stop] >= low) & (positions[start:stop] < high))
    first, last = start + int(inside[0]), start + int(inside[-1]) + 1
    index = [slice(None)] * dy.rank
    index[axis] = slice(first, last)
    part = dy if last - first == positions.size else dy[tuple(index)]
    if high - low == 1 < last - first:
        return part.sum([axis], keepdims=True)
    backwards = last - first > 1 and positions[first] > positions[first + 1]
    return flip(op, part, [axis]) if backwards else part


def _runs(positions: np.ndarray) -> list[tuple[int, int]]:
    """Stretches in which positions ascend, descend or stay, the longest of them whole."""
    if not positions.size:
        return []
    steps = np.diff(positions)
    # Where one step differs from the next, or is no neighbour's, a stretch ends.
    even = (np.abs(steps[1:]) < 2) & (steps[1:] == steps[:-1])
    bounds = [0, *(np.flatnonzero(~even) + 1).tolist(), positions.size - 1]
    start, last = max(pairwise(bounds), key=lambda ends: ends[1] - ends[0])
    if last > start and abs(int(steps[start])) > 1:
        last = start
    before, after = positions[:start], positions[last + 1 :]
    behind = [(a + last + 1, b + last + 1) for a, b in _runs(after)]
    return [*_runs(before), (start, last + 1), *behind]


def _pad_value(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    pads: Tensor,
    value: Tensor,
    axes: Tensor | None,
    *,
    mode: str,
) -> Tensor | None:
    if mode != "constant":
        return None
    outside = op.Pad(zeros_like(op, x), pads, op.constant(1, x.dtype), axes)
    return (dy * outside).sum().reshape(*value.sizes)


# CenterCropPad ----------------------------------------------------------------------------------


def _center_crop_pad(
    op: Operators, dy: Tensor, x: Tensor, shape: Tensor, *, axes: list[int] | None
) -> Tensor:
    # What was cut is filled with zeros, and what was padded is cut, around the same middle.
    where = range(x.rank) if axes is None else axes
    sizes: list[Size] = [x.sizes[axis] for axis in where]
    dx = op.CenterCropPad(dy, op.vector(sizes), axes=axes)
    return x.builder.declare_shape(dx, x.dims)
