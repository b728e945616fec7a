"""Inputs that are given a value: what depends on them alone is known while the graph is written."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper
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


# Inputs with a value in the file ------------------------------------------------------------------

SCALED = """<ir_version: {version}, opset_import: ["": 17]>
    g (float[N,3] x, float[3] k = {{1.0, 2.0, 3.0}}, float p = {{2.0}}) => (float[N,3] y)
    <float[3] w = {{1.0, 1.0, 1.0}}> {{ a = Mul(x, k)  b = Pow(a, p)  y = Mul(b, w) }}"""
K = np.array([2, 3, 4], np.float32)
ONES = np.ones_like(X)


@pytest.mark.parametrize("version", [3, 8])
def test_another_value_in_the_place_of_that_in_the_file(version):
    proto = onnx.parser.parse_model(SCALED.format(version=version))
    graph = osc.differentiate(proto, of="y", wrt=["x"], inputs={"k": K}, compare=True)
    assert [value.name for value in graph.graph.input] == ["x", "grad_y"]
    found = run(graph, {"x": X, "grad_y": ONES})
    np.testing.assert_allclose(found["y"], (X * K) ** 2, rtol=1e-5)
    np.testing.assert_allclose(found["grad_x"], 2 * X * K**2, rtol=1e-5)
    result = osc.verify(proto, at={"k": K, "p": 3}, wrt=["x", "k"], shapes={"x": (2, 3)})
    assert result.agrees
    assert (result.faithfulness.compared, result.faithfulness.departure) == (3, None)
    assert {check.input for check in result.checks} == {"x", "k"}


def test_what_has_a_value_in_the_file_stays_an_input():
    proto = onnx.parser.parse_model(SCALED.format(version=8))
    graph = osc.differentiate(proto, of="y", wrt=["k"], inputs={"p": 3})
    assert [value.name for value in graph.graph.input] == ["x", "k", "grad_y"]
    for k in (np.array([1, 2, 3], np.float32), K):
        # The first is that of the file.
        feeds = {"x": X, "grad_y": ONES} | ({"k": k} if k is K else {})
        np.testing.assert_allclose(run(graph, feeds)["grad_k"], (3 * k**2 * X**3)[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"inputs": {"w": 1}}, LayerError, "'w' is a weight of the model, which its file does not"),
        ({"inputs": {"kk": 1}}, LayerError, "no input 'kk'; did you mean 'k'"),
        ({"inputs": {"k": [1, 2]}}, InputError, "'k' has shape"),
        ({"shapes": {"k": (3,)}}, LayerError, "'k' has a value in the file, and with it a shape"),
    ],
)
def test_values_that_do_not_fit_what_has_one(arguments, error, message):
    proto = onnx.parser.parse_model(SCALED.format(version=8))
    with pytest.raises(error, match=message):
        osc.differentiate(proto, of="y", wrt=["x"], **arguments)


def test_another_value_in_a_network_of_pictures():
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]>
        g (float[1,3,8,8] x, int64 n = {3}, float s = {1.0}) => (float[1,3,8,8] y)
        <bool yes = {1}, float[3,3,1,1] w = {1,2,3,4,5,6,7,8,9}> {
            c = Conv(x, w)
            a = Mul(c, s)
            y = Loop(n, yes, a) <body = b (int64 i, bool t, float[1,3,8,8] q)
                => (bool d, float[1,3,8,8] r) { d = Identity(t)  r = Sin(q) }>
        }"""
    )
    picture = np.full((8, 8, 3), 0.3, np.float32)
    for given, rounds, factor in (({}, 3, 1.0), ({"n": 1, "s": 0.5}, 1, 0.5)):
        model = osc.load(proto, inputs=given, input_range=(0, 1))
        wanted = factor * np.array([1.8, 4.5, 7.2])
        for _ in range(rounds):
            wanted = np.sin(wanted)
        np.testing.assert_allclose(model.activations(picture, ["y"])["y"][0, :, 0, 0], wanted, 1e-5)
        assert (model.faithfulness.compared, model.faithfulness.left_out) == (3, {})


def test_text_and_four_bits_in_the_place_of_what_the_file_has():
    info, element = helper.make_tensor_value_info, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Equal", ["words", "key"], ["same"]),
            helper.make_node("Cast", ["same"], ["flags"], to=element.FLOAT),
            helper.make_node("DequantizeLinear", ["few", "scale"], ["numbers"]),
            helper.make_node("Add", ["flags", "numbers"], ["factor"]),
            helper.make_node("Mul", ["factor", "x"], ["y"]),
        ],
        "given",
        [
            info("x", element.FLOAT, [2]),
            info("words", element.STRING, [2]),
            info("few", element.INT4, [2]),
        ],
        [info("y", element.FLOAT, [2])],
        [
            helper.make_tensor("words", element.STRING, [2], [b"a", b"a"]),
            helper.make_tensor("key", element.STRING, [], [b"a"]),
            helper.make_tensor("scale", element.FLOAT, [], [0.5]),
        ],
    )
    opset = helper.make_opsetid("", 21)
    proto = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    given = {"words": ["b", "a"], "few": [-3, 7]}
    found = osc.differentiate(proto, of="y", wrt=["x"], inputs=given)
    feeds = {"x": X[0, :2], "grad_y": np.ones(2, np.float32)}
    np.testing.assert_array_equal(run(found, feeds)["grad_x"], [-1.5, 4.5])
    # Four bits are drawn where they are not given.
    result = osc.verify(proto)
    assert result.agrees
    assert result.faithfulness.compared == 5
