"""Functions that exporters spell out: found, differentiated, and left alone where need be."""

from __future__ import annotations

import math

import numpy as np
import onnxscope as osc
import pytest
from graphs import operators, run, text_model
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.rules.standard import standard_rules
from onnxscope.rules.table import RuleTable

# Each is y of x (3, 5), in ONNX's text form, and what y and its derivative are.
_erf = np.vectorize(math.erf, [float])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def swish(x, a=1.0):
    return sigmoid(a * x) + a * x * sigmoid(a * x) * (1 - sigmoid(a * x))


def gelu(x):
    return (1 + _erf(x / math.sqrt(2))) / 2 + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def tanh_gelu(x):
    k, a = math.sqrt(2 / math.pi), 0.044715
    t = np.tanh(k * (x + a * x**3))
    return (1 + t) / 2 + x * (1 - t**2) / 2 * k * (1 + 3 * a * x**2)


def hard_swish(x):
    return np.where(x < -3, 0, np.where(x > 3, 1, x / 3 + 0.5))


CONSTANTS = (
    "float half = {0.5}, float one = {1}, float root = {1.4142135}, float inverse = {0.70710678}, "
    "float two = {2}, float three = {3}, float k = {0.7978846}, float a = {0.044715}, "
    "float[1] vector = {1.702}"
)

SPELLED = {
    "silu": ("s = Sigmoid(x) y = Mul(x, s)", swish, "Sub"),
    "silu reversed": ("s = Sigmoid(x) y = Mul(s, x)", swish, "Sub"),
    "quick gelu": (
        "u = Mul(x, vector) s = Sigmoid(u) y = Mul(x, s)",
        lambda x: swish(x, 1.702),
        "Sub",
    ),
    "half a silu": ("s = Sigmoid(x) p = Mul(s, half) y = Mul(p, x)", lambda x: swish(x) / 2, "Sub"),
    "gelu of torch": (
        "u = Div(x, root) e = Erf(u) p = Add(e, one) q = Mul(x, p) y = Mul(q, half)",
        gelu,
        "Exp",
    ),
    "gelu, half first": (
        "u = Mul(x, inverse) e = Erf(u) p = Add(one, e) h = Mul(x, half) y = Mul(h, p)",
        gelu,
        "Exp",
    ),
    "gelu, half of the sum": (
        "u = Div(x, root) e = Erf(u) p = Add(e, one) q = Div(p, two) y = Mul(x, q)",
        gelu,
        "Exp",
    ),
    "twice a gelu": (
        "u = Div(x, root) e = Erf(u) p = Add(e, one) y = Mul(x, p)",
        lambda x: 2 * gelu(x),
        "Exp",
    ),
    "tanh gelu": (
        "c = Pow(x, three) d = Mul(c, a) s = Add(x, d) v = Mul(s, k) t = Tanh(v) "
        "p = Add(t, one) h = Mul(x, half) y = Mul(h, p)",
        tanh_gelu,
        "Sigmoid",
    ),
    "tanh gelu by factors": (
        "b = Mul(x, x) d = Mul(b, a) s = Add(one, d) v = Mul(s, x) w = Mul(v, k) t = Tanh(w) "
        "p = Add(t, one) q = Mul(x, p) y = Mul(q, half)",
        tanh_gelu,
        "Sigmoid",
    ),
    "hard swish": (
        "s = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x) y = Mul(x, s)",
        hard_swish,
        "HardSigmoid",
    ),
}


def network(nodes: str, outputs: str = "y"):
    declared = ", ".join(f"float[3, 5] {name}" for name in outputs.split())
    return text_model(f"g (float[3, 5] x) => ({declared}) <{CONSTANTS}> {{ {nodes} }}")


def feeds(seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(3, 5)) * 2.5).astype(np.float32)
    return {"x": x, "grad_y": rng.normal(size=(3, 5)).astype(np.float32)}


@pytest.mark.parametrize("name", SPELLED)
def test_spelled_out_functions(name):
    nodes, derivative, _ = SPELLED[name]
    given = feeds()
    graph = osc.differentiate(network(nodes), of="y", wrt=["x"])
    exact = given["grad_y"] * derivative(given["x"].astype(np.float64))
    np.testing.assert_allclose(run(graph, given)["grad_x"], exact, rtol=0, atol=3e-6)
    # By the rules of the single nodes it takes more of them, and sums over the paths.
    apart = RuleTable()
    apart.define("Mul", lambda op, dy, a, b: dy * b, lambda op, dy, a, b: dy * a)
    longer = osc.differentiate(network(nodes), of="y", wrt=["x"], rules=standard_rules() | apart)
    assert "Sum" in operators(longer)
    assert "Sum" not in operators(graph)
    np.testing.assert_allclose(run(longer, given)["grad_x"], exact, rtol=0, atol=3e-6)


@pytest.mark.sample(8)
@pytest.mark.parametrize("sizes", ["known", "open"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SPELLED)
def test_spelled_out_functions_of_any_shape(name, dtype, sizes):
    nodes, derivative, _ = SPELLED[name]
    if dtype == np.float64 and ("Erf" in nodes or "HardSigmoid" in nodes):
        pytest.skip("ONNX Runtime has no such kernel of double precision")
    kind = "float" if dtype == np.float32 else "double"
    rng = np.random.default_rng(8)
    for shape in ((), (1,), (5,), (2, 3), (2, 1, 3), (2, 3, 1, 2), (2, 1, 2, 1, 3), (0, 3), (2, 0)):
        if sizes == "open":
            shown = ",".join(f"N{axis}" for axis in range(len(shape)))
        else:
            shown = ",".join(map(str, shape))
        axes = f"[{shown}]" if shape else ""
        constants = CONSTANTS.replace("float ", f"{kind} ").replace("float[", f"{kind}[")
        # A vector of one number makes one of a single number.
        result = "[1]" if not shape and "vector" in nodes else axes
        text = f"g ({kind}{axes} x) => ({kind}{result} y) <{constants}> {{ {nodes} }}"
        graph = osc.differentiate(text_model(text), of="y", wrt=["x"])
        x = np.asarray(rng.normal(size=shape) * 2.5, dtype)
        dy = np.asarray(rng.normal(size=(1,) if result == "[1]" and not shape else shape), dtype)
        seeded = any(value.name == "grad_y" for value in graph.graph.input)
        found = run(graph, {"x": x, **({"grad_y": dy} if seeded else {})})["grad_x"]
        exact = (dy if seeded else 1) * derivative(x.astype(np.float64))
        assert found.shape == shape
        np.testing.assert_allclose(found, np.reshape(exact, shape), rtol=0, atol=3e-6)


def test_a_gelu_leaves_its_kernel_whole():
    nodes, _, _ = SPELLED["gelu of torch"]
    graph = osc.differentiate(network(nodes), of="y", wrt=["x"])
    readers = [node.op_type for node in graph.graph.node if {"u", "e", "p", "q"} & set(node.input)]
    assert readers == ["Erf", "Add", "Mul", "Mul"]


@pytest.mark.parametrize(
    "nodes",
    [
        # Two arguments, another power, another function of the sum.
        "z = Mul(x, x) s = Sigmoid(z) y = Mul(x, s)",
        "s = Sigmoid(x) p = Add(s, one) y = Mul(x, p)",
        "u = Div(x, root) e = Erf(u) p = Sub(e, one) y = Mul(x, p)",
        "t = Tanh(x) p = Add(t, one) y = Mul(x, p)",
        "s = HardSigmoid(x) y = Mul(x, s)",
        "s = Sigmoid(x) z = Mul(x, s) q = Add(z, s) y = Mul(q, s)",
    ],
)
def test_what_is_no_idiom_is_differentiated_by_its_rules(nodes):
    given = feeds(1)
    given["x"] = np.clip(given["x"], -2.4, 2.4)
    gradient = run(osc.differentiate(network(nodes), of="y", wrt=["x"]), given)["grad_x"]
    direction = np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32)

    def along(t):
        moved = (given["x"] + np.float32(t) * direction).astype(np.float32)
        y = run(network(nodes), {"x": moved})["y"].astype(np.float64)
        return (y * given["grad_y"]).sum()

    difference = (8 * (along(0.02) - along(-0.02)) - along(0.04) + along(-0.04)) / 0.24
    assert (gradient * direction).sum() == pytest.approx(difference, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("name", ["u", "e", "q"])
def test_values_in_between_have_gradients_of_their_own(name):
    given = feeds(3)
    x, dy = given["x"].astype(np.float64), given["grad_y"]
    builder = Builder()
    t = {
        "x": builder.input("x", (3, 5), np.float32),
        "dy": builder.input("grad_y", (3, 5), np.float32),
    }
    t["u"] = t["x"] / 1.4142135
    t["e"] = builder.op.Erf(t["u"])
    t["q"] = t["x"] * (t["e"] + 1)
    y = t["q"] * 0.5
    gradients = backpropagate(builder, {y: t["dy"]}, [t["x"], t[name]], standard_rules())
    for title, gradient in zip(("dx", "inner"), gradients, strict=True):
        builder.output(title, gradient)
    results = run(model_of(builder), given)
    exact = {
        "u": dy * x / 2 * 2 / math.sqrt(math.pi) * np.exp(-(x**2) / 2),
        "e": dy * x / 2,
        "q": dy / 2,
    }
    np.testing.assert_allclose(results["inner"], exact[name], rtol=0, atol=3e-6)
    np.testing.assert_allclose(results["dx"], dy * gelu(x), rtol=0, atol=3e-6)


def test_a_value_that_others_read_counts_both_ways():
    proto = network("s = Sigmoid(x) z = Mul(x, s) y = Add(z, s)")
    given = feeds(4)
    x = given["x"].astype(np.float64)
    gradient = run(osc.differentiate(proto, of="y", wrt=["x"]), given)["grad_x"]
    exact = given["grad_y"] * (swish(x) + sigmoid(x) * (1 - sigmoid(x)))
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=3e-6)


def test_the_gradient_of_the_gradient():
    graph = osc.differentiate(network(SPELLED["gelu of torch"][0]), of="y", wrt=["x"])
    for node in graph.graph.node:
        node.output[:] = ["first" if name == "grad_x" else name for name in node.output]
    graph.graph.output[1].name = "first"
    given = feeds(5)
    x = given["x"].astype(np.float64)
    again = osc.differentiate(graph, of="first", wrt=["x"])
    ones = np.ones((3, 5), np.float32)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    exact = given["grad_y"] * density * (2 - x**2)
    result = run(again, given | {"grad_first": ones})["grad_x"]
    np.testing.assert_allclose(result, exact, rtol=0, atol=3e-6)
