"""Gradients of parts of one value are joined, and equal to the sum of parts among zeros."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import operators, run
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of

RNG = np.random.default_rng(4)

# Ways to read parts of x (4 × 6 × 8), and the operators that their gradients are joined with.
PARTS = {
    "query, key and value": (
        [lambda op, x, i=i: op.Gather(x, op.constant(i, np.int64), axis=1) for i in range(6)],
        {"Concat"},
    ),
    "halves": ([lambda op, x: x[:, :3], lambda op, x: x[:, 3:]], {"Concat"}),
    "a cyclic shift along two axes": (
        [
            lambda op, x: x[:, 2:, 3:],
            lambda op, x: x[:, 2:, :3],
            lambda op, x: x[:, :2, 3:],
            lambda op, x: x[:, :2, :3],
        ],
        {"Concat"},
    ),
    "out of order": (
        [lambda op, x: x[:, 4:], lambda op, x: x[:, :1], lambda op, x: x[:, 1:4]],
        {"Concat"},
    ),
    "with a gap": ([lambda op, x: x[:1], lambda op, x: x[3:]], {"Concat", "ConstantOfShape"}),
    "not up to the ends": ([lambda op, x: x[1:2], lambda op, x: x[2:3]], {"Concat", "Pad"}),
    "every second": (
        [lambda op, x, i=i, j=j: x[:, i::2, j::2] for i in range(2) for j in range(2)],
        {"Concat"},
    ),
    "every third from the first on": (
        [lambda op, x, i=i: x[:, i::3] for i in range(3)],
        {"Concat"},
    ),
    "some turns only": (
        [lambda op, x, i=i: x[:, i::3] for i in range(2)],
        {"Concat", "ConstantOfShape", "Sum"},
    ),
    "the same part twice": (
        [lambda op, x: x[:, :2], lambda op, x: x[:, :2], lambda op, x: x[:, 2:]],
        {"Sum", "Concat"},
    ),
    "overlapping": ([lambda op, x: x[:, :4], lambda op, x: x[:, 2:]], {"Pad", "Sum"}),
    "overlapping thirds": (
        [lambda op, x: x[:, :4], lambda op, x: x[:, 4:], lambda op, x: x[:, 3:5]],
        {"Concat", "Pad", "Sum"},
    ),
    "parts and the whole": (
        [lambda op, x: x, lambda op, x: x[:, :3], lambda op, x: x[:, 3:]],
        {"Concat", "Sum"},
    ),
    "reversed halves": (
        [lambda op, x: x[:, 2::-1], lambda op, x: x[:, :2:-1]],
        {"Slice", "Concat"},
    ),
    "one part": ([lambda op, x: x[:, 1:3]], {"Pad"}),
}


def parts_model(parts):
    """The sum of the parts, each times whole numbers of its own."""
    builder = Builder()
    x = builder.input("x", (4, 6, 8), np.float64)
    total = None
    for part in parts:
        taken = part(builder.op, x)
        weight = RNG.integers(-9, 9, taken.shape).astype(float)
        summand = (taken * weight).sum()
        total = summand if total is None else total + summand
    builder.output("y", total)
    return model_of(builder)


@pytest.mark.parametrize("label", PARTS)
def test_parts_are_joined(label, monkeypatch):
    parts, expected = PARTS[label]
    proto = parts_model(parts)
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    onnx.checker.check_model(graph, full_check=True)
    backward = gradient_operators(graph)
    # The sum and the weights have gradients of their own.
    assert set(backward) - {"Mul", "Expand", "Reshape"} == expected
    with monkeypatch.context() as patch:
        patch.setattr("onnxscope.gradient.walk.add_up", plain_sum)
        plain = osc.differentiate(proto, of="y", wrt=["x"])
    feeds = {"x": RNG.normal(size=(4, 6, 8))}
    np.testing.assert_array_equal(run(graph, feeds)["grad_x"], run(plain, feeds)["grad_x"])


def plain_sum(builder, parts):
    return parts[0] if len(parts) == 1 else builder.op.Sum(*parts)


def gradient_operators(graph):
    """What the gradient is computed with, without the forward pass."""
    by_output = {output: node for node in graph.graph.node for output in node.output}
    forward, pending = set(), ["y"]
    while pending:
        node = by_output.get(pending.pop())
        if node is not None and node.output[0] not in forward:
            forward.add(node.output[0])
            pending += node.input
    return [node.op_type for node in graph.graph.node if node.output[0] not in forward]


def test_open_sizes_beside_the_joined_axis():
    text = """<ir_version: 9, opset_import: ["" : 18]>
    g (double[n,6,m] x) => (double y) {
        zero = Constant <value_ints: ints = [0]> ()
        four = Constant <value_ints: ints = [4]> ()
        six = Constant <value_ints: ints = [6]> ()
        one = Constant <value_ints: ints = [1]> ()
        a = Slice (x, zero, four, one)
        b = Slice (x, four, six, one)
        aa = Mul (a, a)
        s = ReduceSum <keepdims: int = 0> (aa)
        t = ReduceSum <keepdims: int = 0> (b)
        y = Add (s, t)
    }"""
    graph = osc.differentiate(onnx.parser.parse_model(text), of="y", wrt=["x"])
    assert not {"Pad", "ScatterElements"} & set(operators(graph))
    x = RNG.normal(size=(2, 6, 3))
    expected = np.concatenate([2 * x[:, :4], np.ones((2, 2, 3))], 1)
    np.testing.assert_allclose(run(graph, {"x": x})["grad_x"], expected, rtol=1e-14)
