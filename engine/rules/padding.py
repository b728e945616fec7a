"""The rules of Pad, in all its modes.

Constant padding is undone by cutting. Padding that repeats elements gives each of them a sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import INT64_MAX, Size, Tensor
from ..graph.words import normalized_axes, zeros, zeros_like
from .pieces import add_up, flip
from .scattering import give_back_moved, positions_in
from .slide import numbers
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Pad", _pad, None, _pad_value)


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
        folded = _folded(op, dy, x, list(zip(where, _pairs(amounts), strict=True)), mode)
        if folded is not None:
            return folded
    # As floats: CUDA pads no whole numbers.
    places = positions_in(op, x)
    exact = op.Pad(places.astype(_exact_type(x)), pads, None, axes, mode=mode)
    return give_back_moved(op, dy, x, exact.astype(places.dtype))


def _exact_type(x: Tensor) -> np.dtype[np.generic]:
    """A floating-point type that has the number of every element of x."""
    known = numbers(x.sizes)
    small = known is not None and math.prod(known) <= 2**24
    return np.dtype(np.float32 if small else np.float64)


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


def _folded(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    padding: Sequence[tuple[int, tuple[int, int]]],
    mode: str,
) -> Tensor | None:
    """One axis after the other; `None` where an open size says what is repeated."""
    used = [(axis, pair) for axis, pair in padding if any(pair)]
    for axis, pair in used:
        if not isinstance(x.dims[axis], int) and (mode == "wrap" or min(pair) < 0):
            return None
    for axis, pair in used:
        size = x.dims[axis]
        if isinstance(size, int):
            dy = _fold_back(op, dy, _padded_positions(size, *pair, mode), axis, size)
        else:
            dy = _fold_back_open(op, dy, x.sizes[axis], axis, pair, mode)
    return x.builder.declare_shape(dy, x.dims)


def _fold_back_open(
    op: Operators, dy: Tensor, size: Size, axis: int, pair: tuple[int, int], mode: str
) -> Tensor:
    """Along an axis of open size: the middle, and what either end repeats of it."""
    before, after = pair

    def cut(start: int, end: int | None) -> Tensor:
        return dy[tuple(slice(start, end) if a == axis else slice(None) for a in range(dy.rank))]

    def put(part: Tensor, room: Size, behind: Size) -> Tensor:
        where = op.constant([axis], np.int64)
        return op.Pad(part, op.vector([room, behind]), None, where)

    parts = [cut(before, -after or None)]
    for part, first in ((cut(0, before), True), (cut(-after, None), False)):
        if not (before if first else after):
            continue
        if mode == "edge":
            ends: list[Size] = [0, size - 1]
            part = part.sum([axis], keepdims=True)
        else:
            ends = [1, size - (1 + (before if first else after))]
            part = flip(op, part, [axis])
        parts.append(put(part, *(ends if first else reversed(ends))))
    return op.Sum(*parts)


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
