"""Rules of operators that cut: Slice, CenterCropPad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.builder import Operators
from ..graph.cuts import Cut, cuts_of
from ..graph.tensor import Size, Tensor
from ..graph.words import count_up
from .pieces import flip, place, spread
from .scattering import give_back_moved, pad_back, positions_in
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Slice", _slice)
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
        return pad_back(op, dy, x, starts, where, ends)
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
    return count_up(op, starts.sizes[0])


# CenterCropPad ----------------------------------------------------------------------------------


def _center_crop_pad(
    op: Operators, dy: Tensor, x: Tensor, shape: Tensor, *, axes: list[int] | None
) -> Tensor:
    # What was cut is filled with zeros, and what was padded is cut, around the same middle.
    where = range(x.rank) if axes is None else axes
    sizes: list[Size] = [x.sizes[axis] for axis in where]
    dx = op.CenterCropPad(dy, op.vector(sizes), axes=axes)
    return x.builder.declare_shape(dx, x.dims)
