"""A sliding window on a picture whose sizes may be open, and what its windows hold.

Where everything is a number the answers are constants; otherwise the same arithmetic is written
into the graph, on vectors as long as one side of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.window import Window
from ..graph.words import count_up

Matrix = np.ndarray | Tensor
"""A constant, or what is computed at run time in its place."""


@dataclass(frozen=True)
class Slide:
    """A convolution's or pool's window with one entry for each spatial axis.

    Attributes:
        kernel: Taps.
        strides: Pixels from one window to the next.
        dilations: Pixels from one tap to the next.
        before: Padding at the start.
        after: Padding at the end.
        sizes: Pixels of the input.
        outputs: Windows.
    """

    kernel: tuple[Size, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[Size, ...]
    after: tuple[Size, ...]
    sizes: tuple[Size, ...]
    outputs: tuple[Size, ...]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel)

    @property
    def window(self) -> Window | None:
        """The window in numbers, `None` where its taps or its padding are open."""
        kernel, before, after = numbers(self.kernel), numbers(self.before), numbers(self.after)
        if kernel is None or before is None or after is None:
            return None
        return Window(kernel, self.strides, self.dilations, before, after)

    @property
    def spans(self) -> tuple[Size, ...]:
        """How many pixels the dilated kernel covers."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where the picture lies within itself and its padding, as an index behind (N, C)."""
        cut = [slice(p, p + n) for p, n in zip(self.before, self.sizes, strict=True)]
        return (slice(None), slice(None), *cut)


def slide_of(
    x: Tensor,
    y: Tensor,
    kernel: Sequence[Size],
    *,
    auto_pad: str,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Slide:
    """Return the window of a Conv or pool from x (N, C, ...) to y, with ONNX's defaults."""
    axes = len(kernel)
    stride = tuple(strides or [1] * axes)
    dilation = tuple(dilations or [1] * axes)
    sizes = tuple(x.builder.size_of(x, 2 + axis) for axis in range(axes))
    outputs = tuple(y.builder.size_of(y, 2 + axis) for axis in range(axes))
    before: list[Size] = [0] * axes
    after: list[Size] = [0] * axes
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        for axis in range(axes):
            span = (kernel[axis] - 1) * dilation[axis] + 1
            total = span - 1
            if stride[axis] > 1:
                reach = (outputs[axis] - 1) * stride[axis] + span
                total = at_least(reach - sizes[axis], 0)
            small = half(total)
            large = total - small
            before[axis], after[axis] = (
                (small, large) if auto_pad == "SAME_UPPER" else (large, small)
            )
    elif auto_pad != "VALID" and pads is not None:
        before, after = list(pads[:axes]), list(pads[axes:])
    return Slide(tuple(kernel), stride, dilation, tuple(before), tuple(after), sizes, outputs)


def numbers(sizes: Sequence[Size]) -> tuple[int, ...] | None:
    """Return sizes as numbers, `None` where one is open."""
    known = tuple(size for size in sizes if not isinstance(size, Tensor))
    return known if len(known) == len(sizes) else None


def at_least(size: Size, low: int) -> Size:
    """Return the size, or `low` where that is more."""
    if isinstance(size, Tensor):
        return size.op.Max(size, size.op.constant([low], np.int64))
    return max(size, low)


def half(size: Size) -> Size:
    """Return half of a size, rounded down."""
    return size / 2 if isinstance(size, Tensor) else size // 2


def pixels_of_taps(op: Operators, slide: Slide, axis: int) -> Matrix:
    """Return the pixel that each window's tap sees along an axis, also outside: (outputs, taps)."""
    taps = slide.kernel[axis]
    first, dilation = first_pixels(op, slide, axis), slide.dilations[axis]
    if isinstance(first, np.ndarray) and isinstance(taps, int):
        pixels: np.ndarray = first[:, None] + np.arange(taps) * dilation
        return pixels
    return _tensor(op, first).reshape(-1, 1) + count_up(op, taps) * dilation


def first_pixels(op: Operators, slide: Slide, axis: int) -> Matrix:
    """Return the pixel that each window's first tap sees along an axis, also outside."""
    out, stride, before = slide.outputs[axis], slide.strides[axis], slide.before[axis]
    if isinstance(out, int) and isinstance(before, int):
        starts: np.ndarray = np.arange(out) * stride - before
        return starts
    return count_up(op, out) * stride - before


def membership(op: Operators, slide: Slide, axis: int, dtype: np.dtype[np.generic]) -> Matrix:
    """Return the (outputs, pixels) matrix with 1 where the window holds the pixel along an axis."""
    first, size, taps = first_pixels(op, slide, axis), slide.sizes[axis], slide.kernel[axis]
    dilation = slide.dilations[axis]
    # Not by way of the taps, of which a window may have as many as there are padding and pixels.
    if isinstance(first, np.ndarray) and isinstance(size, int) and isinstance(taps, int):
        place = np.arange(size) - first[:, None]
        held = (place >= 0) & (place < taps * dilation) & (place % dilation == 0)
        matrix: np.ndarray = held.astype(dtype)
        return matrix
    behind = count_up(op, size) - _tensor(op, first).reshape(-1, 1)
    none = op.constant(0, np.int64)
    within = op.And(
        op.GreaterOrEqual(behind, none), op.Less(behind, _as_tensor(op, taps * dilation))
    )
    if dilation > 1:
        on_tap = op.Equal(op.Mod(behind, op.constant(dilation, np.int64)), none)
        within = op.And(within, on_tap)
    return within.astype(dtype)


def window_counts(
    op: Operators, slide: Slide, dtype: np.dtype[np.generic], *, include_pad: bool
) -> Matrix:
    """Return how many elements each output's average divides by, to broadcast over (N, C, ...).

    Padding counts with `include_pad`; what ceil_mode adds behind the padding never does.
    """
    known = np.ones((1,) * slide.rank, dtype)
    computed: Tensor | None = None
    for axis in range(slide.rank):
        first, size, taps = first_pixels(op, slide, axis), slide.sizes[axis], slide.kernel[axis]
        low = -slide.before[axis] if include_pad else 0
        high = size + slide.after[axis] if include_pad else size
        column = [-1 if a == axis else 1 for a in range(slide.rank)]
        if (
            isinstance(first, np.ndarray)
            and isinstance(low, int)
            and isinstance(high, int)
            and isinstance(taps, int)
        ):
            # The first tap at or behind either end; rounded up.
            ends = (-((first - end) // slide.dilations[axis]) for end in (low, high))
            start, stop = (np.clip(end, 0, taps) for end in ends)
            known = known * (stop - start).reshape(column)
            continue
        pixels = _tensor(op, pixels_of_taps(op, slide, axis))
        valid = op.And(
            op.GreaterOrEqual(pixels, _as_tensor(op, low)), op.Less(pixels, _as_tensor(op, high))
        )
        along = valid.astype(dtype).sum(1).reshape(*column)
        computed = along if computed is None else computed * along
    counts = known.astype(dtype)
    if computed is None:
        return counts
    return computed if (counts == 1).all() else computed * counts


def sum_of_windows(op: Operators, dy: Tensor, slide: Slide) -> Tensor:
    """Sum dy, for each pixel, over the windows that hold it: the adjoint of their sums."""
    matrices = {2 + axis: membership(op, slide, axis, dy.dtype) for axis in range(slide.rank)}
    return contract(dy, matrices)


def contract(dy: Tensor, matrices: dict[int, Matrix]) -> Tensor:
    """Multiply along axes with matrices (old size, new size), one after the other."""
    rank = dy.rank
    for axis, matrix in matrices.items():
        operand = _tensor(dy.op, matrix)
        if axis == rank - 1:
            dy = dy @ operand
            continue
        turned = (
            dy.op.constant(matrix.T)
            if isinstance(matrix, np.ndarray)
            else (operand.transpose(1, 0))
        )
        if axis == rank - 2:
            dy = turned @ dy
            continue
        before, behind = dy.sizes[:axis], dy.sizes[axis + 1 :]
        flat = dy.reshape(*before, dy.sizes[axis], math.prod(behind))
        new = operand.sizes[1]
        dy = (turned @ flat).reshape(*before, new, *behind)
    return dy


def _tensor(op: Operators, matrix: Matrix) -> Tensor:
    return matrix if isinstance(matrix, Tensor) else op.constant(matrix)


def _as_tensor(op: Operators, size: Size) -> Tensor:
    return size if isinstance(size, Tensor) else op.constant(size, np.int64)
