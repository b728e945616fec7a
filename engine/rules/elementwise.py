"""Rules of operators that work element by element, and of the reductions.

At a kink the derivative is a subgradient: Relu(0), Abs(0) and both ends of Clip give 0; where
inputs of Max or Min are equal, the first one takes all.
"""

from __future__ import annotations

import math

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .table import RuleTable
from .vocabulary import (
    between_mask,
    constant_of,
    count_of,
    expand_as,
    normalized_axes,
    positive_mask,
)


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    # Arithmetic
    rules.define("Add", lambda op, dy, a, b: dy, lambda op, dy, a, b: dy)
    rules.define("Sub", lambda op, dy, a, b: dy, lambda op, dy, a, b: -dy)
    rules.define("Mul", lambda op, dy, a, b: dy * b, lambda op, dy, a, b: dy * a)
    rules.define("Div", lambda op, dy, a, b: dy / b, lambda op, dy, a, b, *, y: -(dy * y) / b)
    rules.define("Pow", _pow_base, _pow_exponent)
    rules.define("Sum", each=lambda op, dy, *xs: dy)
    rules.define("Max", each=_extremum)
    rules.define("Min", each=_extremum)
    rules.define("Neg", lambda op, dy, x: -dy)
    rules.define("Abs", lambda op, dy, x: dy * op.Sign(x))
    rules.define("Reciprocal", lambda op, dy, x, *, y: -(dy * y * y))
    rules.define("Sqrt", lambda op, dy, x, *, y: dy / (y * 2))
    rules.define("Exp", lambda op, dy, x, *, y: dy * y)
    rules.define("Log", lambda op, dy, x: dy / x)
    rules.define("Sin", lambda op, dy, x: dy * op.Cos(x))
    rules.define("Cos", lambda op, dy, x: -(dy * op.Sin(x)))
    rules.define("Where", None, _where_chosen, _where_other)

    # Activations
    rules.define("Relu", lambda op, dy, x, *, y: dy * positive_mask(op, y))
    rules.define("Clip", _clip, _clip_low, _clip_high)
    rules.define("LeakyRelu", _leaky_relu)
    rules.define("Sigmoid", lambda op, dy, x, *, y: dy * y * (1 - y))
    rules.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y * y))
    # beta moves the kinks, which y shows; it does not scale the slope.
    rules.define("HardSigmoid", _hard_sigmoid, ignores=("beta",))
    rules.define("Softplus", lambda op, dy, x: dy * op.Sigmoid(x))
    rules.define("Erf", lambda op, dy, x: dy * op.Exp(-(x * x)) * (2 / math.sqrt(math.pi)))
    rules.define("Softmax", _softmax)
    rules.define("LogSoftmax", _log_softmax)

    # The same value in another guise
    rules.define("Identity", lambda op, dy, x: dy)
    rules.define("Cast", lambda op, dy, x: dy.astype(x.dtype), ignores=("to", "saturate"))
    rules.define("Dropout", _dropout, ignores=("seed",))

    # Reductions
    rules.define("ReduceSum", _reduce_sum, ignores=("keepdims",))
    rules.define("ReduceMean", _reduce_mean, ignores=("keepdims",))

    rules.declare_constant("piecewise constant", "Sign", "Floor", "Ceil", "Round")
    rules.declare_constant(
        "gives truth values",
        "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or", "Xor",
        "IsNaN", "IsInf",
    )  # fmt: skip
    rules.declare_constant(
        "gives indices or shapes", "ArgMax", "ArgMin", "Shape", "Size", "NonZero"
    )
    rules.declare_constant(
        "depends on no differentiable value", "Constant", "ConstantOfShape", "Range"
    )


def _pow_base(op: Operators, dy: Tensor, base: Tensor, exponent: Tensor) -> Tensor | None:
    power = exponent.array
    if power is not None and power.size == 1:
        # x^(p-1) by an operator would be NaN at x = 0 for p = 1 and slow for p = 2.
        p = float(power.reshape(()))
        if p == 0:
            return None
        if p == 1:
            return dy
        if p == 2:
            return dy * base * 2
        return dy * op.Pow(base, op.constant(p - 1, base.dtype)) * p
    exact = exponent.astype(base.dtype)
    zero, one = op.constant(0, base.dtype), op.constant(1, base.dtype)
    # Where p is 0, x^(p-1) may be infinite and must not meet it.
    lowered = op.Where(op.Equal(exact, zero), one, exact - 1)
    return dy * exact * op.Pow(base, lowered)


def _pow_exponent(
    op: Operators, dy: Tensor, base: Tensor, exponent: Tensor, *, y: Tensor
) -> Tensor:
    # 0^p is 0 for every p > 0: its logarithm would turn that zero into NaN.
    safe = op.Where(base.greater(0), base, op.constant(1, base.dtype))
    return (dy * y * op.Log(safe)).astype(exponent.dtype)


def _extremum(op: Operators, dy: Tensor, *xs: Tensor, y: Tensor, index: int) -> Tensor:
    winner = op.Equal(xs[index], y)
    for earlier in xs[:index]:
        winner = op.And(winner, op.Not(op.Equal(earlier, y)))
    return dy * winner.astype(dy.dtype)


def _where_chosen(op: Operators, dy: Tensor, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return op.Where(condition, dy, op.constant(0, dy.dtype))


def _where_other(op: Operators, dy: Tensor, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return op.Where(condition, op.constant(0, dy.dtype), dy)


def _clip(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None, *, y: Tensor
) -> Tensor:
    arrays = [None if bound is None else bound.array for bound in (low, high)]
    if any(a is None and t is not None for a, t in zip(arrays, (low, high), strict=True)):
        for bound, outside in ((low, op.LessOrEqual), (high, op.GreaterOrEqual)):
            if bound is not None:
                dy = op.Where(outside(y, bound), op.constant(0, dy.dtype), dy)
        return dy
    mask = between_mask(op, y, *(None if a is None else float(a.reshape(())) for a in arrays))
    return dy if mask is None else dy * mask


# A bound takes what x does not; where they are equal, the upper one, which is applied last.


def _clip_low(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor, high: Tensor | None, *, y: Tensor
) -> Tensor:
    chosen = op.Equal(y, low)
    if high is not None:
        chosen = op.And(chosen, op.Less(y, high))
    return dy * chosen.astype(dy.dtype)


def _clip_high(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor, *, y: Tensor
) -> Tensor:
    return dy * op.Equal(y, high).astype(dy.dtype)


def _leaky_relu(op: Operators, dy: Tensor, x: Tensor, *, alpha: float) -> Tensor:
    return dy * (positive_mask(op, x) * (1 - alpha) + alpha)


def _hard_sigmoid(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, alpha: float) -> Tensor:
    mask = between_mask(op, y, 0.0, 1.0)
    return dy * alpha if mask is None else dy * mask * alpha


def _softmax(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, axis: int) -> Tensor:
    weighted = dy * y
    return weighted - y * weighted.sum(axis, keepdims=True)


def _log_softmax(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, axis: int) -> Tensor:
    return dy - op.Exp(y) * dy.sum(axis, keepdims=True)


def _dropout(
    op: Operators, dy: Tensor, x: Tensor, ratio: Tensor | None, training: Tensor | None
) -> Tensor:
    if training is not None and constant_of(training, "the training mode of Dropout").any():
        raise OperatorError(
            "Dropout in training mode is not supported; export the model for inference"
        )
    return dy


def _reduced_axes(x: Tensor, axes: Tensor | None, noop: int) -> list[int]:
    listed = [] if axes is None else [int(axis) for axis in constant_of(axes, "axes").ravel()]
    if not listed:
        return [] if noop else list(range(x.rank))
    return normalized_axes(listed, x.rank)


def _spread(op: Operators, dy: Tensor, x: Tensor, reduced: list[int]) -> Tensor:
    """Repeat `dy` along the reduced axes of x, kept in it or not."""
    if dy.rank != x.rank:
        dy = dy.reshape(*(1 if axis in reduced else size for axis, size in enumerate(x.sizes)))
    return expand_as(dy, x) if reduced else dy


def _reduce_sum(
    op: Operators, dy: Tensor, x: Tensor, axes: Tensor | None, *, noop_with_empty_axes: int
) -> Tensor:
    return _spread(op, dy, x, _reduced_axes(x, axes, noop_with_empty_axes))


def _reduce_mean(
    op: Operators, dy: Tensor, x: Tensor, axes: Tensor | None, *, noop_with_empty_axes: int
) -> Tensor:
    reduced = _reduced_axes(x, axes, noop_with_empty_axes)
    count = count_of([x.sizes[axis] for axis in reduced], x.dtype)
    return _spread(op, dy / count, x, reduced)
