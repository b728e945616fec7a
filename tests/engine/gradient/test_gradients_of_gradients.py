"""A gradient is a model: it has a gradient itself."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from gradient_checks import directional, valid, values
from graphs import run, session, text_model
from onnxscope.errors import (
    LayerError,
)


def test_a_gradients_gradient_with_respect_to_the_same_input():
    # f = Σ x³: the gradient is 3x², and its product with v has the gradient 6xv.
    text = "g (double[3] x) => (double y) { c = Mul(x, x) d = Mul(c, x) y = ReduceSum<keepdims: int = 0>(d) }"  # noqa: E501
    once = osc.differentiate(text_model(text), of="y", wrt=["x"])
    twice = osc.differentiate(once, of="grad_x", wrt="x")
    assert [o.name for o in twice.graph.output] == ["y", "grad_x", "grad_x_2"]
    x, v = np.array([1.0, -2.0, 0.5]), np.array([3.0, 1.0, -1.0])
    results = run(twice, {"x": x, "grad_grad_x": v})
    np.testing.assert_allclose(results["grad_x"], 3 * x * x)
    np.testing.assert_allclose(results["grad_x_2"], 6 * x * v)
    with pytest.raises(LayerError, match="twice"):
        osc.differentiate(once, of="y", wrt=["x", "x"])


def renamed(graph, old, new):
    """The model with one of its outputs under another name."""
    for node in graph.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
    for value in graph.graph.output:
        if value.name == old:
            value.name = new
    return graph


SMOOTH = """g (double[2,3] x, double[3,4] w, double[4] b) => (double y) {
    m = MatMul(x, w)
    a = Add(m, b)
    h = Tanh(a)
    p = Softmax <axis: int = 1> (h)
    e = Exp(h)
    q = Mul(p, e)
    s = Sigmoid(q)
    n = ReduceMean <keepdims: int = 1> (s, axes)
    d = Div(s, n)
    l = Log(d)
    r = Sqrt(d)
    t = Mul(l, r)
    y = ReduceSum <keepdims: int = 0> (t)
}""".replace("=> (double y)", "=> (double y) <int64[1] axes = {1}>")


def test_the_gradient_of_a_gradient():
    first = osc.differentiate(text_model(SMOOTH), of="y", wrt=["x", "w"])
    first = renamed(first, "grad_x", "first")
    second = osc.differentiate(first, of="first", wrt=["x", "b"])
    valid(second)
    feeds = {"x": values(2, 3), "w": values(3, 4), "b": values(4)}
    v = values(2, 3)
    results = run(second, feeds | {"grad_first": v})
    opened = session(first)

    def slope(f):
        return (opened.run(["first"], f)[0] * v).sum()

    for name in ("x", "b"):
        u = values(*feeds[name].shape)
        expected = directional(slope, feeds, name, u)
        assert (results[f"grad_{name}"] * u).sum() == pytest.approx(expected, rel=1e-7)


def test_the_second_derivative_is_symmetric():
    first = renamed(osc.differentiate(text_model(SMOOTH), of="y", wrt=["x"]), "grad_x", "first")
    second = session(osc.differentiate(first, of="first", wrt=["x"]))
    feeds = {"x": values(2, 3), "w": values(3, 4), "b": values(4)}
    hessian = np.stack([
        second.run(["grad_x"], feeds | {"grad_first": row.reshape(2, 3)})[0].ravel()
        for row in np.eye(6)
    ])  # fmt: skip
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    assert np.abs(hessian).max() > 1e-3


def test_the_gradient_of_a_relu_network_has_a_gradient():
    text = """g (float[2,3] x, float[3,3] w) => (float y) {
        m = MatMul(x, w)
        h = Relu(m)
        s = Mul(h, h)
        y = ReduceSum <keepdims: int = 0> (s)
    }"""
    first = renamed(osc.differentiate(text_model(text), of="y", wrt=["x"]), "grad_x", "first")
    second = osc.differentiate(first, of="first", wrt=["x"])
    x, w, v = (values(*s).astype(np.float32) for s in ((2, 3), (3, 3), (2, 3)))
    results = run(second, {"x": x, "w": w, "grad_first": v})
    expected = 2 * ((v @ w) * (x @ w > 0)) @ w.T
    np.testing.assert_allclose(results["grad_x"], expected, rtol=1e-4, atol=1e-5)
