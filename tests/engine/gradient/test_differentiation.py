"""`differentiate`: what it keeps, adds, names and refuses."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from gradient_checks import gradients, valid, values
from graphs import run, text_model
from onnxscope.errors import (
    LayerError,
    ModelError,
    OnnxscopeWarning,
    OperatorError,
)

TWO = """g (double[2,3] x, double[3,2] z, int64[1] i) => (double s, double[2,2] y) {
    y = MatMul(x, z)
    t = Gather <axis: int = 0> (y, i)
    s = ReduceMean <keepdims: int = 0> (y)
}"""


def test_inputs_and_outputs_are_kept():
    graph = osc.differentiate(text_model(TWO), of="s", wrt=["z", "x"])
    valid(graph)
    assert [value.name for value in graph.graph.input] == ["x", "z", "i"]
    assert [value.name for value in graph.graph.output] == ["s", "y", "grad_z", "grad_x"]
    plain = text_model(TWO)
    feeds = {"x": values(2, 3), "z": values(3, 2), "i": np.array([0])}
    expected, results = run(plain, feeds), run(graph, feeds)
    for name, value in expected.items():
        np.testing.assert_array_equal(results[name], value)


def test_only_what_is_not_scalar_takes_a_cotangent():
    graph = osc.differentiate(text_model(TWO), of="y", wrt=["x"])
    last = graph.graph.input[-1]
    assert last.name == "grad_y"
    assert [dim.dim_value for dim in last.type.tensor_type.shape.dim] == [2, 2]
    assert last.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    scalar = osc.differentiate(text_model(TWO), of="s", wrt=["x"])
    assert len(scalar.graph.input) == 3


def test_of_a_value_in_the_middle():
    results = gradients(
        """g (double[3] x) => (double[3] y) {
            middle = Sin(x)
            y = Exp(middle)
        }""",
        {"x": np.zeros(3), "grad_middle": np.arange(3.0)},
        of="middle",
    )
    np.testing.assert_array_equal(results["grad_x"], np.arange(3.0))
    np.testing.assert_array_equal(results["y"], np.ones(3))


def test_names_of_nodes_survive_and_messages_use_them():
    proto = text_model(
        "g (double[3] x) => (double[3] y) { [first] a = Sin(x) [second] y = Exp(a) }"
    )
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert [node.name for node in graph.graph.node][:2] == ["first", "second"]


def test_names_that_the_engine_would_use_itself():
    # Constants, sums and gradients must give way to the model's own names.
    names = ["constant", "sum", "mul", "grad_a", "constant_2", "relu", "hardsigmoid", "expand"]
    nodes, last = [], "x"
    for name in names:
        nodes.append(f"{name} = Mul({last}, k)")
        last = name
    text = f"""g (double[2] x) => (double[2] y, {", ".join(f"double[2] {n}" for n in names)})
    <double[2] k = {{2, 3}}> {{
        {"  ".join(nodes)}
        a = Relu({last})
        y = Add(a, x)
    }}"""
    results = gradients(text, {"x": np.ones(2), "grad_y": np.ones(2)})
    np.testing.assert_allclose(results["grad_x"], np.array([2.0, 3]) ** 8 + 1)
    np.testing.assert_allclose(results["constant"], [2, 3])
    results = gradients(text, {"x": np.ones(2), "grad_grad_a": np.ones(2)}, of="grad_a")
    np.testing.assert_allclose(results["grad_x"], np.array([2.0, 3]) ** 4)


def test_a_name_that_is_taken_gets_a_number():
    text = "g (double[2] x, double[2] grad_y) => (double[2] y) { y = Mul(x, grad_y) }"
    model = osc.differentiate(text_model(text), of="y", wrt=["x", "grad_y"])
    assert [i.name for i in model.graph.input] == ["x", "grad_y", "grad_y_2"]
    assert [o.name for o in model.graph.output] == ["y", "grad_x", "grad_grad_y"]


def test_outputs_that_are_constants():
    results = gradients(
        """g (double[2,3] x) => (double[2,3] y, int64[2] shape, double[1] c, double[1] k)
        <double[1] k = {5}> {
            shape = Shape(x)
            c = Mul(k, k)
            y = Mul(x, c)
        }""",
        {"x": np.ones((2, 3)), "grad_y": np.ones((2, 3))},
    )
    np.testing.assert_array_equal(results["shape"], [2, 3])
    np.testing.assert_array_equal(results["grad_x"], np.full((2, 3), 25))
    assert (results["c"], results["k"]) == (25, 5)


def test_outputs_that_are_inputs_or_weights():
    text = """g (double[N, 2] x, double[3] other) => (double[N, 2] x, double[N, 2] y, double[2] k,
        double[3] other) <double[2] k = {3.0, 4.0}> { y = Mul(x, k) }"""
    x, dy = values(5, 2), values(5, 2)
    feeds = {"x": x, "other": values(3), "grad_y": dy}
    results = gradients(text, feeds, wrt=["x", "k"])
    assert list(results) == ["x", "y", "k", "other", "grad_x", "grad_k"]
    np.testing.assert_array_equal(results["x"], x)
    np.testing.assert_array_equal(results["other"], feeds["other"])
    np.testing.assert_array_equal(results["k"], [3, 4])
    np.testing.assert_allclose(results["grad_x"], dy * [3, 4])
    np.testing.assert_allclose(results["grad_k"], (dy * x).sum(0))
    # An input differentiated with respect to itself.
    graph = osc.differentiate(text_model(text), of="x", wrt=["x"])
    valid(graph)
    results = run(graph, {"x": x, "other": feeds["other"], "grad_x": dy})
    np.testing.assert_array_equal(results["grad_x_2"], dy)


def test_the_users_model_stays_as_it_is():
    proto = text_model("""g (double[2] x) => (double[2] y, double[2] k)
        <double[2] k = {3.0, 4.0}> { y = Mul(x, k) }""")
    before = proto.SerializeToString(deterministic=True)
    for wrt in ("x", "k"):
        osc.differentiate(proto, of="y", wrt=[wrt])
        assert proto.SerializeToString(deterministic=True) == before


CUSTOM = """<ir_version: 9, opset_import: ["" : 18, "acme" : 1]>
    g (double[3] x) => (double[3] far, double[3] y, double[3] further)
    { y = Tanh(x)  near = Mul(y, y)  far = acme.Frobnicate(near)  further = Neg(far) }"""


def test_outputs_behind_operators_of_others_are_left_out():
    proto = onnx.parser.parse_model(CUSTOM)
    with pytest.warns(OnnxscopeWarning, match=r"the output '(far|further)' is left out") as said:
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert len(said) == 2
    assert {warning.filename for warning in said} == {__file__}
    valid(graph)
    assert [output.name for output in graph.graph.output] == ["y", "grad_x"]
    x, dy = values(3), values(3)
    found = run(graph, {"x": x, "grad_y": dy})["grad_x"]
    np.testing.assert_allclose(found, dy * (1 - np.tanh(x) ** 2))
    for of, wrt in (("further", "x"), ("y", "far")):
        with pytest.raises(OperatorError, match="Frobnicate"):
            osc.differentiate(proto, of=of, wrt=[wrt])


def test_an_output_that_does_not_fit_is_no_reason_to_leave_it_out():
    text = """g (double[3] x, double[2] z) => (double[3] y, double[3] sum)
        { y = Tanh(x)  sum = Add(x, z) }"""
    with pytest.raises(ModelError):
        osc.differentiate(text_model(text), of="y", wrt=["x"])


def test_mistaken_names():
    proto = text_model(TWO)
    with pytest.raises(LayerError, match=r"no value 'yy'; did you mean 'y'\?"):
        osc.differentiate(proto, of="yy", wrt=["x"])
    with pytest.raises(LayerError, match="no value 'xx'; did you mean 'x'"):
        osc.differentiate(proto, of="y", wrt=["xx"])
    with pytest.raises(LayerError, match="no input 'q'"):
        osc.differentiate(proto, of="y", wrt=["x"], shapes={"q": (2,)})
    with pytest.raises(LayerError, match="'i' is int64: only real numbers have a gradient"):
        osc.differentiate(proto, of="y", wrt=["i"])
    index = "g (double[3] x) => (int64 y) { y = ArgMax <keepdims: int = 0> (x) }"
    with pytest.raises(LayerError, match="'y' is int64: only real numbers have a gradient"):
        osc.differentiate(text_model(index), of="y", wrt=["x"])


@pytest.mark.parametrize("opset", [7, 11, 13, 17, 18, 19, 20, 21, 22])
def test_other_opsets(opset):
    text = """g (float[2,3] x) => (float[2,3] y) { a = Relu(x) b = Tanh(a) y = Add(a, b) }"""
    proto = text_model(text)
    proto.opset_import[0].version = opset
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    valid(graph)
    x = values(2, 3).astype(np.float32)
    results = run(graph, {"x": x, "grad_y": np.ones((2, 3), np.float32)})
    np.testing.assert_allclose(
        results["grad_x"], (x > 0) * (2 - np.tanh(x) ** 2), rtol=1e-6, atol=1e-7
    )
