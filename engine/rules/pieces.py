"""Cotangents of parts: put back among zeros, or joined where several parts make up the whole.

A slice's gradient is the cotangent among zeros. Where a value is read in several slices (query, key
and value; the two halves of a cyclic shift; every second row and column), their gradients would be
summed zeros for the most part. A part therefore remembers where it belongs, and `add_up` joins the
parts that fit together before it adds what remains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..graph.builder import Builder, Operators, Piece
from ..graph.tensor import INT64_MIN, Size, Tensor
from ..graph.words import zeros

Dims = Sequence[int | str | None]


def place(op: Operators, dy: Tensor, dims: Dims, taken: Mapping[int, range]) -> Tensor:
    """Return zeros of a shape, with `dy` at the given positions.

    Args:
        op: Operators of the graph.
        dy: As long along each axis of `taken` as its range, and as the result along the others.
        dims: Shape of the result: numbers along the axes of `taken`.
        taken: Positions by axis, in steps of any size but zero.
    """
    backwards = [axis for axis, positions in taken.items() if _descends(positions)]
    if backwards:
        dy = flip(op, dy, backwards)
    ranges: list[range | None] = [None] * len(dims)
    sizes: list[int | None] = [None] * len(dims)
    for axis, positions in taken.items():
        size = dims[axis]
        if isinstance(size, int) and len(positions) != size:
            ranges[axis], sizes[axis] = _ascending(positions), size
    if all(positions is None for positions in ranges):
        return dy
    piece = Piece(dy, tuple(sizes), tuple(ranges))
    placed = dy.builder.declare_shape(_among_zeros(op, piece), dims)
    dy.builder.pieces[placed.value] = piece
    return placed


def flip(op: Operators, dy: Tensor, axes: Sequence[int]) -> Tensor:
    """Return the elements in reversed order along some axes."""
    count = len(axes)
    return op.Slice(
        dy,
        op.constant([-1] * count, np.int64),
        op.constant([INT64_MIN] * count, np.int64),
        op.constant(axes, np.int64),
        op.constant([-1] * count, np.int64),
    )


def spread(op: Operators, dy: Tensor, axis: int, step: int, phase: int) -> Tensor:
    """Return each element in a block of `step`, at position `phase`, with zeros in the rest.

    Joined with zeros along an axis of its own: three times as fast as padding that axis.
    """
    sizes = list(dy.sizes)
    parts = [dy.reshape(*sizes[: axis + 1], 1, *sizes[axis + 1 :])]
    gaps = [
        zeros(op, [*sizes[: axis + 1], count, *sizes[axis + 1 :]], dy.dtype) if count else None
        for count in (phase, step - 1 - phase)
    ]
    parts = [part for part in (gaps[0], *parts, gaps[1]) if part is not None]
    return _flattened(op, parts, axis, [*sizes[:axis], sizes[axis] * step, *sizes[axis + 1 :]])


def add_up(builder: Builder, parts: Sequence[Tensor]) -> Tensor:
    """Return the sum of values of one shape; pieces that do not overlap are joined."""
    if len(parts) == 1:
        return parts[0]
    op = builder.op
    pieces = [builder.pieces[part.value] for part in parts if part.value in builder.pieces]
    joined = _joined(op, pieces)
    if len(joined) == len(pieces):
        return op.Sum(*parts)
    others = [part for part in parts if part.value not in builder.pieces]
    summands = [*others, *(_among_zeros(op, piece) for piece in joined)]
    total = summands[0] if len(summands) == 1 else op.Sum(*summands)
    return builder.declare_shape(total, parts[0].dims)


def _descends(positions: range) -> bool:
    return positions.step < 0 and len(positions) > 1


def _ascending(positions: range) -> range:
    """The same positions in ascending order; one position or none has a step of 1."""
    if len(positions) < 2:
        return range(positions.start, positions.start + len(positions))
    return positions if positions.step > 0 else positions[::-1]


def _among_zeros(op: Operators, piece: Piece) -> Tensor:
    """A piece as a whole value."""
    dx, rank = piece.part, len(piece.ranges)
    before, after = [0] * rank, [0] * rank
    # From the last axis on: the longer what stays together, the faster it is copied.
    for axis in reversed(range(rank)):
        taken, size = piece.ranges[axis], piece.sizes[axis]
        if taken is None or size is None:
            continue
        if taken.step == 1:
            before[axis], after[axis] = taken.start, size - taken.stop
            continue
        block, phase = divmod(taken.start, taken.step)
        dx = spread(op, dx, axis, taken.step, phase)
        before[axis] = block * taken.step
        after[axis] = size - before[axis] - len(taken) * taken.step
    if min(after, default=0) < 0:
        # The last block of a strided axis ends behind the whole.
        dx = dx[tuple(slice(None, n) if n < 0 else slice(None) for n in after)]
        after = [max(n, 0) for n in after]
    if any(before) or any(after):
        dx = op.Pad(dx, op.constant(before + after, np.int64))
    return dx


# Joining ----------------------------------------------------------------------------------------


def _joined(op: Operators, pieces: Sequence[Piece]) -> Sequence[Piece]:
    """The same sum in fewer pieces, as far as pieces fit together."""
    if len(pieces) < 2:
        return pieces
    merged, count = _merged(op, pieces, None), len(pieces) + 1
    while 1 < len(merged) < count:
        count = len(merged)
        for axis in reversed(range(len(merged[0].ranges))):
            merged = _merged(op, merged, axis)
    return merged


def _merged(op: Operators, pieces: Sequence[Piece], axis: int | None) -> list[Piece]:
    """Join the pieces that differ along one axis only (or, with `None`, nowhere)."""
    groups: dict[tuple[range | None, ...], list[Piece]] = {}
    for piece in pieces:
        key = tuple(taken for other, taken in enumerate(piece.ranges) if other != axis)
        groups.setdefault(key, []).append(piece)
    merged: list[Piece] = []
    for group in groups.values():
        if len(group) < 2:
            merged += group
        elif axis is None:
            merged.append(replace(group[0], part=op.Sum(*(piece.part for piece in group))))
        else:
            merged += _interleaved(op, _side_by_side(op, group, axis), axis)
    return merged


def _side_by_side(op: Operators, group: Sequence[Piece], axis: int) -> list[Piece]:
    """Join pieces that come one after the other along an axis; what overlaps, in several layers."""
    located = [(piece.ranges[axis], piece) for piece in group]
    dense = [(taken, piece) for taken, piece in located if taken is not None and taken.step == 1]
    layers: list[list[tuple[range, Piece]]] = []
    for taken, piece in sorted(dense, key=lambda entry: entry[0].start):
        free = (layer for layer in layers if layer[-1][0].stop <= taken.start)
        layer = next(free, None)
        if layer is None:
            layers.append([(taken, piece)])
        else:
            layer.append((taken, piece))
    rest = [piece for taken, piece in located if taken is None or taken.step != 1]
    return [*(_row(op, layer, axis) for layer in layers), *rest]


def _row(op: Operators, layer: Sequence[tuple[range, Piece]], axis: int) -> Piece:
    """Pieces in ascending order as one, with zeros between them."""
    start, end = layer[0][0].start, layer[0][0].start
    parts: list[Tensor] = []
    for taken, piece in layer:
        if taken.start > end:
            gap = list(piece.part.sizes)
            gap[axis] = taken.start - end
            parts.append(zeros(op, gap, piece.part.dtype))
        parts.append(piece.part)
        end = taken.stop
    if len(parts) == 1:
        return layer[0][1]
    return _moved(layer[0][1], op.Concat(*parts, axis=axis), axis, range(start, end))


def _interleaved(op: Operators, group: Sequence[Piece], axis: int) -> list[Piece]:
    """Join pieces that take turns along an axis."""
    merged: list[Piece] = []
    turns: dict[tuple[int, int], list[tuple[int, Piece]]] = {}
    for piece in group:
        taken = piece.ranges[axis]
        if taken is None or taken.step == 1:
            merged.append(piece)
        else:
            turns.setdefault((taken.step, len(taken)), []).append((taken.start, piece))
    for (step, length), located in turns.items():
        located.sort(key=lambda entry: entry[0])
        first = located[0][0]
        if [start for start, _ in located] != list(range(first, first + step)):
            merged += [piece for _, piece in located]
            continue
        sizes = list(located[0][1].part.sizes)
        behind: list[Size] = [*sizes[: axis + 1], 1, *sizes[axis + 1 :]]
        columns = [piece.part.reshape(*behind) for _, piece in located]
        sizes[axis] = step * length
        part = _flattened(op, columns, axis, sizes)
        merged.append(_moved(located[0][1], part, axis, range(first, first + step * length)))
    return merged


def _flattened(op: Operators, columns: Sequence[Tensor], axis: int, sizes: list[Size]) -> Tensor:
    """Columns side by side along the axis behind `axis`, as one axis."""
    return op.Concat(*columns, axis=axis + 1).reshape(*sizes)


def _moved(piece: Piece, part: Tensor, axis: int, taken: range) -> Piece:
    """The piece with a longer part, which may fill the axis."""
    fills = len(taken) == piece.sizes[axis]
    ranges, sizes = list(piece.ranges), list(piece.sizes)
    ranges[axis] = None if fills else taken
    sizes[axis] = None if fills else sizes[axis]
    return replace(piece, part=part, ranges=tuple(ranges), sizes=tuple(sizes))
