"""Cases of activation functions, and of trigonometry and what else works element by element."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto
from rule_cases import Const, away, case, distinct, normal, number, positive

# ONNX Runtime has kernels in single precision only for most of these; the reference evaluator
# computes in double precision what it can.
DOUBLE = {"runtime": "reference", "dtypes": "d"}
SINGLE = {"dtypes": "f"}


def slope(function):
    """The oracle of an operator that works element by element, from its derivative."""

    def exact(inputs, cotangent, **attributes):
        x = inputs[0].astype(np.float64)
        return [cotangent * function(x, **attributes)]

    return exact


def single(value):
    """An attribute as the file stores it."""
    return float(np.float32(value))


# Trigonometry -----------------------------------------------------------------------------------

_inside = np.tanh(normal(4, 5)) * 0.8
for op, x, derivative in (
    ("Tan", np.arctan(normal(4, 5) * 2), lambda x: 1 / np.cos(x) ** 2),
    ("Asin", _inside, lambda x: (1 - x**2) ** -0.5),
    ("Acos", _inside, lambda x: -((1 - x**2) ** -0.5)),
    ("Atan", normal(4, 5) * 3, lambda x: 1 / (1 + x**2)),
    ("Sinh", normal(4, 5) * 2, np.cosh),
    ("Cosh", normal(4, 5) * 2, np.sinh),
    ("Tanh", normal(4, 5) * 2, lambda x: 1 / np.cosh(x) ** 2),
    ("Asinh", normal(4, 5) * 3, lambda x: (1 + x**2) ** -0.5),
    ("Acosh", 1 + positive(4, 5), lambda x: (x**2 - 1) ** -0.5),
    ("Atanh", _inside, lambda x: 1 / (1 - x**2)),
):
    for options in (DOUBLE, SINGLE):
        case(op, "analytic", x, exact=slope(derivative), **options)
# A difference of squares would lose half of the digits here.
case("Acosh", "near one", 1 + 2.0 ** -np.arange(5, 20), exact=slope(lambda x: (x**2 - 1) ** -0.5),
     finite=False, dtypes="f")  # fmt: skip

# Activations ------------------------------------------------------------------------------------


def _prelu(inputs, cotangent):
    x, weight = inputs
    return [cotangent * np.where(x > 0, 1, weight), cotangent * np.minimum(x, 0)]


for label, weight in (
    ("one slope", normal(1)),
    ("per channel", normal(3, 1, 1)),
    ("per element", normal(2, 3, 2, 4)),
    ("scalar", normal()),
    ("last axis", normal(4)),
):
    case("PRelu", label, away(2, 3, 2, 4), weight, exact=_prelu, dtypes="df")
case("PRelu", "at zero", np.array([0.0, -1, 1]), normal(3), exact=_prelu, finite=False)
case("PRelu", "onnx-ad", away(2, 3), normal(3))

for alpha in (1.0, 0.4, 2.5, -0.7):
    case("Elu", f"alpha {alpha}", away(4, 5), alpha=alpha, dtypes="df",
         exact=slope(lambda x, alpha: np.where(x > 0, 1, single(alpha) * np.exp(x))))  # fmt: skip
    celu = slope(lambda x, alpha: np.where(x > 0, 1, np.exp(x / single(alpha))))
    case("Celu", f"alpha {alpha}", away(4, 5), alpha=alpha, exact=celu, **SINGLE)
case("Elu", "default", away(4, 5))
case("Elu", "large", np.array([-200.0, -50, 50, 200, 3e4]), dtypes="df", finite=False,
     exact=slope(lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))))  # fmt: skip
case("Elu", "at zero", np.zeros(3), alpha=0.5, exact=slope(lambda x, alpha: alpha), finite=False)
case("Celu", "default", away(4, 5), exact=slope(lambda x: np.exp(np.minimum(x, 0))), **SINGLE)


def _selu(x, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875):
    alpha, gamma = single(alpha), single(gamma)
    return gamma * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


case("Selu", "default", away(4, 5), exact=slope(_selu), dtypes="df")
case("Selu", "attributes", away(4, 5), alpha=0.6, gamma=-1.5, exact=slope(_selu), dtypes="df")
case("Selu", "large", np.array([-200.0, 200, 3e4]), exact=slope(_selu), dtypes="df", finite=False)

for alpha in (1.0, 0.0, -0.75, 2.5, 1e-9):
    case("ThresholdedRelu", f"alpha {alpha}", away(4, 5, kinks=(alpha,), scale=2), alpha=alpha,
         exact=slope(lambda x, alpha: x > alpha), dtypes="df")  # fmt: skip
    case("ThresholdedRelu", f"alpha {alpha} kink", np.array([alpha, 3]), alpha=alpha,
         exact=slope(lambda x, alpha: x > single(alpha)), finite=False, dtypes="f")  # fmt: skip
case("ThresholdedRelu", "default", away(4, 5, kinks=(1,)), exact=slope(lambda x: x > 1))


def _shrink(x, lambd=0.5, bias=0.0):
    return np.where(x < -lambd, 1, np.where(x > lambd, 1, 0))


for options in (
    {},
    {"lambd": 1.25},
    {"lambd": 1.0, "bias": 0.5},
    {"lambd": 0.0, "bias": -2.0},
    {"lambd": -0.5, "bias": 0.25},
):
    lambd = options.get("lambd", 0.5)
    for kind in (DOUBLE, SINGLE):
        case("Shrink", f"{options}", away(4, 5, kinks=(-lambd, lambd), scale=2),
             exact=slope(_shrink), **options, **kind)  # fmt: skip
case("Shrink", "ends", np.array([-0.5, 0.5, 0.75]), exact=slope(_shrink), finite=False)

case("Softsign", "plain", away(4, 5), dtypes="df", exact=slope(lambda x: (1 + abs(x)) ** -2))
case("Softsign", "large", np.array([1e4, -1e6, 3]), exact=slope(lambda x: (1 + abs(x)) ** -2),
     finite=False, dtypes="df")  # fmt: skip


def _hard_swish(x):
    return np.where(x < -3, 0, np.where(x > 3, 1, x / 3 + 0.5))


for options in (DOUBLE, SINGLE):
    for label, x in (
        ("plain", away(6, 7, kinks=(-3, 3), scale=3)),
        ("large", np.array([-1e30, -1e4, -50, 50, 1e4, 1e30])),
        ("near the ends", np.array([-3.00001, -2.99999, 2.99999, 3.00001])),
    ):
        case("HardSwish", label, x, exact=slope(_hard_swish), finite=label == "plain", **options)


def _mish(x):
    s = 1 / (1 + np.exp(-x))
    t = np.tanh(np.logaddexp(0, x))
    return t + x * (1 - t**2) * s


case("Mish", "plain", normal(4, 5) * 2, exact=slope(_mish), dtypes="df")
case("Mish", "large", np.array([-100.0, -40, 40, 100]), exact=slope(_mish), dtypes="df")

_erf = np.vectorize(math.erf, otypes=[float])


def _gelu(x, approximate="none"):
    if approximate == "none":
        density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        return (1 + _erf(x / math.sqrt(2))) / 2 + x * density
    k, a = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(k * (x + a * x**3))
    return (1 + t) / 2 + x * (1 - t**2) / 2 * k * (1 + 3 * a * x**2)


for approximate in ("none", "tanh"):
    case("Gelu", approximate, normal(4, 5) * 2, approximate=approximate, opset=20,
         exact=slope(_gelu), **SINGLE)  # fmt: skip
    case("Gelu", f"{approximate} large", np.array([-1e3, -9, 9, 1e3]), approximate=approximate,
         opset=20, exact=slope(_gelu), **SINGLE)  # fmt: skip
case("Gelu", "default", normal(4, 5), opset=20, exact=slope(_gelu), dtypes="f")


for op in ("Softmax", "LogSoftmax"):
    case(op, "one element", normal(3, 1), dtypes="df", axis=-1)
    case(op, "single precision", normal(2, 3, 5), dtypes="f", axis=1)

# Arithmetic -------------------------------------------------------------------------------------

for shapes in ([(2, 3)], [(2, 3), (3,), ()], [(2, 1, 4), (3, 1), (2, 3, 4), (1,)]):
    parts = [normal(*shape) for shape in shapes]
    case("Mean", f"{len(parts)}", *parts, dtypes="f",
         exact=lambda i, dy: [dy / len(i)] * len(i))  # fmt: skip
    case("Mean", f"{len(parts)} onnx-ad", *parts, dtypes="f")


def _remainder(inputs, cotangent, *, fmod):
    a, b = inputs
    return [cotangent, -cotangent * np.trunc(a / b)]


# No quotient near a whole number.
for label, divisor in (
    ("plain", np.array([[1.0, 2, -1.5], [0.7, 0.4, -0.9]])),
    ("broadcast", np.array([1.0, -0.7, 1.2])),
    ("scalar", np.array(0.8)),
):
    dividend = np.array([[0.4, 1.5, 2.4], [-0.6, -3.5, 7.45]]) * divisor
    case("Mod", label, dividend, divisor, fmod=1, exact=_remainder, dtypes="df")

for target in (np.float32, np.float64):
    case("CastLike", f"to {target.__name__}", normal(2, 3), Const(np.zeros(1, target)),
         exact=lambda i, dy: [dy])  # fmt: skip

for p in (3, 4, -2):
    case("Pow", f"negative base {p}", away(3, 4), number(p), dtypes="df",
         exact=lambda i, dy: [dy * i[1] * i[0] ** (i[1] - 1)])  # fmt: skip
case("Pow", "constant exponents broadcast", positive(3, 1), Const(np.array([0.5, 2, -1])),
     exact=lambda i, dy: [dy * i[1] * i[0] ** (i[1] - 1)])  # fmt: skip
case("Pow", "whole exponents", away(3, 4), np.array([1, 2, 3, 4]),
     exact=lambda i, dy: [dy * i[1] * i[0] ** (i[1] - 1)])  # fmt: skip

_condition = np.array([[True], [False], [True]])
case("Where", "condition larger", _condition, normal(1, 4), normal())
case("Where", "rank added by the condition", _condition[None], normal(4), normal(1, 1, 1, 1))

# Bounds that the graph computes -----------------------------------------------------------------


def _clip(inputs, cotangent):
    x, low, high = inputs
    low, high = (None if bound is None else bound.reshape(()) for bound in (low, high))
    inside = np.ones_like(x, bool)
    inside &= True if low is None else x > low
    inside &= True if high is None else x < high
    gradients = [cotangent * inside]
    if low is not None:
        gradients.append((cotangent * (x < low)).sum())
    if high is not None:
        gradients.append((cotangent * (x > high)).sum())
    return gradients


case("Clip", "computed low", away(4, 5, kinks=(-0.5,)), np.array(-0.5), None, exact=_clip,
     dtypes="df")  # fmt: skip
case("Clip", "computed high", away(4, 5, kinks=(0.5,)), None, np.array(0.5), exact=_clip,
     dtypes="df")  # fmt: skip
case("Cast", "to half", distinct(2, 3), to=TensorProto.FLOAT16, dtypes="f",
     exact=lambda i, dy, to: [dy.astype(np.float32)], finite=False)  # fmt: skip
