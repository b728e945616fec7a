"""Which pixel of each window a MaxPool takes, in what ONNX Runtime's CPU kernels are fast at.

MaxPool's own Indices take a scalar loop over every window. Here a maximum is taken over rows of a
window, then one over these. A depthwise convolution with minus one at a single tap, plus the
maximum, is positive where that tap lost; the runtime computes it and its step function in one
vectorised kernel. The first tap that did not lose is the winner, so that ties go to the first in
row-major order. Subnormal differences, of values below some 1e-31, count in part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.window import Window
from .slide import numbers
from .vocabulary import positive_mask


@dataclass(frozen=True)
class Windows:
    """The windows of one MaxPool over pictures.

    Attributes:
        op: Operators of the graph.
        window: Their geometry; `after` is what the last one sees behind the picture.
        size: Height and width of the picture.
        count: Rows and columns of windows.
    """

    op: Operators
    window: Window
    size: tuple[int, int]
    count: tuple[int, int]

    @classmethod
    def over(cls, op: Operators, window: Window, x: Tensor, y: Tensor) -> Windows:
        """Return the windows that make `y` of `x`."""
        (height, width), (rows, columns) = (
            tuple(size for size in tensor.dims[2:] if isinstance(size, int)) for tensor in (x, y)
        )
        geometry = zip(window.strides, window.extent, window.before, strict=True)
        after = [
            max((out - 1) * stride + span - first - length, 0)
            for out, length, (stride, span, first) in zip(
                (rows, columns), (height, width), geometry, strict=True
            )
        ]
        return cls(op, replace(window, after=tuple(after)), (height, width), (rows, columns))

    def padded(self, x: Tensor, lowest: float) -> tuple[Windows, Tensor]:
        """Return the same windows over a picture that is as large as what they see."""
        before, after = self.window.before, self.window.after
        if not any(before + after):
            return self, x
        height, width = (sum(sizes) for sizes in zip(self.size, before, after, strict=True))
        wide = self.op.Pad(
            x,
            self.op.constant([0, 0, *before, 0, 0, *after], np.int64),
            self.op.constant(lowest, x.dtype),
        )
        bare = replace(self.window, before=(0, 0), after=(0, 0))
        return replace(self, window=bare, size=(height, width)), wide

    def corners(self) -> np.ndarray:
        """Return the index of each window's first pixel in the picture, which may lie outside."""
        rows, columns = (
            np.arange(count) * stride - first
            for count, stride, first in zip(
                self.count, self.window.strides, self.window.before, strict=True
            )
        )
        return np.asarray(rows[:, None] * self.size[1] + columns[None, :])

    # Along one axis: 0 for rows, 1 for columns ---------------------------------------------------

    def highest(self, x: Tensor, axis: int) -> Tensor:
        """Return the maximum along one axis of each window."""
        taps, stride, pads = self.window.kernel[axis], self.window.strides[axis], self._pads(axis)
        if taps == 1 and stride == 1 and not any(pads):
            return x
        return self.op.MaxPool(
            x,
            kernel_shape=_both(axis, taps),
            strides=_both(axis, stride),
            dilations=_both(axis, self.window.dilations[axis]),
            pads=pads,
        )

    def lost(self, x: Tensor, maximum: Tensor, axis: int) -> list[Tensor]:
        """Return 1 where a tap along one axis, but the last, is below the maximum, else 0."""
        return [
            positive_mask(self.op, maximum + self.taps(x, axis, {tap: -1.0}))
            for tap in range(self.window.kernel[axis] - 1)
        ]

    def taps(self, x: Tensor, axis: int, weights: dict[int, float], bias: int = 0) -> Tensor:
        """Return a weighted sum of some taps along one axis, and a number more."""
        return _depthwise(
            x,
            _kernel(self.window.kernel[axis], weights),
            axis,
            bias=bias,
            strides=_both(axis, self.window.strides[axis]),
            dilations=_both(axis, self.window.dilations[axis]),
            pads=self._pads(axis),
        )

    def give_back(self, dy: Tensor, lost: list[Tensor], axis: int) -> Tensor:
        """Return what each window gives to the first of its taps that did not lose, along one axis.

        Strides are 1. Every window gives to its first tap; where that lost, it takes it back and
        gives to the second; and so on: each a convolution with what is to be moved.
        """
        taps, span = self.window.kernel[axis], self.window.extent[axis] - 1
        before = span - self.window.before[axis]
        after = self.size[axis] - self.count[axis] - before + span
        pads = [*_both(axis, before, 0), *_both(axis, after, 0)]
        dilations = _both(axis, self.window.dilations[axis])

        def move(values: Tensor, weights: dict[int, float]) -> Tensor:
            # The way back sees the last tap first.
            kernel = _kernel(taps, weights)[::-1]
            return _depthwise(values, kernel, axis, dilations=dilations, pads=pads)

        total = move(dy, {0: 1.0})
        for tap, below in enumerate(lost):
            dy = dy * below
            total = total + move(dy, {tap: -1.0, tap + 1: 1.0})
        return total

    def _pads(self, axis: int) -> list[int]:
        first, last = self.window.before[axis], self.window.after[axis]
        return [*_both(axis, first, 0), *_both(axis, last, 0)]


def _both(axis: int, along: int, across: int = 1) -> list[int]:
    """A number for each axis."""
    return [along if a == axis else across for a in (0, 1)]


def _kernel(taps: int, weights: dict[int, float]) -> np.ndarray:
    kernel = np.zeros(taps, np.float32)
    for tap, weight in weights.items():
        kernel[tap] = weight
    return kernel


def _depthwise(
    x: Tensor, kernel: np.ndarray, axis: int, bias: int = 0, **geometry: list[int]
) -> Tensor:
    """Every channel with the same kernel along one axis."""
    (channels,) = numbers(x.sizes[1:2]) or (0,)
    shape = (1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1)
    return x.op.Conv(
        x,
        x.op.constant(np.tile(kernel.reshape(shape), (channels, 1, 1, 1))),
        x.op.constant(np.full(channels, bias), np.float32) if bias else None,
        group=channels,
        **geometry,
    )


def winning_pixel(windows: Windows, x: Tensor, y: Tensor, corner: np.ndarray, width: int) -> Tensor:
    """Return the index of the pixel that wins each window, as floats.

    Args:
        windows: The windows, of more than one tap.
        x: The picture that they lie in, (N, C, H, W).
        y: The maxima, (N, C, rows, columns).
        corner: The index of each window's first pixel, (rows, columns).
        width: By how much the index grows from one row of pixels to the next.

    Returns:
        (N, C, rows, columns): corners, and by Horner's scheme over the taps that lost how much
        further the first that did not is.
    """
    window = windows.window
    down, right = window.dilations
    place = windows.op.constant(corner, np.float32)
    highest, number = windows.highest(x, 1), None
    if window.kernel[1] > 1:
        number = _first_number(windows.lost(x, highest, 1))
    if window.kernel[0] == 1 and window.strides[0] == 1:
        assert number is not None
        return number * right + place
    lost = windows.lost(highest, y, 0)
    if number is None:
        return _first_number(lost) * (down * width) + place
    # The winner's column in the first row, and by how much it is further on in each next one.
    column = windows.taps(number, 0, {0: right})
    step: Tensor | None = None
    for tap in range(window.kernel[0] - 1, 0, -1):
        further = windows.taps(number, 0, {tap - 1: -right, tap: right}, down * width)
        step = lost[tap - 1] * (further if step is None else further + step)
    return (column if step is None else column + step) + place


def _first_number(lost: list[Tensor]) -> Tensor:
    """The number of the first tap that did not lose."""
    number = lost[-1]
    for earlier in reversed(lost[:-1]):
        number = earlier + earlier * number
    return number


def give_to_winners(windows: Windows, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the cotangent of the picture where windows are one pixel apart, without any index."""
    highest = windows.highest(x, 1)
    columns = windows.lost(x, highest, 1)
    rows = windows.lost(highest, y, 0)
    return windows.give_back(windows.give_back(dy, rows, 0), columns, 1)
