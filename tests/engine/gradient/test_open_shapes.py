"""Gradients of models whose inputs have open shapes."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from gradient_checks import valid, values
from graphs import operators, run, text_model
from onnxscope.errors import (
    InputError,
    ModelError,
)


def test_pools_of_open_sizes_in_half_precision():
    text = (
        "g (float16[N, 2, H, W] x) => (float16[N, 2, P, Q] y) "
        "{ y = MaxPool<kernel_shape = [3, 3], strides = [2, 2]>(x) }"
    )
    graph = osc.differentiate(text_model(text), of="y", wrt=["x"])
    x = np.random.default_rng(0).permutation(70).reshape(1, 2, 5, 7).astype(np.float16)
    found = run(graph, {"x": x, "grad_y": np.ones((1, 2, 2, 3), np.float16)})["grad_x"]
    expected = np.zeros_like(x)
    for channel, row, column in np.ndindex(2, 2, 3):
        part = (0, channel, slice(2 * row, 2 * row + 3), slice(2 * column, 2 * column + 3))
        expected[part] += x[part] == x[part].max()
    np.testing.assert_array_equal(found, expected)


def test_an_input_of_unknown_rank_is_no_scalar():
    proto = text_model("g (float[2] x) => (float[2] y) { y = Tanh(x) }")
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelError, match="how many axes its input 'x' has"):
        osc.differentiate(proto, of="y", wrt=["x"])
    graph = osc.differentiate(proto, of="y", wrt=["x"], shapes={"x": (2,)})
    assert run(graph, {"x": np.zeros(2, np.float32), "grad_y": np.ones(2, np.float32)})


def test_open_sizes_keep_their_names_in_gradients_of_gradients():
    text = (
        "g (float[N, 2, H, W] x) => (float[N, 2, P, Q] y) "
        "{ s = Sin(x)  p = AveragePool<kernel_shape = [3, 3], strides = [2, 2]>(s) "
        'y = Resize<mode = "linear">(p, , twice) twice = Constant<value_floats = '
        "[1.0, 1.0, 2.0, 2.0]>() }"
    )
    graph = text_model(text)
    graph.graph.node.insert(0, graph.graph.node.pop())
    for of in ("y", "grad_x", "grad_x_2"):
        graph = osc.differentiate(graph, of=of, wrt=["x"])
        for value in graph.graph.output[1:]:
            dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            assert dims == ["N", 2, "H", "W"], value.name


OPEN = "g (double[N,3] x, double[M,3] z) => (double[K,3] y) { a = Add(x, z) y = Exp(a) }"


@pytest.mark.parametrize("names", ["NMK", "???"])
@pytest.mark.parametrize(("rows", "other"), [(1, 4), (4, 1), (3, 3)])
def test_open_shapes_are_looked_at_when_they_are_there(names, rows, other):
    """Whether x was repeated is known at run time only."""
    text = OPEN.replace("N", names[0]).replace("M", names[1]).replace("K", names[2])
    graph = osc.differentiate(text_model(text), of="y", wrt=["x", "z"])
    valid(graph)
    x, z, dy = values(rows, 3), values(other, 3), values(max(rows, other), 3)
    results = run(graph, {"x": x, "z": z, "grad_y": dy})
    expected = dy * np.exp(x + z)
    for name, like in (("x", x), ("z", z)):
        summed = expected.sum(0, keepdims=True) if len(like) == 1 else expected
        np.testing.assert_allclose(results[f"grad_{name}"], summed, atol=1e-12)


def test_shapes_given_are_built_in():
    x, z, dy = values(1, 3), values(4, 3), values(4, 3)
    graph = osc.differentiate(
        text_model(OPEN), of="y", wrt=["x"], shapes={"x": (1, 3), "z": (4, 3)}
    )
    valid(graph)
    assert "Shape" not in operators(graph)
    results = run(graph, {"x": x, "z": z, "grad_y": dy})
    np.testing.assert_allclose(results["grad_x"], (dy * np.exp(x + z)).sum(0, keepdims=True))


def test_a_symbolic_batch_stays_open():
    text = """g (double[N,3] x) => (double[N,3] y)
    <double[3] b = {1, 2, 3}> {
        a = Mul(x, b)
        y = Tanh(a)
    }"""
    graph = osc.differentiate(text_model(text), of="y", wrt=["x"])
    valid(graph)
    b = np.array([1, 2, 3])
    for batch in (1, 5):
        x, dy = values(batch, 3), values(batch, 3)
        results = run(graph, {"x": x, "grad_y": dy})
        np.testing.assert_allclose(results["grad_x"], dy * b * (1 - np.tanh(x * b) ** 2))


def test_shapes_that_contradict_the_model():
    with pytest.raises(InputError, match=r"input 'x' has shape \(N, 3\), not \(1, 4\)"):
        osc.differentiate(text_model(OPEN), of="y", wrt=["x"], shapes={"x": (1, 4)})
    with pytest.raises(InputError, match=r"input 'x' has shape \(N, 3\), not \(3,\)"):
        osc.differentiate(text_model(OPEN), of="y", wrt=["x"], shapes={"x": (3,)})
