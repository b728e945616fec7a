"""Rules of operators that work element by element: arithmetic, trigonometry, choices, types.

At a kink the derivative is a subgradient: Abs(0) gives 0; where inputs of Max or Min are equal, the
first one takes all. A slope that is infinite, as that of a root at 0, counts as 0 where the value
cannot go beyond by the way it is made, as a sum of squares cannot (see `graph.ranges`), and where
a choice behind passes over it (see `choices`).
"""

from __future__ import annotations

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.ranges import may_be_infinite, range_of
from ..graph.tensor import Tensor
from .choices import unless_passed_over
from .table import RuleTable
from .vocabulary import let_through, unless_zero


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    # Arithmetic
    rules.define("Add", lambda op, dy, a, b: dy, lambda op, dy, a, b: dy)
    rules.define("Sub", lambda op, dy, a, b: dy, lambda op, dy, a, b: -dy)
    rules.define("Mul", _times, lambda op, dy, a, b: _times(op, dy, b, a))
    rules.define("Div", _numerator, _divisor)
    # Only the remainder of C's fmod is defined for floating-point numbers: a − b · trunc(a / b).
    rules.define("Mod", lambda op, dy, a, b: dy, _mod_divisor, ignores=("fmod",))
    rules.define("Pow", _pow_base, _pow_exponent)
    rules.define("Sum", each=lambda op, dy, *xs: dy)
    rules.define("Mean", each=lambda op, dy, *xs: dy if len(xs) == 1 else dy / len(xs))
    rules.define("Max", each=_extremum)
    rules.define("Min", each=_extremum)
    rules.define("Neg", lambda op, dy, x: -dy)
    rules.define("Abs", lambda op, dy, x: dy * op.Sign(x))
    rules.define("Reciprocal", lambda op, dy, x, *, y: _divided(y, x, -(dy * y * y)))
    rules.define("Sqrt", lambda op, dy, x, *, y: _root(y, x, dy / (y * 2)))
    rules.define("Exp", lambda op, dy, x, *, y: _grown(y, x, dy * y))
    rules.define("Log", lambda op, dy, x, *, y: _divided(y, x, dy / x))

    # Trigonometry; differences of squares as products, which keep their digits near the poles
    rules.define("Sin", lambda op, dy, x: dy * op.Cos(x))
    rules.define("Cos", lambda op, dy, x: -(dy * op.Sin(x)))
    rules.define("Tan", lambda op, dy, x, *, y: dy * (y * y + 1))
    rules.define("Asin", lambda op, dy, x, *, y: _arc(dy, x, y))
    rules.define("Acos", lambda op, dy, x, *, y: -_arc(dy, x, y))
    rules.define("Atan", lambda op, dy, x: dy / (x * x + 1))
    rules.define("Sinh", lambda op, dy, x, *, y: _grown(y, x, dy * op.Cosh(x)))
    rules.define("Cosh", lambda op, dy, x, *, y: _grown(y, x, dy * op.Sinh(x)))
    rules.define("Asinh", lambda op, dy, x: dy / (x * x + 1).sqrt())
    rules.define("Acosh", _acosh)
    rules.define("Atanh", _atanh)

    # Choices
    rules.define("Where", None, _where_chosen, _where_other)

    # The same value in another guise
    rules.define("Identity", lambda op, dy, x: dy)
    rules.define("Cast", _cast, ignores=("to", "saturate", "round_mode"))
    rules.define("CastLike", _cast, ignores=("saturate", "round_mode"))
    rules.define("Dropout", _dropout, ignores=("seed",))


def _times(op: Operators, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    dx = dy * b
    known = b.array
    if known is not None and known.dtype.kind == "f" and not known.all() and may_be_infinite(dy):
        # What is multiplied by zero stays zero, at the foot of a root as anywhere.
        dx = op.Where(op.constant(known == 0), op.constant(0, dx.dtype), dx)
    return dx


def _divided(y: Tensor, b: Tensor, dx: Tensor) -> Tensor:
    """What becomes of a cotangent that is divided by a value, which may be zero."""
    low, high = range_of(b)
    return dx if low > 0 or high < 0 else unless_passed_over(y, dx)


def _numerator(op: Operators, dy: Tensor, a: Tensor, b: Tensor, *, y: Tensor) -> Tensor:
    return _divided(y, b, dy / b)


def _divisor(op: Operators, dy: Tensor, a: Tensor, b: Tensor, *, y: Tensor) -> Tensor:
    return _divided(y, b, -(dy * y) / b)


def _grown(y: Tensor, x: Tensor, dx: Tensor) -> Tensor:
    """What becomes of a cotangent that is multiplied by a power of e, which may be infinite."""
    low, high = range_of(x)
    largest = {2: 10, 4: 88, 8: 709}[y.dtype.itemsize]
    return dx if max(high, -low) < largest else unless_passed_over(y, dx)


def _root(y: Tensor, x: Tensor, dx: Tensor) -> Tensor:
    """What becomes of a cotangent before a root of x, whose slope is infinite at 0."""
    low, _ = range_of(x)
    if low > 0:
        return dx
    return unless_zero(x, dx) if low == 0 else unless_passed_over(y, dx)


def _arc(dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The rule of Asin, whose slope is infinite at −1 and 1."""
    width, (low, high) = ((1 - x) * (1 + x)).sqrt(), range_of(x)
    dx = dy / width
    if low > -1 and high < 1:
        return dx
    return unless_zero(width, dx) if low >= -1 and high <= 1 else unless_passed_over(y, dx)


def _acosh(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor) -> Tensor:
    width, (low, _) = ((x - 1) * (x + 1)).sqrt(), range_of(x)
    dx = dy / width
    if low > 1:
        return dx
    return unless_zero(width, dx) if low == 1 else unless_passed_over(y, dx)


def _atanh(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor) -> Tensor:
    return unless_passed_over(y, dy / ((1 - x) * (1 + x)))


def _cast(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    # Nothing computes in eight bits, and a cotangent in them would be lost: it stays as it is.
    return dy if x.dtype.itemsize == 1 else dy.astype(x.dtype)


def _mod_divisor(op: Operators, dy: Tensor, a: Tensor, b: Tensor, *, y: Tensor) -> Tensor:
    # What is left without the remainder is a whole multiple but for rounding.
    return -(dy * op.Round((a - y) / b))


def _pow_base(
    op: Operators, dy: Tensor, base: Tensor, exponent: Tensor, *, y: Tensor
) -> Tensor | None:
    power = exponent.array
    if power is not None and power.size == 1:
        # x^(p-1) by an operator would be NaN at x = 0 for p = 1 and slow for small whole p.
        p = float(power.reshape(()))
        if p == 0:
            return None
        if p == 1:
            return dy
        if p == 2:
            return dy * base * 2
        if p == 3:
            return dy * (base * base * 3)
        if p == 0.5:
            return _root(y, base, dy * 0.5 / y)
        dx = dy * op.Pow(base, op.constant(p - 1, base.dtype)) * p
        if not p.is_integer():
            dx = _where_there_is_a_value(op, dx, y)
        if p > 1:
            return dx
        return _root(y, base, dx) if p > 0 else _divided(y, base, dx)
    exact = exponent.astype(base.dtype)
    zero, one = op.constant(0, base.dtype), op.constant(1, base.dtype)
    # Where p is 0, x^(p-1) may be infinite and must not meet it.
    lowered = op.Where(op.Equal(exact, zero), one, exact - 1)
    dx = dy * exact * op.Pow(base, lowered)
    if power is None or bool((power < 1).any()):
        dx = unless_passed_over(y, dx)
    if power is None or bool((power == np.round(power)).all()):
        return dx
    return _where_there_is_a_value(op, dx, y)


def _where_there_is_a_value(op: Operators, dx: Tensor, y: Tensor) -> Tensor:
    """Zero where y is no number: a mask behind it may have hidden that, and 0 · NaN is no 0."""
    # What is no number is not equal to itself; IsNaN has no kernel on CUDA.
    return op.Where(op.Equal(y, y), dx, op.constant(0, dx.dtype))


def _pow_exponent(
    op: Operators, dy: Tensor, base: Tensor, exponent: Tensor, *, y: Tensor
) -> Tensor:
    # 0^p is 0 for every p > 0: its logarithm would turn that zero into NaN.
    safe = op.Where(base.greater(0), base, op.constant(1, base.dtype))
    dx = dy * y * op.Log(safe)
    # Of what is negative or zero the power itself may be no number, or infinite.
    low, _ = range_of(base)
    return (dx if low > 0 else unless_passed_over(y, dx)).astype(exponent.dtype)


def _extremum(op: Operators, dy: Tensor, *xs: Tensor, y: Tensor, index: int) -> Tensor:
    winner = op.Equal(xs[index], y)
    for earlier in xs[:index]:
        winner = op.And(winner, op.Not(op.Equal(earlier, y)))
    return let_through(op, dy, winner.astype(dy.dtype))


def _where_chosen(op: Operators, dy: Tensor, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return op.Where(condition, dy, op.constant(0, dy.dtype))


def _where_other(op: Operators, dy: Tensor, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return op.Where(condition, op.constant(0, dy.dtype), dy)


def _dropout(
    op: Operators, dy: Tensor, x: Tensor, ratio: Tensor | None, training: Tensor | None
) -> Tensor:
    mode = None if training is None else training.array
    remedy = "export the model for inference, or make the third input of Dropout a constant false"
    if training is not None and mode is None:
        raise OperatorError(
            f"whether Dropout is in training mode is known at run time only; {remedy}"
        )
    share = None if ratio is None else ratio.array
    if mode is not None and mode.any() and (share is None or share.any()):
        raise OperatorError(
            "Dropout in training mode drops other elements in every run, so that there is no one "
            f"gradient; {remedy}"
        )
    return dy
