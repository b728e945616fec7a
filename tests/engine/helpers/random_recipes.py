"""Recipes for what works element by element, for reductions and for matrix products."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume
from onnx import TensorProto
from random_draft import Draft, recipe

# Arithmetic -------------------------------------------------------------------------------------


@recipe("Add", "Sub", "Mul")
def _arithmetic(g: Draft, op: str):
    x = g.value()
    pair = [x, g.beside(x)]
    return g.add(op, pair[::-1] if g.flag() else pair)


@recipe("Div")
def _quotient(g: Draft, op: str):
    x = g.value()
    other = g.beside(x)
    a, b = (other, x) if g.flag() else (x, other)
    return g.add(op, [a, g.nonzero(b)])


@recipe("Pow")
def _power(g: Draft, op: str):
    x = g.value()
    if g.flag():
        exponent = g.choice([0, 1, 2, 3, -1, 0.5, -0.5, 1.7])
        if exponent not in (0, 1, 2, 3):
            x = g.positive(x)
        return g.add(op, [x, g.constant(exponent)])
    x = g.within(g.positive(x), 4)
    if g.flag():
        return g.add(op, [x, g.ints(g.numbers(1, 0, 3))])
    assume(g.values[x].min() > 0)
    return g.add(op, [g.positive(x), g.within(g.beside(x), 2)])


@recipe("Sum", "Max", "Min", "Mean")
def _several(g: Draft, op: str):
    x = g.value()
    parts = [x, *(g.beside(x) for _ in range(g.number(0, 2)))]
    if not _fit(g, *parts):
        parts = parts[:2]
    return g.add(op, [parts[i] for i in g.order(len(parts))])


def _fit(g: Draft, *parts: str) -> bool:
    """Whether values can be broadcast to one shape, and not too large a one."""
    try:
        shape = np.broadcast_shapes(*(g.values[part].shape for part in parts))
    except ValueError:
        return False
    return math.prod(shape) <= 400


@recipe("Mod")
def _remainder(g: Draft, op: str):
    x = g.value()
    return g.add(op, [x, g.nonzero(g.beside(x))], fmod=1)


@recipe("Where")
def _where(g: Draft, op: str):
    x = g.value()
    if g.flag():
        condition = g.add(g.choice(["Greater", "Less"]), [x, g.beside(x)])[0]
    else:
        shape = g.values[x].shape
        condition = g.ints(g.uniform(0, 1, *shape[g.number(0, len(shape)) :]) > 0.5, bool)
    other = g.beside(x)
    return g.add(op, [condition, x, other if _fit(g, condition, x, other) else x])


# Functions of one number ------------------------------------------------------------------------


@recipe(
    "Abs", "Neg", "Relu", "Sigmoid", "Tanh", "Erf", "Sin", "Cos", "Atan", "Asinh", "Softplus",
    "Softsign", "HardSwish", "Mish", "Identity",
)  # fmt: skip
def _function(g: Draft, op: str):
    return g.add(op, [g.value()])


@recipe("Exp", "Sinh", "Cosh")
def _fast(g: Draft, op: str):
    return g.add(op, [g.within(g.value(), 4)])


@recipe("Tan")
def _tangent(g: Draft, op: str):
    return g.add(op, [g.within(g.value(), 1.2)])


@recipe("Asin", "Acos", "Atanh")
def _of_the_unit_interval(g: Draft, op: str):
    return g.add(op, [g.within(g.value(), 0.9)])


@recipe("Log", "Sqrt")
def _of_positive_numbers(g: Draft, op: str):
    return g.add(op, [g.positive(g.value())])


@recipe("Reciprocal")
def _reciprocal(g: Draft, op: str):
    return g.add(op, [g.nonzero(g.value())])


@recipe("Acosh")
def _of_more_than_one(g: Draft, op: str):
    return g.add(op, [g.add("Add", [g.positive(g.value()), g.constant(1)])[0]])


@recipe("LeakyRelu", "Elu", "Celu", "ThresholdedRelu")
def _with_alpha(g: Draft, op: str):
    alpha = g.choice([0.2, 1.0, 1.5, -0.5 if op != "Celu" else 0.7])
    return g.add(op, [g.value()], **g.some(alpha=alpha))


@recipe("Selu")
def _selu(g: Draft, op: str):
    return g.add(op, [g.value()], **g.some(alpha=0.7, gamma=g.choice([-1.3, 0.6])))


@recipe("Shrink")
def _shrink(g: Draft, op: str):
    return g.add(op, [g.value()], **g.some(lambd=g.choice([0.1, 1.0]), bias=g.choice([0.3, -0.5])))


@recipe("HardSigmoid")
def _hard_sigmoid(g: Draft, op: str):
    return g.add(op, [g.value()], **g.some(alpha=g.choice([-0.4, 0.9]), beta=g.choice([0.0, 0.3])))


@recipe("Gelu")
def _gelu(g: Draft, op: str):
    return g.add(op, [g.value()], **g.some(approximate=g.choice(["none", "tanh"])))


@recipe("PRelu")
def _prelu(g: Draft, op: str):
    x = g.value()
    shape = g.values[x].shape[g.number(0, g.values[x].ndim) :]
    return g.add(op, [x, g.shaped([1 if g.flag() else size for size in shape])])


@recipe("Clip")
def _clip(g: Draft, op: str):
    x = g.value()
    bounds = []
    for bound in (-0.6, 0.8):
        kind = g.number(0, 3)
        bound = np.float32(bound + 0.01 * g.number(0, 9))
        bounds.append(
            None
            if kind == 0
            else g.constant(bound)
            if kind < 3
            else g.fresh((), np.asarray(bound, np.float32))
        )
    return g.add(op, [x, *bounds])


@recipe("Cast", "CastLike")
def _cast(g: Draft, op: str):
    double = TensorProto.DOUBLE
    wide = g.add("Cast", [g.value()], to=double, keep=())[0]
    if op == "CastLike":
        return g.add(op, [wide, g.constant(0)])
    return g.add(op, [wide], to=TensorProto.FLOAT)


@recipe("Dropout")
def _dropout(g: Draft, op: str):
    ratio = g.constant(0.4) if g.flag() else None
    training = g.constant(False, bool) if g.flag() else None
    return g.add(op, [g.value(), ratio, training], g.number(1, 2))


# Softmax and reductions -------------------------------------------------------------------------


@recipe("Softmax", "LogSoftmax")
def _softmax(g: Draft, op: str):
    x = g.value(low=1)
    return g.add(op, [x], **g.some(axis=g.axis(x)))


@recipe(
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
    "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp",
)  # fmt: skip
def _reduction(g: Draft, op: str):
    x = g.value(low=1)
    if op == "ReduceLogSum":
        x = g.positive(x)
    rank = g.values[x].ndim
    kind = g.number(0, 3)
    axes = None if kind == 0 else g.subset(rank)
    options = g.some(keepdims=g.number(0, 1))
    if op == "ReduceL2" and np.abs(g.values[x]).min() < 1e-6:
        x = g.positive(x)
    if g.opset >= (13 if op == "ReduceSum" else 18):
        options |= g.some(noop_with_empty_axes=g.number(0, 1))
        skipped = axes is None and options.get("noop_with_empty_axes")
        # ONNX Runtime takes no element by itself for these, whatever the standard says.
        assume(not skipped or op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"))
        return g.add(op, [x, None if axes is None else g.ints(axes)], **options)
    return g.add(op, [x], **options, **({} if axes is None else {"axes": axes}))


@recipe("CumSum")
def _running_sum(g: Draft, op: str):
    x = g.value(low=1)
    options = g.some(exclusive=g.number(0, 1), reverse=g.number(0, 1))
    return g.add(op, [x, g.ints(g.axis(x))], **options)


@recipe("LpNormalization")
def _unit_length(g: Draft, op: str):
    x = g.nonzero(g.value(low=1))
    return g.add(op, [x], **g.some(axis=g.axis(x), p=g.number(1, 2)))


@recipe("TopK")
def _largest(g: Draft, op: str):
    x = g.value(low=1)
    axis = g.axis(x)
    count = g.number(1, g.values[x].shape[axis])
    options = g.some(largest=g.number(0, 1))
    return g.add(op, [x, g.ints([count])], 2, axis=axis, **options)


# Matrix products --------------------------------------------------------------------------------


@recipe("MatMul")
def _product(g: Draft, op: str):
    x = g.value(low=1)
    shape = g.values[x].shape
    kind = g.number(0, 3)
    if kind == 0:
        return g.add(op, [x, g.shaped([shape[-1], g.number(1, 4)])])
    if kind == 1:
        return g.add(op, [x, g.shaped([shape[-1]])])
    if kind == 2 and len(shape) >= 2:
        return g.add(op, [g.shaped([shape[-2]]), x])
    batch = [1 if g.flag() else size for size in shape[:-2]]
    if g.flag() and len(batch) < 2:
        batch = [g.number(1, 2), *batch]
    return g.add(op, [x, g.shaped([*batch, shape[-1], g.number(1, 4)])])


@recipe("Gemm")
def _gemm(g: Draft, op: str):
    a = g.value(2, 2)
    rows, inner = g.values[a].shape
    turned_a, turned_b = g.number(0, 1), g.number(0, 1)
    if turned_a:
        rows, inner = inner, rows
    columns = g.number(1, 4)
    b = g.shaped([columns, inner] if turned_b else [inner, columns])
    bias = None
    if g.flag():
        shapes = [[], [1], [columns], [1, columns], [rows, 1], [rows, columns]]
        bias = g.shaped(g.choice(shapes))
    options = g.some(alpha=0.7, beta=-1.25)
    return g.add(op, [a, b, bias], transA=turned_a, transB=turned_b, **options)


_EQUATIONS = (
    "ij,jk->ik", "bij,bjk->bik", "ij->ji", "ij->i", "ij->", "i,j->ij", "i,i->", "ii->i", "ii->",
    "iij->j", "abc,b->a", "ij,jk", "ba", "...ij,...jk->...ik", "...i->...", "i...->...",
    "bihd,bjhd->bhij", "bhij,bjhd->bihd", "ij,jk,kl->il", "ij,j,j->i", "abc,cd->bd", "ij,k->k",
)  # fmt: skip


@recipe("Einsum")
def _einsum(g: Draft, op: str):
    equation = g.choice(_EQUATIONS)
    sizes = {letter: g.number(1, 3) for letter in sorted(set(equation)) if letter.isalpha()}
    batch = g.numbers(g.number(0, 1), 1, 3)
    shapes = []
    for term in equation.split("->")[0].split(","):
        shape: list[int] = []
        for part in term.replace("...", "*"):
            shape += batch if part == "*" else [sizes[part]]
        shapes.append(shape)
    # A sum over what the ellipsis stands for is not defined.
    return g.add(op, [g.shaped(shape) for shape in shapes], equation=equation)


@recipe("Det")
def _determinant(g: Draft, op: str):
    size = g.number(1, 3)
    return g.add(op, [g.shaped([*g.sizes(0, 1), size, size])])


@recipe("CumProd")
def _running_product(g: Draft, op: str):
    x = g.value(low=1)
    options = g.some(exclusive=g.number(0, 1), reverse=g.number(0, 1))
    return g.add(op, [x, g.ints(g.axis(x))], **options)


# Without derivative -----------------------------------------------------------------------------


@recipe("Sign", "Floor", "Ceil", "Round")
def _steps(g: Draft, op: str):
    return g.add(op, [g.value()])


@recipe("Greater", "Less", "GreaterOrEqual", "LessOrEqual")
def _comparison(g: Draft, op: str):
    x = g.value()
    truth = g.add(op, [x, g.beside(x)])[0]
    return g.add("Mul", [g.add("Cast", [truth], to=TensorProto.FLOAT, keep=())[0], x])


@recipe("ArgMax", "ArgMin")
def _place(g: Draft, op: str):
    x = g.value(low=1)
    axis = g.axis(x)
    where = g.add(op, [x], axis=axis, keepdims=1)[0]
    return g.add("GatherElements", [x, where], axis=axis)


@recipe("Shape", "Size")
def _measure(g: Draft, op: str):
    x = g.value(low=1)
    count = g.add("Cast", [g.add(op, [x])[0]], to=TensorProto.FLOAT, keep=())[0]
    if op == "Shape":
        count = g.add("ReduceProd", [count], keepdims=0, keep=())[0]
    return g.add("Div", [x, count])


@recipe("Hardmax")
def _hardmax(g: Draft, op: str):
    x = g.value(low=1)
    return g.add("Mul", [g.add(op, [x], axis=g.axis(x))[0], x])
