"""Functions of single numbers that ONNX Runtime's CPU provider has in single precision only.

As in `double_forms`, exactness is all that counts here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ...graph.tensor import Tensor

Function = Callable[[Tensor, ir.Node], Tensor]

_HALVINGS = 3
_TERMS = 24

# The error function by W. J. Cody, "Rational Chebyshev approximations for the error function",
# Mathematics of Computation 23 (1969): quotients of polynomials, the highest power first. Near 0 of
# the square, and beyond of the number itself for what is left to 1, over exp(-x²).
_ERF_NEAR = 0.46875
# Behind it the error function is 1.
_ERF_FAR = 6.0
_ERF = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e00,
        1.13864154151050156e02,
        3.77485237685302021e02,
        3.20937758913846947e03,
    ),
    (
        1.0,
        2.36012909523441209e01,
        2.44024637934444173e02,
        1.28261652607737228e03,
        2.84423683343917062e03,
    ),
)
_ERFC = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e00,
        6.61191906371416295e01,
        2.98635138197400131e02,
        8.81952221241769090e02,
        1.71204761263407058e03,
        2.05107837782607147e03,
        1.23033935479799725e03,
    ),
    (
        1.0,
        1.57449261107098347e01,
        1.17693950891312499e02,
        5.37181101862009858e02,
        1.62138957456669019e03,
        3.29079923573345963e03,
        4.36261909014324716e03,
        3.43936767414372164e03,
        1.23033935480374942e03,
    ),
)


def _number(node: ir.Node, name: str, default: float) -> float:
    """An attribute, which a file holds in single precision."""
    return float(np.float32(node.attributes.get_float(name, default)))


def _positive(x: Tensor) -> Tensor:
    return x.op.Relu(x)


def _negative(x: Tensor) -> Tensor:
    """The part below zero."""
    return -x.op.Relu(-x)


def arctangent(x: Tensor) -> Tensor:
    """Return the angle by its power series, of an argument made small.

    atan(x) = 2 atan(x / (1 + √(1 + x²))): three times, and what is left is below tan(π / 16).
    """
    for _ in range(_HALVINGS):
        x = x / ((x * x + 1.0).sqrt() + 1.0)
    square = x * x
    total = square * 0.0 + (-1.0) ** _TERMS / (2 * _TERMS + 1)
    for term in range(_TERMS - 1, -1, -1):
        total = total * square + (-1.0) ** term / (2 * term + 1)
    return x * total * 2.0**_HALVINGS


def error_function(x: Tensor) -> Tensor:
    """Append 2/√π times the integral of exp(−t²) from 0 to x, by Cody's quotients."""
    size = abs(x)
    near = size * _quotient(size * size, *_ERF)
    far = x.op.Clip(size, None, x.op.constant(_ERF_FAR, x.dtype))
    rest = x.op.Exp(-(far * far)) * _quotient(far, *_ERFC)
    return x.op.Sign(x) * x.op.Where(size.less(_ERF_NEAR), near, 1.0 - rest)


def _quotient(x: Tensor, over: Sequence[float], under: Sequence[float]) -> Tensor:
    """A quotient of polynomials of one degree, each with its highest power first."""
    sums = []
    for first, *others in (over, under):
        total = x * first + others[0]
        for coefficient in others[1:]:
            total = total * x + coefficient
        sums.append(total)
    return sums[0] / sums[1]


def _arcsine(x: Tensor, _: ir.Node) -> Tensor:
    # Half of the angle has the tangent x / (1 + √(1 − x²)), finite also at the ends.
    return arctangent(x / ((1.0 - x * x).sqrt() + 1.0)) * 2.0


def _arccosine(x: Tensor, node: ir.Node) -> Tensor:
    return math.pi / 2 - _arcsine(x, node)


def _inverse_sine(x: Tensor, _: ir.Node) -> Tensor:
    """Of −x the negative: the sum under the logarithm would cancel."""
    size = abs(x)
    return x.op.Sign(x) * x.op.Log(size + (size * size + 1.0).sqrt())


def _inverse_cosine(x: Tensor, _: ir.Node) -> Tensor:
    return x.op.Log(x + ((x - 1.0) * (x + 1.0)).sqrt())


def _inverse_tangent(x: Tensor, _: ir.Node) -> Tensor:
    return x.op.Log((1.0 + x) / (1.0 - x)) * 0.5


def softplus(x: Tensor) -> Tensor:
    """Write ln(1 + exp(x)), without overflow."""
    return _positive(x) + x.op.Log(x.op.Exp(-abs(x)) + 1.0)


def _elu(x: Tensor, alpha: float, width: float = 1.0) -> Tensor:
    return _positive(x) + (x.op.Exp(_negative(x) / width) - 1.0) * alpha


def _selu(x: Tensor, node: ir.Node) -> Tensor:
    alpha = _number(node, "alpha", 1.67326319217681884765625)
    return _elu(x, alpha) * _number(node, "gamma", 1.05070102214813232421875)


def _celu(x: Tensor, node: ir.Node) -> Tensor:
    alpha = _number(node, "alpha", 1.0)
    return _elu(x, alpha, alpha)


def _hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    bounds = (x.op.constant(bound, x.dtype) for bound in (0, 1))
    return x.op.Clip(x * alpha + beta, *bounds)


def _shrink(x: Tensor, node: ir.Node) -> Tensor:
    bias, limit = _number(node, "bias", 0.0), _number(node, "lambd", 0.5)
    zero = x.op.constant(0, x.dtype)
    below = x.op.Where(x.less(-limit), x + bias, zero)
    return x.op.Where(x.less(-limit), below, x.op.Where(x.greater(limit), x - bias, zero))


FUNCTIONS: dict[str, Function] = {
    "Acos": _arccosine,
    "Acosh": _inverse_cosine,
    "Asin": _arcsine,
    "Asinh": _inverse_sine,
    "Atan": lambda x, _: arctangent(x),
    "Atanh": _inverse_tangent,
    "Celu": _celu,
    "Elu": lambda x, a: _elu(x, _number(a, "alpha", 1.0)),
    "HardSigmoid": lambda x, a: _hard_sigmoid(x, _number(a, "alpha", 0.2), _number(a, "beta", 0.5)),
    "HardSwish": lambda x, _: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "LeakyRelu": lambda x, a: _positive(x) + _negative(x) * _number(a, "alpha", 0.01),
    "Mish": lambda x, _: x * x.op.Tanh(softplus(x)),
    "Selu": _selu,
    "Shrink": _shrink,
    "Softplus": lambda x, _: softplus(x),
    "Softsign": lambda x, _: x / (abs(x) + 1.0),
    "ThresholdedRelu": lambda x, a: x.op.Where(
        x.greater(_number(a, "alpha", 1.0)), x, x.op.constant(0, x.dtype)
    ),
}
"""By operator of the standard domain: from its input, in double precision, to its output."""
