"""Rules that are faster on ONNX Runtime's CPU provider, with the same result.

Another table for one provider: `standard_rules() | cpu_rules()`. The standard forms run everywhere
and stay what is exported.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.window import Window, resolve_window
from .pooling import max_pool
from .scattering import scatter_add
from .slide import numbers
from .table import RuleTable
from .vocabulary import positive_mask, reshape_as

# Beyond this many taps, rows and columns together, MaxPool's Indices cost less.
_MOST_TAPS = 10

# What pads stand for. Not minus infinity, which times the zeros of a kernel is not a number.
_LOWEST = float(np.finfo(np.float32).min)

# Operators that a network computes numbers with, and those that pass on what they are given.
_FINITE = frozenset(
    {"AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "HardSwish", "MaxPool"}
    | {"Clip", "Elu", "Gelu", "LeakyRelu", "LRN", "Relu", "Sigmoid", "Softplus", "Tanh"}
)
_CARRY = frozenset({"Concat", "Transpose"})

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

    A maximum over rows of a window, then one over these. A depthwise convolution with minus one at
    a single tap, plus the maximum, is positive where that tap lost; the runtime computes it and its
    step function in one vectorised kernel. Of the ones and zeros of all taps but the last, Horner's
    scheme makes the number of the first that did not lose: the winner, ties going to the first in
    row-major order.
    """
    # A batch may be open: it does not matter to the arithmetic.
    few = x.rank == 4 and sum(kernel_shape) <= _MOST_TAPS
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
    batch, (height, width) = x.sizes[0], sizes
    seen = x if _is_finite(x.value) else op.Max(x, op.constant(_LOWEST, x.dtype))
    winner = _winning_pixel(op, _padded(op, seen, ys[0], window), ys[0], window, width)
    index = winner.astype(np.dtype(np.int32)).reshape(batch, channels, -1)
    given = dy.reshape(batch, channels, -1)
    return reshape_as(scatter_add(op, given, [batch, channels, height * width], index, axis=2), x)


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
    return op.Pad(
        x,
        op.constant([0, 0, *window.before, 0, 0, *after], np.int64),
        op.constant(_LOWEST, x.dtype),
    )


def _is_finite(value: ir.Value | None) -> bool:
    """Whether a value is sure to hold no infinity, as far as its network computes with numbers.

    Exporters pad with minus infinity before a MaxPool of their own.
    """
    node = None if value is None else value.producer()
    if node is None:
        # A picture.
        return value is not None and value.is_graph_input()
    if node.domain != "":
        return False
    if node.op_type in _CARRY:
        return all(_is_finite(x) for x in node.inputs)
    return node.op_type in _FINITE


def _spatial(x: Tensor) -> tuple[int, ...]:
    return tuple(size for size in x.dims[2:] if isinstance(size, int))


def _winning_pixel(op: Operators, padded: Tensor, y: Tensor, window: Window, width: int) -> Tensor:
    """For each window the index of the pixel that wins, counted within the picture, as floats."""
    down, right = window.dilations
    rows, columns = _spatial(y)
    first_row = np.arange(rows) * window.strides[0] - window.before[0]
    first_column = np.arange(columns) * window.strides[1] - window.before[1]
    corner = op.constant(first_row[:, None] * width + first_column[None, :], np.float32)
    highest, number = y, None
    if window.kernel[1] > 1:
        highest = op.MaxPool(
            padded,
            kernel_shape=[1, window.kernel[1]],
            strides=[1, window.strides[1]],
            dilations=[1, right],
        )
        number = _first_number(_lost(op, padded, highest, window, 1))
    elif window.strides[1] > 1:
        highest = op.MaxPool(padded, kernel_shape=[1, 1], strides=[1, window.strides[1]])
    else:
        highest = padded
    if window.kernel[0] == 1 and window.strides[0] == 1:
        return corner if number is None else number * right + corner
    lost = _lost(op, highest, y, window, 0)
    if number is None:
        return _first_number(lost) * (down * width) + corner if lost else y * 0 + corner
    # The winner's column in the first row, and by how much it is further on in each next one.
    place = _rows(op, number, window, {0: right}, 0)
    step: Tensor | None = None
    for tap in range(window.kernel[0] - 1, 0, -1):
        further = _rows(op, number, window, {tap - 1: -right, tap: right}, down * width)
        step = lost[tap - 1] * (further if step is None else further + step)
    return (place if step is None else place + step) + corner


def _lost(op: Operators, x: Tensor, maximum: Tensor, window: Window, axis: int) -> list[Tensor]:
    """For each tap along one axis but the last, 1 where it is below the maximum, else 0."""
    result = []
    for tap in range(window.kernel[axis] - 1):
        taken = _taps(op, x, window, axis, {tap: -1.0}, 0)
        result.append(positive_mask(op, maximum + taken))
    return result


def _first_number(lost: list[Tensor]) -> Tensor:
    """The number of the first tap that did not lose."""
    number = lost[-1]
    for earlier in reversed(lost[:-1]):
        number = earlier + earlier * number
    return number


def _rows(
    op: Operators, number: Tensor, window: Window, weights: dict[int, int], bias: int
) -> Tensor:
    """For each window a weighted sum of what its rows hold, and a number more."""
    return _taps(op, number, window, 0, {tap: float(w) for tap, w in weights.items()}, bias)


def _taps(
    op: Operators, x: Tensor, window: Window, axis: int, weights: dict[int, float], bias: int
) -> Tensor:
    """A weighted sum of some taps along one axis, by a depthwise convolution."""
    (channels,), taps = numbers(x.sizes[1:2]) or (0,), window.kernel[axis]
    kernel = np.zeros((channels, 1, taps), np.float32)
    for tap, weight in weights.items():
        kernel[:, :, tap] = weight

    def both(along: int) -> list[int]:
        return [along if a == axis else 1 for a in (0, 1)]

    return op.Conv(
        x,
        op.constant(kernel.reshape(channels, 1, *both(taps))),
        op.constant(np.full(channels, bias), np.float32) if bias else None,
        group=channels,
        strides=both(window.strides[axis]),
        dilations=both(window.dilations[axis]),
    )
