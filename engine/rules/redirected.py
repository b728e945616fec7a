"""Redirected ReLU: another table, for the first steps of an ascent.

Where a unit is off for the whole picture, its gradient is zero and ascent never starts. Lucid's
remedy (`redirected_relu_grad`): for a picture whose gradient through a ReLU is zero throughout, let
the gradient through as if the ReLU were not there, but for what would push a negative input further
down. The same goes for every activation function that is flat somewhere: pushed further out is what
lies beyond the end of its slope already.
"""

from __future__ import annotations

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .activations import (
    clip,
    clip_high,
    clip_low,
    hard_sigmoid,
    hard_swish,
    leaky_relu,
    prelu,
    prelu_slope,
    shrink,
    thresholded_relu,
)
from .table import RuleTable
from .vocabulary import positive_mask


def redirected_relu() -> RuleTable:
    """Return the overriding rules of activations with a flat part, for `standard_rules() | …`."""
    table = RuleTable()
    table.define("Relu", _relu)
    table.define("Clip", _clip, clip_low, clip_high)
    # Flat below zero where their slope there is.
    table.define("LeakyRelu", _leaky_relu)
    table.define("PRelu", _prelu, prelu_slope)
    table.define("ThresholdedRelu", _thresholded_relu)
    table.define("HardSigmoid", _hard_sigmoid)
    table.define("HardSwish", _hard_swish)
    # Flat in the middle: no side is further out.
    table.define("Shrink", _shrink, ignores=("bias",))
    return table


def _relu(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor) -> Tensor:
    return _redirect(op, dy, x, dy * positive_mask(op, y), 0.0, None)


def _clip(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None, *, y: Tensor
) -> Tensor:
    regular = clip(op, dy, x, low, high, y=y)
    return dy if regular is dy else _redirect(op, dy, x, regular, low, high)


def _leaky_relu(op: Operators, dy: Tensor, x: Tensor, *, alpha: float) -> Tensor:
    regular = leaky_relu(op, dy, x, alpha=alpha)
    return _redirect(op, dy, x, regular, 0.0, None) if alpha == 0 else regular


def _prelu(op: Operators, dy: Tensor, x: Tensor, slope: Tensor) -> Tensor:
    regular = prelu(op, dy, x, slope)
    return _redirect(op, dy, x, regular, 0.0, None)


def _thresholded_relu(op: Operators, dy: Tensor, x: Tensor, *, alpha: float) -> Tensor:
    return _redirect(op, dy, x, thresholded_relu(op, dy, x, alpha=alpha), alpha, None)


def _hard_sigmoid(
    op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, alpha: float, beta: float
) -> Tensor:
    regular = hard_sigmoid(op, dy, x, y=y, alpha=alpha)
    if alpha == 0:
        return regular
    low, high = sorted((-beta / alpha, (1 - beta) / alpha))
    return _redirect(op, dy * alpha, x, regular, low, high)


def _hard_swish(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    return _redirect(op, dy, x, hard_swish(op, dy, x), -3.0, None)


def _shrink(op: Operators, dy: Tensor, x: Tensor, *, lambd: float) -> Tensor:
    return _redirect(op, dy, x, shrink(op, dy, x, lambd=lambd), None, None)


def _redirect(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    regular: Tensor,
    low: Tensor | float | None,
    high: Tensor | float | None,
) -> Tensor:
    """`regular` for pictures where it is not zero throughout, else the redirected gradient.

    `dy` is the gradient of what is maximised: a negative one pushes its input down.
    """
    zero = op.constant(0, dy.dtype)
    redirected = dy
    for bound, beyond in ((low, op.Less), (high, op.Greater)):
        if bound is not None:
            end = bound if isinstance(bound, Tensor) else op.constant(bound, x.dtype)
            harmful = op.And(beyond(x, end), beyond(dy, zero))
            redirected = op.Where(harmful, zero, redirected)
    axes = op.constant(list(range(1, dy.rank)), np.int64)
    largest = op.ReduceMax(op.Abs(regular), axes, keepdims=1, noop_with_empty_axes=1)
    return op.Where(op.Greater(largest, zero), regular, redirected)
