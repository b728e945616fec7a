"""Rules that are faster on ONNX Runtime's CPU provider, with the same result.

Another table for one provider: `standard_rules() | cpu_rules()`. The standard forms run everywhere
and stay what is exported.
"""

from __future__ import annotations

import math

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.window import Window, resolve_window
from .pooling import max_pool
from .slide import numbers
from .table import RuleTable
from .vocabulary import positive_mask, reshape_as, zeros

# Beyond this many taps a convolution for each costs more than MaxPool's Indices.
_MOST_TAPS = 9

# Integers up to this size are exact in float32.
_EXACT = 2**24


def cpu_rules() -> RuleTable:
    """The overriding rules, a new table at each call."""
    table = RuleTable()
    table.define("MaxPool", _max_pool)
    return table


def _max_pool(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    ys: list[Tensor],
    auto_pad: str,
    ceil_mode: int,
    dilations: list[int] | None,
    kernel_shape: list[int],
    pads: list[int] | None,
    storage_order: int,
    strides: list[int] | None,
) -> Tensor:
    """Find the winners without MaxPool's Indices, which take a scalar loop over every window.

    A depthwise convolution with minus one at a single tap, plus y, is positive where that tap lost;
    the runtime computes it and its step function in one vectorised kernel. Of the numbers 1 and 0
    that all taps but the last give, Horner's scheme makes the number of the first tap that did not
    lose: the winner, ties going to the first in row-major order.
    """
    # A batch may be open: it does not matter to the arithmetic.
    few = x.rank == 4 and math.prod(kernel_shape) <= _MOST_TAPS
    channels, *sizes = numbers(x.sizes[1:]) or [0]
    outputs = numbers(ys[0].sizes[2:])
    if (
        x.dtype != np.float32
        or not few
        or not sizes
        or outputs is None
        or math.prod(sizes) >= _EXACT
    ):
        return max_pool(
            op,
            dy,
            x,
            ys=ys,
            auto_pad=auto_pad,
            ceil_mode=ceil_mode,
            dilations=dilations,
            kernel_shape=kernel_shape,
            pads=pads,
            storage_order=storage_order,
            strides=strides,
        )
    window = resolve_window(
        kernel_shape,
        sizes,
        outputs,
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    y = ys[0]
    winner = _first_winner(op, _padded(op, x, y, window), y, window)
    batch, (height, width) = x.sizes[0], sizes
    index = _pixel_of_tap(op, winner, window, width).reshape(batch, channels, -1)
    empty = zeros(op, [batch, channels, height * width], x.dtype)
    given = dy.reshape(batch, channels, -1)
    scattered = op.ScatterElements(empty, index, given, axis=2, reduction="add")
    return reshape_as(scattered, x)


def _padded(op: Operators, x: Tensor, y: Tensor, window: Window) -> Tensor:
    """The picture with what windows see beyond its border, which never wins."""
    after = [
        max((out - 1) * stride + span - first - size, 0)
        for out, stride, span, first, size in zip(
            _spatial(y), window.strides, window.extent, window.before, _spatial(x), strict=True
        )
    ]
    if not any((*window.before, *after)):
        return x
    # Not minus infinity, which times the zeros of a kernel is not a number.
    lowest = op.constant(np.finfo(np.float32).min, x.dtype)
    return op.Pad(x, op.constant([0, 0, *window.before, 0, 0, *after], np.int64), lowest)


def _spatial(x: Tensor) -> tuple[int, ...]:
    return tuple(size for size in x.dims[2:] if isinstance(size, int))


def _first_winner(op: Operators, padded: Tensor, y: Tensor, window: Window) -> Tensor:
    """For each window the number of its first tap that holds the maximum, in row-major order."""
    (channels,), taps = numbers(y.sizes[1:2]) or (0,), math.prod(window.kernel)
    if taps == 1:
        return y * 0
    lost = []
    for tap in range(taps - 1):
        kernel = np.zeros((channels, 1, taps), np.float32)
        kernel[:, :, tap] = -1
        difference = y + op.Conv(
            padded,
            op.constant(kernel.reshape(channels, 1, *window.kernel)),
            group=channels,
            strides=window.strides,
            dilations=window.dilations,
        )
        lost.append(positive_mask(op, difference))
    number = lost[-1]
    for earlier in reversed(lost[:-1]):
        number = earlier + earlier * number
    return number


def _pixel_of_tap(op: Operators, tap: Tensor, window: Window, width: int) -> Tensor:
    """From tap numbers to indices into the picture's (H·W) pixels, int32."""
    _, columns = window.kernel
    down, right = window.dilations
    row = op.Floor(tap * (1 / columns + 1e-6))
    rows_out, columns_out = _spatial(tap)
    first_row = np.arange(rows_out) * window.strides[0] - window.before[0]
    first_column = np.arange(columns_out) * window.strides[1] - window.before[1]
    corner = first_row[:, None] * width + first_column[None, :]
    # tap = row · columns + column; pixel = corner + row · down · width + column · right.
    step = down * width - right * columns
    pixel = tap * right + row * step + corner.astype(np.float32)
    return pixel.astype(np.dtype(np.int32))
