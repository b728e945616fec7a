"""Ranges of values hold at whatever inputs, and are no wider than what is written here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from graphs import run
from onnxscope.graph.alike import is_same
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.ranges import may_be_infinite, range_of

INF = math.inf

CASES = {
    "input": (lambda op, x: x, (-INF, INF)),
    "constant": (lambda op, x: op.constant([1.0, -2.0], np.float32), (-2, 1)),
    "Abs": (lambda op, x: op.Abs(x), (0, INF)),
    "Abs beyond": (lambda op, x: op.Abs(op.Sigmoid(x) - 3), (2, 3)),
    "square": (lambda op, x: x * x, (0, INF)),
    "square of parts": (lambda op, x: op.Tanh(x) * op.Tanh(x), (0, 1)),
    "product": (lambda op, x: op.Tanh(x) * op.Sigmoid(x), (-1, 1)),
    "Pow 2": (lambda op, x: op.Pow(op.Tanh(x) - 2, op.constant(2, np.float32)), (1, 9)),
    "Pow 3": (lambda op, x: op.Pow(x, op.constant(3, np.float32)), (-INF, INF)),
    "Pow 0.5": (lambda op, x: op.Pow(op.Relu(x), op.constant(0.5, np.float32)), (0, INF)),
    "Sum": (lambda op, x: op.Sum(op.Relu(x), op.Sigmoid(x), op.Sigmoid(x)), (0, INF)),
    "Mean": (lambda op, x: op.Mean(op.Sigmoid(x), op.Tanh(x)), (-1, 1)),
    "Sub": (lambda op, x: 1 - op.Sigmoid(x), (0, 1)),
    "Sub of itself": (lambda op, x: op.Sin(x) - op.Sin(x), (0, 0)),
    "Sub of the least": (lambda op, x: op.Min(op.Tanh(x), x) - x, (-INF, 0)),
    "Sub of the largest": (lambda op, x: op.ReduceMax(op.Tanh(x)) - op.Tanh(x), (0, 2)),
    "Sub of the largest of rows": (
        lambda op, x: op.Tanh(x) - op.ReduceMax(op.Tanh(x), op.constant([0], np.int64), keepdims=0),
        (-2, 2),
    ),
    "Sub of the size": (lambda op, x: op.Abs(x) - x, (0, INF)),
    "Add of the size": (lambda op, x: op.Tanh(x) + op.Abs(op.Tanh(x)), (0, 2)),
    "Sub of another size": (lambda op, x: op.Abs(x) - op.Sin(x), (-1, INF)),
    "variance": (lambda op, x: (x * x).mean() - x.mean() * x.mean(), (0, INF)),
    "no variance": (lambda op, x: (x * x).mean() - op.Sin(x).mean() * op.Sin(x).mean(), (-1, INF)),
    "flags": (lambda op, x: op.Cast(x.greater(0), to=1), (0, 1)),
    "Neg": (lambda op, x: -op.Relu(x), (-INF, 0)),
    "Div": (lambda op, x: op.Tanh(x) / (op.Sigmoid(x) + 1), (-1, 1)),
    "Reciprocal": (lambda op, x: op.Reciprocal(1 + op.Exp(x)), (0, 1)),
    "Div by zero": (lambda op, x: op.Reciprocal(x), (-INF, INF)),
    "Max": (lambda op, x: op.Max(x, op.Sigmoid(x)), (0, INF)),
    "Min": (lambda op, x: op.Min(x, op.Tanh(x)), (-INF, 1)),
    "Clip": (
        lambda op, x: op.Clip(x, op.constant(-1, np.float32), op.constant(2, np.float32)),
        (-1, 2),
    ),
    "Clip crossed": (
        lambda op, x: op.Clip(x, op.constant(3, np.float32), op.constant(2, np.float32)),
        (2, 2),
    ),
    "Exp": (lambda op, x: op.Exp(-op.Relu(x)), (0, 1)),
    "Sqrt": (lambda op, x: (op.Sigmoid(x) + 3).sqrt(), (math.sqrt(3), 2)),
    "Sqrt of anything": (lambda op, x: op.Abs(x.sqrt() * -1), (0, INF)),
    "Log": (lambda op, x: op.Log(op.Sigmoid(x) + 1), (0, math.log(2))),
    "Where": (lambda op, x: op.Where(x.greater(0), op.Tanh(x), op.Relu(x)), (-1, INF)),
    "Concat": (lambda op, x: op.Concat(op.Tanh(x), op.Sigmoid(x), axis=0), (-1, 1)),
    "ReduceSum": (lambda op, x: op.Sigmoid(x).sum(), (0, INF)),
    "ReduceMean": (lambda op, x: (op.Sigmoid(x) + 1).mean(), (1, 2)),
    "ReduceProd": (lambda op, x: op.ReduceProd(op.Relu(x)), (0, INF)),
    "ReduceL2": (lambda op, x: op.ReduceL2(x), (0, INF)),
    "moved": (lambda op, x: op.Relu(x).transpose(1, 0).reshape(6)[1:3], (0, INF)),
    "Pad": (
        lambda op, x: op.Pad(op.Sigmoid(x) + 1, op.constant([1, 0, 0, 0], np.int64)),
        (0, 2),
    ),
    "Pad with two": (
        lambda op, x: op.Pad(
            op.Sigmoid(x), op.constant([1, 0, 0, 0], np.int64), op.constant(2, np.float32)
        ),
        (0, 2),
    ),
    "MatMul": (lambda op, x: op.Relu(x) @ np.ones((3, 1), np.float32), (0, INF)),
    "MatMul with itself": (lambda op, x: x.reshape(6) @ x.reshape(6), (0, INF)),
    "Gemm with a bias": (
        lambda op, x: op.Gemm(
            op.Relu(x), op.constant(np.ones((3, 2)), np.float32), op.constant([2, 3], np.float32)
        ),
        (2, INF),
    ),
    "Gemm with half a bias": (
        lambda op, x: op.Gemm(
            op.Relu(x),
            op.constant(np.ones((3, 2)), np.float32),
            op.constant([2, 3], np.float32),
            beta=0.5,
        ),
        (1, INF),
    ),
    "Gemm with a negative bias": (
        lambda op, x: op.Gemm(
            op.Relu(x), op.constant(np.ones((3, 2)), np.float32), op.constant([-2, 3], np.float32)
        ),
        (-INF, INF),
    ),
    "Conv with a bias": (
        lambda op, x: op.Conv(
            op.Relu(x).reshape(1, 2, 3),
            op.constant(np.ones((1, 2, 1)), np.float32),
            op.constant([2], np.float32),
        ),
        (2, INF),
    ),
    "tiny": (lambda op, x: op.Sigmoid(x) + op.constant(1e-45, np.float32), (0, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_range(name):
    make, expected = CASES[name]
    builder = Builder()
    value = make(builder.op, builder.input("x", (2, 3), np.float32))
    low, high = range_of(value)
    np.testing.assert_allclose((low, high), expected, rtol=1e-6)
    builder.output("y", value)
    rng = np.random.default_rng(0)
    for scale in (1, 30):
        x = (scale * rng.standard_normal((2, 3))).astype(np.float32)
        y = run(model_of(builder), {"x": x})["y"]
        numbers = y[np.isfinite(y)]
        slack = 1e-6 * (1 + np.abs(numbers))
        assert (numbers >= low - slack).all()
        assert (numbers <= high + slack).all()


def test_what_may_be_infinite():
    builder = Builder()
    op, x = builder.op, builder.input("x", (2, 3), np.float32)
    for value in (op.Exp(x), x / x, op.Log(x) + 1, 2 * op.Reciprocal(x), op.constant(np.inf)):
        assert may_be_infinite(value.astype(np.dtype(np.float32)))
    cube = op.Pow(x, op.constant(3, np.float32))
    assert may_be_infinite(op.Pow(x, op.constant(-3, np.float32)))
    for value in (x, x * x, cube, op.Exp(op.Tanh(x)), x / (x * x + 1), op.Sigmoid(op.Exp(x))):
        assert not may_be_infinite(value)


def test_values_to_which_many_ways_lead_are_looked_at_once():
    builder = Builder()
    value = builder.input("x", (2, 3), np.float32)
    exploding = builder.op.Exp(value)
    for _ in range(12):
        value = value + value * builder.op.Abs(value)
    assert not may_be_infinite(value)
    assert may_be_infinite(value + exploding)


def test_the_same_value_computed_twice():
    builder = Builder()
    op, x = builder.op, builder.input("x", (2, 3), np.float32)
    same = [
        (x, x),
        (op.Sin(x), op.Sin(x)),
        (op.Elu(x, alpha=0.5), op.Elu(x, alpha=0.5)),
        (x[0], x[0]),
    ]
    others = [
        (x, op.Sin(x)),
        (op.Sin(x), op.Cos(x)),
        (op.Elu(x, alpha=0.5), op.Elu(x, alpha=0.6)),
        (x[0], x[1]),
        (op.RandomNormalLike(x), op.RandomNormalLike(x)),
        tuple(builder.append("Split", [x], {"num_outputs": 2}, outputs=2)),
    ]
    assert all(is_same(a.value, b.value) for a, b in same)
    assert not any(is_same(a.value, b.value) for a, b in others)
