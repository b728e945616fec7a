"""Functions of a file: what they give is called what the file calls it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnxscope.errors import ModelError
from onnxscope.importer.opsets import load_graph

FUNCTIONS = """<ir_version: 9, opset_import: ["": 18, "my": 1]>
    g (float[2, 3] x) => (float[2, 3] y, float[2, 3] z, float[2, 3] twin) {
        h = my.block(x)
        y = my.outer(h)
        z, twin = my.pair(y)
        unused = Identity(z)
    }
    <domain: "my", opset_import: ["": 18]> block (a) => (o)
        { t = Tanh(a) s = Mul(t, t) o = Identity(s) }
    <domain: "my", opset_import: ["": 18, "my": 1]> outer (a) => (o)
        { t = my.block(a) o = Identity(t) }
    <domain: "my", opset_import: ["": 18]> pair (a) => (o, p)
        { t = Sin(a) o = Identity(t) p = Identity(t) }
"""


@pytest.fixture
def proto():
    return onnx.parser.parse_model(FUNCTIONS)


def test_what_a_function_gives_is_called_as_in_the_file(proto):
    before = proto.SerializeToString()
    graph = load_graph(proto).model.graph
    assert proto.SerializeToString() == before
    produced = {value.name: node.op_type for node in graph for value in node.outputs}
    assert produced.items() >= {"h": "Mul", "y": "Mul"}.items()
    assert {produced["z"], produced["twin"]} == {"Sin", "Identity"}
    # Identities that the file has itself stay.
    assert produced["unused"] == "Identity"
    made_up = [name for name in produced if "__" in name]
    assert len(made_up) == 2
    assert {produced[name] for name in made_up} == {"Tanh"}
    assert [value.name for value in graph.outputs] == ["y", "z", "twin"]


@pytest.mark.slow
def test_it_is_the_same_network(proto):
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    wanted = run(proto, {"x": x})
    graph = osc.differentiate(proto, of="twin", wrt=["x", "h"])
    found = run(graph, {"x": x, "grad_twin": np.ones_like(x)})
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
    t, u = np.tanh(x), np.tanh(np.tanh(x) ** 2)
    slope = np.cos(u**2) * 2 * u * (1 - u**2)
    np.testing.assert_allclose(found["grad_h"], slope, rtol=1e-4)
    np.testing.assert_allclose(found["grad_x"], slope * 2 * t * (1 - t**2), rtol=1e-4, atol=1e-7)
    assert osc.verify(proto, directions=1).verdict == "agrees"


def test_a_function_that_gives_what_it_takes():
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 18, "my": 1]>
        g (float[2] x) => (float[2] y, float[2] z) <float[2] w = {1, 2}> {
            y = my.same(x)
            v = my.same(w)
            z = Mul(y, v)
        }
        <domain: "my", opset_import: ["": 18]> same (a) => (o) { o = Identity(a) }""")
    graph = load_graph(proto).model.graph
    assert [node.op_type for node in graph] == ["Identity", "Identity", "Mul"]
    gradient = osc.differentiate(proto, "z", ["x", "w"])
    feeds = {"x": np.array([3, 4], np.float32), "grad_z": np.ones(2, np.float32)}
    found = run(gradient, feeds)
    np.testing.assert_array_equal(found["grad_x"], [1, 2])
    np.testing.assert_array_equal(found["grad_w"], [3, 4])


def test_functions_that_call_each_other():
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 18, "my": 1]>
        g (float[2] x) => (float[2] y) { y = my.one(x) }
        <domain: "my", opset_import: ["": 18, "my": 1]> one (a) => (o) { o = my.two(a) }
        <domain: "my", opset_import: ["": 18, "my": 1]> two (a) => (o) { o = my.one(a) }""")
    with pytest.raises(ModelError, match="the functions of the model cannot be inlined"):
        load_graph(proto)


def test_attributes_inside_of_functions_are_checked():
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 18, "my": 1]>
        g (float[2, 2, 2] x) => (float[2] y) { y = my.sum <rule = ".ijk->i"> (x) }
        <domain: "my", opset_import: ["": 18]> sum <rule> (a) => (o)
            { o = Einsum <equation: string = @rule> (a) }""")
    with pytest.raises(ModelError, match=r"'\.ijk->i' of Einsum .* has the term '\.ijk'"):
        load_graph(proto)
