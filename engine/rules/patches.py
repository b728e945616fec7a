"""The rule of Col2Im, which sums overlapping patches into a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.words import reshape_as
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Col2Im", _col_to_image)


def _col_to_image(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    image_shape: Tensor,
    block_shape: Tensor,
    *,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Tensor:
    """The patches of the cotangent: one Gather along each axis of the picture."""
    count = dy.rank - 2
    known = block_shape.array
    taps: list[Size] = [
        int(known[axis]) if known is not None else block_shape[axis : axis + 1]
        for axis in range(count)
    ]
    steps, jumps = strides or [1] * count, dilations or [1] * count
    padding = list(pads or [0] * (2 * count))
    patches = dy
    if any(padding):
        widths = [0, 0, *padding[:count], 0, 0, *padding[count:]]
        patches = op.Pad(dy, op.constant(widths, np.int64))
    for axis in range(count):
        size = dy.sizes[2 + axis] + (padding[axis] + padding[axis + count])
        index = _positions(op, size, taps[axis], steps[axis], jumps[axis])
        # The axes before it are two by now: taps and windows.
        patches = op.Gather(patches, index, axis=2 + 2 * axis)
    order = [0, 1, *range(2, 2 + 2 * count, 2), *range(3, 2 + 2 * count, 2)]
    return reshape_as(patches.transpose(*order), x)


def _positions(op: Operators, size: Size, taps: Size, stride: int, dilation: int) -> Tensor:
    """The pixel under each tap of each window along one axis: (taps, windows)."""
    room = size - ((taps - 1) * dilation + 1)
    if isinstance(room, int) and isinstance(taps, int):
        windows = np.arange(room // stride + 1) * stride
        return op.constant(np.arange(taps)[:, None] * dilation + windows, np.int64)
    last = room if isinstance(room, Tensor) else op.constant([room], np.int64)
    end = taps if isinstance(taps, Tensor) else op.constant([taps], np.int64)
    zero = op.constant(0, np.int64)
    starts = op.Range(zero, (last + 1).reshape(), op.constant(stride, np.int64))
    within = op.Range(zero, (end * dilation).reshape(), op.constant(dilation, np.int64))
    return within.reshape(-1, 1) + starts
