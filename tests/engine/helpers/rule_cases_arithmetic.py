"""Cases of arithmetic: sums, products, powers, extremes, and what compares."""

from __future__ import annotations

import math

import numpy as np
from rule_cases import Const, away, case, distinct, normal, number, positive

for shapes in (
    [(2, 3, 4), (2, 3, 4)],
    [(2, 3, 4), (3, 1)],
    [(4,), (2, 3, 4)],
    [(2, 1, 4), (1, 3, 1)],
    [(), (2, 3)],
    [(1, 1, 1), (3,)],
):
    label = " and ".join(str(shape) for shape in shapes)
    for op in ("Add", "Sub", "Mul"):
        case(op, label, *(normal(*shape) for shape in shapes))
    case("Div", label, *(positive(*shape) for shape in shapes))
    case("Pow", label, *(positive(*shape) for shape in shapes))
    case("Sum", label, *(normal(*shape) for shape in shapes))
    values = iter(distinct(sum(math.prod(shape) for shape in shapes)))
    unequal = [np.array([next(values) for _ in range(math.prod(s))]).reshape(s) for s in shapes]
    case("Max", label, *unequal)
    case("Min", label, *unequal)
case("Div", "negative denominator", normal(3, 4), -positive(3, 4))
for op in ("Sum", "Max", "Min"):
    case(op, "one", distinct(2, 3))
    parts = np.split(distinct(4, 2, 3), 4)
    case(op, "four", parts[0], parts[1], parts[2][0], parts[3][0, 0])


def _first_extreme(choose):
    def exact(inputs, cotangent):
        full = np.stack(np.broadcast_arrays(*inputs))
        winner = choose(full, axis=0)
        return [cotangent * (winner == i) for i in range(len(inputs))]

    return exact


_ties = [np.array([1.0, 2, 3, 0]), np.array([1.0, 3, 2, 0]), np.array([1.0, 3, 3, -1])]
case("Max", "ties", *_ties, exact=_first_extreme(np.argmax), finite=False, dtypes="df")
case("Min", "ties", *_ties, exact=_first_extreme(np.argmin), finite=False, dtypes="df")


def _power(inputs, cotangent):
    x, p = inputs
    p = np.broadcast_to(np.asarray(p, float), x.shape)
    slope = np.where(p == 0, 0, p * np.power(x, np.where(p == 0, 1, p - 1)))
    return [cotangent * slope]


_through_zero = np.array([[0.0, 1.5, -2], [-0.3, 0, 1]])
for p in (0, 1, 2, 3):
    case("Pow", f"constant {p}", _through_zero, number(p), exact=_power, dtypes="df")
    case("Pow", f"integer {p}", _through_zero, np.array([p]), exact=_power)
for p in (0.5, -1, -0.75, 2.5):
    case("Pow", f"constant {p}", positive(2, 3), number(p), exact=_power, dtypes="df")
_exponents = Const(np.array([[0.0, 0, 1], [2, 1, 0]]))
case("Pow", "constant tensor", _through_zero, _exponents, exact=_power)
case(
    "Pow",
    "zero base",
    np.array([0.0, 0, 0, 2]),
    np.array([0.0, 1, 2, 0]),
    exact=lambda inputs, dy: [dy * [0, 1, 0, 0], dy * [0, 0, 0, math.log(2)]],
    finite=False,
)
case(
    "Pow",
    "exponent of a constant",
    Const(np.array([[0.0, 0.5, 2]])),
    positive(4, 3),
    exact=lambda inputs, dy: [dy * inputs[0] ** inputs[1] * np.log([[1, 0.5, 2]])],
)

case("Neg", "plain", normal(2, 3))
case("Abs", "plain", away(3, 4))
case("Abs", "at zero", np.array([0.0, 1, -1]), exact=lambda i, dy: [dy * [0, 1, -1]], finite=False)
case("Reciprocal", "plain", away(3, 4))
case("Sqrt", "plain", positive(3, 4))
case("Exp", "plain", normal(3, 4))
case("Log", "plain", positive(3, 4))
case("Sin", "plain", normal(3, 4) * 3)
case("Cos", "plain", normal(3, 4) * 3)

_condition = np.array([[True, False, True], [False, False, True]])
case("Where", "plain", _condition, normal(2, 3), normal(2, 3))
case("Where", "broadcast", _condition[:, :1], normal(3), normal(4, 1, 1))
case("Where", "a chosen number", _condition, Const(normal()), normal(2, 3))
case("Where", "masked", _condition, normal(2, 3), number(-3))
