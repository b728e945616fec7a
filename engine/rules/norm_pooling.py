"""Rules of Lp pooling: y = (Σ |x|^p)^(1/p) over windows or over a whole picture.

The slope is sign(x) · (|x| / y)^(p−1), which is written without a division by zero: where y is
zero so is every x of the window, and nothing is passed on (the subgradient zero).
"""

from __future__ import annotations

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .pooling import spread_over_windows
from .slide import slide_of
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("LpPool", _lp_pool, ignores=("ceil_mode",))
    rules.define("GlobalLpPool", _global_lp_pool)


def _lp_pool(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    y: Tensor,
    auto_pad: str,
    dilations: list[int] | None,
    kernel_shape: list[int],
    p: int,
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    slide = slide_of(
        x,
        y,
        kernel_shape,
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    spread = spread_over_windows(op, _per_window(op, dy, y, p), slide)
    return x.builder.declare_shape(spread * _per_element(op, x, p), x.dims)


def _global_lp_pool(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, p: int) -> Tensor:
    return _per_window(op, dy, y, p) * _per_element(op, x, p)


def _per_window(op: Operators, dy: Tensor, y: Tensor, p: int) -> Tensor:
    """The cotangent by y^(p−1), and zero where y is."""
    if p == 1:
        return dy
    power = y if p == 2 else y ** (p - 1)
    # y is not negative: only zeros are replaced, by one.
    none = op.Equal(y, op.constant(0, y.dtype)).astype(y.dtype)
    return dy * (1 - none) / (power + none)


def _per_element(op: Operators, x: Tensor, p: int) -> Tensor:
    """sign(x) · |x|^(p−1)."""
    if p == 1:
        return op.Sign(x)
    if p == 2:
        return x
    return x * abs(x) ** (p - 2)
