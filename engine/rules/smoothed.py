"""Smoothed max pooling: tables that spread the gradient of a maximum over its window.

MaxPool's gradient goes to the winner alone, which is another pixel from step to step, and leaves
grids of dots in pictures. Lucid's remedy is to go back through a smoother function than forward
(`smoothed_maxpool_grad`; Olah, Mordvintsev and Schubert, *Feature Visualization*, 2017).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.words import count_of, expand_as
from .pooling import spread_over_windows
from .slide import Matrix, Slide, slide_of, window_counts
from .table import RuleTable

_FLOOR = 1e-2
"""Lucid's: keeps windows of zeros from being divided by zero."""


def average_pooling() -> RuleTable:
    """Return rules of MaxPool as if it were AveragePool, for `standard_rules() | …`.

    Every pixel of a window gets the same part of its gradient; padding gets none.
    """
    table = RuleTable()
    table.define("MaxPool", _as_average, ignores=_FORWARD)
    table.define(
        "GlobalMaxPool", lambda op, dy, x: expand_as(dy / count_of(x.sizes[2:], dy.dtype), x)
    )
    return table


def smoothed_pooling() -> RuleTable:
    """Return rules of MaxPool as if it were mean(x²) / mean(|x|), for `standard_rules() | …`.

    That is between mean and maximum, and near the largest of a window where it stands out. Pixels
    in the place of which smaller ones would raise it get a negative part: those below half of the
    window's value. 0.01 is added to the denominator.
    """
    table = RuleTable()
    table.define("MaxPool", _smoothed, ignores=("storage_order",))
    table.define("GlobalMaxPool", _smoothed_global)
    return table


_FORWARD = ("ceil_mode", "storage_order")


def _as_average(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    ys: list[Tensor],
    auto_pad: str,
    dilations: list[int] | None,
    kernel_shape: list[int],
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    slide, counts = _windows(op, x, ys[0], auto_pad, dilations, kernel_shape, pads, strides)
    return x.builder.declare_shape(spread_over_windows(op, dy, slide, counts), x.dims)


def _smoothed(
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
    strides: list[int] | None,
) -> Tensor:
    dilated = max(dilations or [1]) > 1
    if dilated and x.builder.opset < 19:
        raise OperatorError(
            "smoothed pooling averages over the windows of a MaxPool, and before opset 19 "
            f"AveragePool has no dilations such as {dilations}: give average_pooling instead"
        )
    slide, counts = _windows(op, x, ys[0], auto_pad, dilations, kernel_shape, pads, strides)

    def mean(values: Tensor) -> Tensor:
        return op.AveragePool(
            values,
            auto_pad=auto_pad,
            ceil_mode=ceil_mode,
            dilations=dilations if dilated else None,
            kernel_shape=kernel_shape,
            pads=pads,
            strides=strides,
        )

    def spread(values: Tensor) -> Tensor:
        return spread_over_windows(op, values, slide, counts)

    return x.builder.declare_shape(_slope(op, dy, x, mean(x * x), mean(abs(x)), spread), x.dims)


def _smoothed_global(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    count = count_of(x.sizes[2:], dy.dtype)
    axes = op.constant(list(range(2, x.rank)), np.int64)

    def mean(values: Tensor) -> Tensor:
        return op.ReduceMean(values, axes, keepdims=1)

    return _slope(op, dy, x, mean(x * x), mean(abs(x)), lambda v: expand_as(v / count, x))


def _slope(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    squares: Tensor,
    sizes: Tensor,
    spread: Callable[[Tensor], Tensor],
) -> Tensor:
    """The cotangent of x behind squares / sizes, both means over windows."""
    each = dy / (sizes + _FLOOR)
    return x * spread(each * 2.0) - op.Sign(x) * spread(each * squares / (sizes + _FLOOR))


def _windows(
    op: Operators,
    x: Tensor,
    y: Tensor,
    auto_pad: str,
    dilations: list[int] | None,
    kernel_shape: list[int],
    pads: list[int] | None,
    strides: list[int] | None,
) -> tuple[Slide, Matrix | float]:
    """The windows of a pool, and how many pixels of the picture are in each."""
    slide = slide_of(
        x, y, kernel_shape, auto_pad=auto_pad, dilations=dilations, pads=pads, strides=strides
    )
    return slide, window_counts(op, slide, x.dtype, include_pad=False)
