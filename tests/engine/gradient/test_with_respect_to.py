"""Gradients with respect to values on the way and to weights."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from gradient_checks import directional, gradients, valid, values
from graphs import run, text_model
from onnx import helper, numpy_helper
from onnxscope.errors import (
    LayerError,
)


def test_values_on_the_way():
    # Of a convolution that is folded elsewhere, of another name for it, of what is read twice.
    proto = text_model(
        "g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) "
        "{ c = Conv(x, w)  n = BatchNormalization(c, s, b, m, v)  i = Identity(c) "
        "t = Tanh(i)  q = Mul(c, c)  p = Add(n, q)  y = Add(p, t) }"
    )
    rng = np.random.default_rng(0)
    for name, array in {
        "w": rng.standard_normal((2, 2, 1, 1)),
        "s": np.array([2.0, 3.0]),
        "b": np.zeros(2),
        "m": np.zeros(2),
        "v": np.full(2, 0.25),
    }.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.float32(array), name))
    graph = osc.differentiate(proto, of="y", wrt=["c", "i", "n", "x"])
    onnx.checker.check_model(graph, full_check=True)
    x = rng.standard_normal((1, 2, 4, 4)).astype(np.float32)
    found = run(graph, {"x": x, "grad_y": np.ones_like(x)})
    w = numpy_helper.to_array(proto.graph.initializer[0])[:, :, 0, 0]
    c = np.einsum("oc,nchw->nohw", w, x)
    through = 1 - np.tanh(c) ** 2
    scaled = np.array([2.0, 3.0]).reshape(1, 2, 1, 1) / np.sqrt(0.25 + 1e-5)
    np.testing.assert_allclose(found["grad_n"], np.ones_like(x), rtol=1e-5)
    np.testing.assert_allclose(found["grad_i"], through, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["grad_c"], scaled + 2 * c + through, rtol=1e-5, atol=1e-5)
    back = np.einsum("oc,nohw->nchw", w, found["grad_c"])
    np.testing.assert_allclose(found["grad_x"], back, rtol=1e-5, atol=1e-5)


def test_what_tokens_are_looked_up_as():
    text = (
        "g (int64[N, L] tokens) => (float[N, 1, 3] y) "
        "{ e = Gather(table, tokens)  t = Tanh(e)  y = ReduceMean<keepdims = 1>(t, axis) }"
    )
    proto = text_model(text)
    table = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(table, "table"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
    with pytest.raises(LayerError, match=r"'tokens' is int64.*: 'e'$"):
        osc.differentiate(proto, of="y", wrt=["tokens"])
    graph = osc.differentiate(proto, of="y", wrt=["e"])
    tokens = np.array([[0, 1, 1, 4], [2, 2, 2, 3]])
    found = run(graph, {"tokens": tokens, "grad_y": np.ones((2, 1, 3), np.float32)})
    expected = (1 - np.tanh(table[tokens]) ** 2) / 4
    np.testing.assert_allclose(found["grad_e"], expected, rtol=1e-5)


def test_with_respect_to_an_initializer():
    w, x, dy = np.array([[1.0, -2], [3, 4]]), values(2, 2), values(2, 2)
    text = """g (double[2,2] x) => (double[2,2] y)
    <double[2,2] w = {1, -2, 3, 4}> { y = MatMul(x, w) }"""
    results = gradients(text, {"x": x, "grad_y": dy}, ["w", "x"])
    np.testing.assert_allclose(results["y"], x @ w)
    np.testing.assert_allclose(results["grad_w"], x.T @ dy)
    np.testing.assert_allclose(results["grad_x"], dy @ w.T)


def test_with_respect_to_an_initializer_behind_constant_nodes():
    # What is computed from a weight alone would be folded, were it not differentiated.
    text = """g (double[2,3] x) => (double[2,2] y)
    <double[2,3] w = {1, -2, 3, 4, 5, 6}, double two = {2}> {
        t = Transpose(w)
        d = Mul(t, two)
        y = MatMul(x, d)
    }"""
    x, dy = values(2, 3), values(2, 2)
    results = gradients(text, {"x": x, "grad_y": dy}, ["w"])
    np.testing.assert_allclose(results["grad_w"], 2 * (x.T @ dy).T)


def conv_and_normalization():
    shapes = {"w": (3, 2, 3, 3), "b": (3,), "scale": (3,), "shift": (3,), "mean": (3,), "var": (3,)}
    weights = {name: values(*shape).astype(np.float32) for name, shape in shapes.items()}
    weights["var"] = np.abs(weights["var"]) + 0.5
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"]),
        helper.make_node("Sigmoid", ["n"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", 1, (2, 2, 5, 5))], [value("y", 1, (2, 3, 3, 3))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return proto, weights


def test_with_respect_to_weights_of_a_normalised_convolution():
    proto, weights = conv_and_normalization()
    graph = osc.differentiate(proto, of="y", wrt=[*weights, "x"])
    valid(graph)
    x = values(2, 2, 5, 5).astype(np.float32)
    dy = values(2, 3, 3, 3).astype(np.float32)
    results = run(graph, {"x": x, "grad_y": dy})

    def loss(**changed):
        arrays = {k: v.astype(np.float64) for k, v in (weights | {"x": x} | changed).items()}
        patches = np.lib.stride_tricks.sliding_window_view(arrays["x"], (3, 3), axis=(2, 3))
        c = np.einsum("nchwij,mcij->nmhw", patches, arrays["w"])
        b, scale, shift, mean, var = (
            arrays[name][:, None, None] for name in ("b", "scale", "shift", "mean", "var")
        )
        n = scale * (c + b - mean) / np.sqrt(var + 1e-5) + shift
        return (dy / (1 + np.exp(-n))).sum()

    for name, array in (weights | {"x": x}).items():
        u = values(*array.shape)
        expected = directional(lambda f, n=name: loss(**{n: f[n]}), {name: array}, name, u)
        assert (results[f"grad_{name}"] * u).sum() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_weights_stay_in_the_model():
    proto, weights = conv_and_normalization()
    graph = osc.differentiate(proto, of="y", wrt=["w"])
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    np.testing.assert_array_equal(kept["w"], weights["w"])
