"""Rules of activation functions.

At a kink the derivative is a subgradient, the one that PyTorch takes for most of them: Relu(0),
both ends of Clip and HardSigmoid give 0; where an activation has another slope below zero
(LeakyRelu, PRelu, Elu, Celu, Selu) zero counts as below; Shrink and ThresholdedRelu give 0
where they jump, HardSwish the slope of its straight parts.
"""

from __future__ import annotations

import math

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .choices import unless_all_passed_over
from .table import RuleTable
from .vocabulary import between_mask, let_through, positive_mask


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    # Of one kink or two
    rules.define("Relu", lambda op, dy, x, *, y: let_through(op, dy, positive_mask(op, y)))
    rules.define("Clip", clip, clip_low, clip_high)
    rules.define("LeakyRelu", leaky_relu)
    rules.define("PRelu", prelu, prelu_slope)
    rules.define("ThresholdedRelu", thresholded_relu)
    rules.define("Shrink", shrink, ignores=("bias",))
    # beta moves the kinks, which y shows; it does not scale the slope.
    rules.define("HardSigmoid", hard_sigmoid, ignores=("beta",))
    rules.define("HardSwish", hard_swish)

    # Exponential below zero
    rules.define("Elu", _elu)
    rules.define("Celu", _celu)
    rules.define("Selu", _selu)

    # Smooth
    rules.define("Sigmoid", lambda op, dy, x, *, y: dy * y * _complement(op, y))
    rules.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y * y))
    rules.define("Softplus", lambda op, dy, x: dy * op.Sigmoid(x))
    rules.define("Softsign", _softsign)
    rules.define("Erf", lambda op, dy, x: dy * op.Exp(-(x * x)) * (2 / math.sqrt(math.pi)))
    rules.define("Gelu", _gelu)
    rules.define("Mish", _mish)

    # Of a whole axis
    rules.define("Softmax", _softmax)
    rules.define("LogSoftmax", _log_softmax)
    rules.declare_constant("one at the largest element and zero elsewhere", "Hardmax")


# Of one kink or two -----------------------------------------------------------------------------


def clip(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None, *, y: Tensor
) -> Tensor:
    """Return the rule of Clip's first input."""
    arrays = [None if bound is None else bound.array for bound in (low, high)]
    if any(a is None and t is not None for a, t in zip(arrays, (low, high), strict=True)):
        for bound, outside in ((low, op.LessOrEqual), (high, op.GreaterOrEqual)):
            if bound is not None:
                dy = op.Where(outside(y, bound), op.constant(0, dy.dtype), dy)
        return dy
    mask = between_mask(op, y, *(None if a is None else float(a.reshape(())) for a in arrays))
    return dy if mask is None else let_through(op, dy, mask)


# A bound takes what x does not; where they are equal, the upper one, which is applied last.


def clip_low(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor, high: Tensor | None, *, y: Tensor
) -> Tensor:
    """Return the rule of Clip's second input."""
    chosen = op.Equal(y, low)
    if high is not None:
        chosen = op.And(chosen, op.Less(y, high))
    return let_through(op, dy, chosen.astype(dy.dtype))


def clip_high(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor, *, y: Tensor
) -> Tensor:
    """Return the rule of Clip's third input."""
    return let_through(op, dy, op.Equal(y, high).astype(dy.dtype))


def leaky_relu(op: Operators, dy: Tensor, x: Tensor, *, alpha: float) -> Tensor:
    """Return the rule of LeakyRelu."""
    return dy * (positive_mask(op, x) * (1 - alpha) + alpha)


def prelu(op: Operators, dy: Tensor, x: Tensor, slope: Tensor) -> Tensor:
    """Return the rule of PRelu's first input."""
    return dy * (positive_mask(op, x) * (1 - slope) + slope)


def prelu_slope(op: Operators, dy: Tensor, x: Tensor, slope: Tensor) -> Tensor:
    """Return the rule of PRelu's second input."""
    return dy * op.Min(x, op.constant(0, x.dtype))


def thresholded_relu(op: Operators, dy: Tensor, x: Tensor, *, alpha: float) -> Tensor:
    """Return the rule of ThresholdedRelu: x where x > alpha, else 0."""
    mask = between_mask(op, x, alpha, None)
    return dy if mask is None else let_through(op, dy, mask)


def shrink(op: Operators, dy: Tensor, x: Tensor, *, lambd: float) -> Tensor:
    """Return the rule of Shrink: 0 for x between −lambd and lambd, else x moved by a number."""
    outside = op.Or(x.less(-lambd), x.greater(lambd))
    return let_through(op, dy, outside.astype(dy.dtype))


def hard_sigmoid(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, alpha: float) -> Tensor:
    """Return the rule of HardSigmoid."""
    mask = between_mask(op, y, 0.0, 1.0)
    return dy * alpha if mask is None else let_through(op, dy, mask) * alpha


def hard_swish(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    """Return the rule of HardSwish."""
    # HardSigmoid's own slope is a float, and not a sixth in double precision.
    zero, one = op.constant(0, x.dtype), op.constant(1, x.dtype)
    ramp = (
        op.HardSigmoid(x, alpha=1 / 6, beta=0.5)
        if x.dtype == np.float32
        else op.Clip(x * (1 / 6) + 0.5, zero, one)
    )
    return dy * hard_swish_slope(op, x, ramp)


def hard_swish_slope(op: Operators, x: Tensor, ramp: Tensor) -> Tensor:
    """Return the slope of y = x · min(max(x/6 + 1/2, 0), 1): 0 below −3, 1 above 3, else x/3 + 1/2.

    One mask for both ends, of x² < 9.
    """
    inside = between_mask(op, x * x, None, 9.0)
    assert inside is not None
    return ramp + x * inside * (1 / 6)


# Exponential below zero -------------------------------------------------------------------------


def _elu(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, alpha: float) -> Tensor:
    """Below zero y = alpha · (eˣ − 1), so that the slope is y + alpha."""
    one = op.constant(1, x.dtype)
    if alpha == 1:
        return dy * op.Min(y + 1, one)
    return dy * op.Where(x.greater(0), one, y + alpha)


def _celu(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, alpha: float) -> Tensor:
    """Below zero y = alpha · (e^(x/alpha) − 1), so that the slope is y / alpha + 1."""
    one = op.constant(1, x.dtype)
    slope = y / alpha + 1
    return dy * (op.Min(slope, one) if alpha > 0 else op.Where(x.greater(0), one, slope))


def _selu(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, alpha: float, gamma: float) -> Tensor:
    """Below zero y = gamma · alpha · (eˣ − 1), so that the slope is y + gamma · alpha."""
    return dy * op.Where(x.greater(0), op.constant(gamma, x.dtype), y + gamma * alpha)


# Smooth -----------------------------------------------------------------------------------------


def _complement(op: Operators, s: Tensor) -> Tensor:
    """1 − s for s between 0 and 1.

    In float32 as a HardSigmoid, which unlike Sub keeps ONNX Runtime's blocked convolution layout.
    """
    return op.HardSigmoid(s, alpha=-1.0, beta=1.0) if s.dtype == np.float32 else 1 - s


def _softsign(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    below = 1 + abs(x)
    return dy / (below * below)


def bell_slope(op: Operators, x: Tensor, c: float, k: float) -> Tensor:
    """Return k · (1 + erf(c · x)) + k · c · 2/√π · x · e^−(c · x)²: y = k · x · (1 + erf)."""
    erf = op.Erf(x * c)
    if x.dtype == np.float32 and k == 0.5:
        # (1 + erf) / 2 lies between 0 and 1: one pass instead of two.
        below = op.HardSigmoid(erf, alpha=0.5, beta=0.5)
    else:
        below = erf * k + k
    return below + x * (k * c * 2 / math.sqrt(math.pi)) * op.Exp(x * -(c * c) * x)


def tanh_gelu_slope(op: Operators, x: Tensor, y: Tensor, a: float, b: float, k: float) -> Tensor:
    """Return the slope of y = k · x · (1 + tanh(a · x + b · x³)) = 2k · x · σ(2a · x + 2b · x³).

    That is 2k · s + (1 − s) · y · (2a + 6b · x²).
    """
    square = x * x
    s = op.Sigmoid((square * (2 * b) + 2 * a) * x)
    return (s if k == 0.5 else s * (2 * k)) + (1 - s) * y * (square * (6 * b) + 2 * a)


def swish_slope(op: Operators, y: Tensor, s: Tensor, a: float, k: float) -> Tensor:
    """Return k · s + a · y · (1 − s), the slope of y = k · x · s with s = σ(a · x)."""
    scaled = y if a == 1 else y * a
    return (s if k == 1 else s * k) + scaled * _complement(op, s)


def _gelu(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, approximate: str) -> Tensor:
    if approximate == "tanh":
        a = math.sqrt(2 / math.pi)
        return dy * tanh_gelu_slope(op, x, y, a, a * 0.044715, 0.5)
    return dy * bell_slope(op, x, math.sqrt(0.5), 0.5)


def _mish(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    """Of x · t with t = tanh(log(1 + eˣ)): t + x · (1 − t²) · σ(x).

    With q = σ(−x) that is t = (1 − q²) / (1 + q²): one transcendental function, no overflow.
    """
    q = op.Sigmoid(-x)
    square = q * q
    below = 1 + square
    t = (1 - square) / below
    return dy * (t + x * (1 - t * t) * (1 - q))


# Of a whole axis --------------------------------------------------------------------------------


def _softmax(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, axis: int) -> Tensor:
    weighted = dy * y
    dx = weighted - y * weighted.sum(axis, keepdims=True)
    # Of a row that is masked throughout there are no numbers, which exporters replace by zeros.
    return unless_all_passed_over(y, dx, axis)


def _log_softmax(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, axis: int) -> Tensor:
    return dy - op.Exp(y) * dy.sum(axis, keepdims=True)
