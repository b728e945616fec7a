"""Inputs that are given a value: what depends on them alone is known while the graph is written."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnxscope.errors import InputError, LayerError, OperatorError

RATE = """<ir_version: 8, opset_import: ["": 16]>
    g (float[N,3] x, int64 rate, float[N] mask) => (float[N,3] y) <int64 k = {16000}> {
      c = Equal(rate, k)
      y = If(c) <
        then_branch = a () => (float[N,3] p) { p = Tanh(x) },
        else_branch = b () => (float[N,3] q) { q = Sin(x) }>
    }"""

ROUNDS = """<ir_version: 8, opset_import: ["": 16]>
    g (float[2] x, int64 times) => (float[2] y) <bool yes = {1}> {
      y = Loop(times, yes, x) <body = b (int64 i, bool c, float[2] s) => (bool d, float[2] t) {
        d = Identity(c)
        t = Sin(s)
      }>
    }"""

LENGTH = """<ir_version: 8, opset_import: ["": 17]>
    g (float[1,6,1] x, int64 length) => (float[A,B,C] y) { y = DFT <axis = 1> (x, length) }"""

X = np.array([[0.3, -0.2, 0.7]], np.float32)


@pytest.mark.parametrize(("rate", "slope"), [(16000, 1 - np.tanh(X) ** 2), (8000, np.cos(X))])
def test_the_branch_that_a_given_value_takes(rate, slope):
    proto = onnx.parser.parse_model(RATE)
    graph = osc.differentiate(proto, of="y", wrt=["x"], inputs={"rate": rate}, compare=True)
    assert [value.name for value in graph.graph.input] == ["x", "mask", "grad_y"]
    found = run(graph, {"x": X, "mask": np.ones(1, np.float32), "grad_y": np.ones_like(X)})
    np.testing.assert_allclose(found["grad_x"], slope, rtol=1e-5)
    with pytest.raises(OperatorError, match="only known at run time"):
        osc.differentiate(proto, of="y", wrt=["x"])


@pytest.mark.parametrize("times", [0, 1, 3])
def test_the_rounds_that_a_given_value_says(times):
    proto = onnx.parser.parse_model(ROUNDS)
    graph = osc.differentiate(proto, of="y", wrt=["x"], inputs={"times": times})
    x, slope, y = X[0, :2], np.ones(2), X[0, :2]
    for _ in range(times):
        slope, y = slope * np.cos(y), np.sin(y)
    found = run(graph, {"x": x, "grad_y": np.ones(2, np.float32)})
    np.testing.assert_allclose(found["y"], y, rtol=1e-6)
    np.testing.assert_allclose(found["grad_x"], slope, rtol=1e-5)


@pytest.mark.parametrize("length", [4, 6, 8])
def test_the_length_that_a_given_value_says(length):
    proto = onnx.parser.parse_model(LENGTH)
    graph = osc.differentiate(proto, of="y", wrt=["x"], inputs={"length": np.int64(length)})
    x = np.random.default_rng(0).normal(size=(1, 6, 1)).astype(np.float32)
    found = run(graph, {"x": x, "grad_y": np.ones((1, length, 2), np.float32)})
    wanted = np.fft.fft(x[..., 0], length, axis=1)
    np.testing.assert_allclose(found["y"][..., 0], wanted.real, atol=1e-4)


def test_a_given_value_says_what_its_named_sizes_are_elsewhere():
    proto = onnx.parser.parse_model(RATE)
    given = {"rate": 16000, "mask": np.ones(4, np.float32)}
    graph = osc.differentiate(proto, of="y", wrt=["x"], inputs=given)
    assert [d.dim_value for d in graph.graph.input[0].type.tensor_type.shape.dim] == [4, 3]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"rates": 1}, LayerError, "no input 'rates'; did you mean 'rate'"),
        ({"rate": 0.5}, InputError, "takes numbers of the type int64, not 0.5"),
        ({"rate": [1, 2]}, InputError, "rate"),
        ({"x": X, "rate": 1}, LayerError, "'x' is given a value"),
    ],
)
def test_values_that_do_not_fit(given, error, message):
    proto = onnx.parser.parse_model(RATE)
    with pytest.raises(error, match=message):
        osc.differentiate(proto, of="y", wrt=["x"], inputs=given)
