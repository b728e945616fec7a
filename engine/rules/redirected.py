"""Redirected ReLU: another table, for the first steps of an ascent.

Where a unit is off for the whole picture, its gradient is zero and ascent never starts. Lucid's
remedy (`redirected_relu_grad`): for a picture whose gradient through a ReLU is zero throughout, let
the gradient through as if the ReLU were not there, but for what would push a negative input further
down.
"""

from __future__ import annotations

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .table import RuleTable
from .vocabulary import between_mask, constant_of, positive_mask


def redirected_relu() -> RuleTable:
    """The overriding rules of Relu and Clip, for `standard_rules() | …`."""
    table = RuleTable()
    table.define("Relu", _relu)
    table.define("Clip", _clip)
    return table


def _relu(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor) -> Tensor:
    return _redirect(op, dy, x, dy * positive_mask(op, y), 0.0, None)


def _clip(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None, *, y: Tensor
) -> Tensor:
    bounds = [
        None if bound is None else float(constant_of(bound, "a bound of Clip").reshape(()))
        for bound in (low, high)
    ]
    mask = between_mask(op, y, *bounds)
    return dy if mask is None else _redirect(op, dy, x, dy * mask, *bounds)


def _redirect(
    op: Operators, dy: Tensor, x: Tensor, regular: Tensor, low: float | None, high: float | None
) -> Tensor:
    """`regular` for pictures where it is not zero throughout, else the redirected gradient.

    `dy` is the gradient of what is maximised: a negative one pushes its input down.
    """
    zero = op.constant(0, dy.dtype)
    redirected = dy
    if low is not None:
        harmful = op.And(x.less(low), op.Less(dy, zero))
        redirected = op.Where(harmful, zero, redirected)
    if high is not None:
        harmful = op.And(x.greater(high), op.Greater(dy, zero))
        redirected = op.Where(harmful, zero, redirected)
    axes = op.constant(list(range(1, dy.rank)), np.int64)
    largest = op.ReduceMax(op.Abs(regular), axes, keepdims=1, noop_with_empty_axes=1)
    return op.Where(op.Greater(largest, zero), regular, redirected)
