"""The walk, and `differentiate`: what it keeps, adds, accumulates and refuses."""

from __future__ import annotations

import time

import numpy as np
import onnx
import onnxscope as osc
import pytest
from drawing import generator
from graphs import operators, run, session, text_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnxscope.errors import (
    InputError,
    LayerError,
    ModelError,
    OnnxscopeWarning,
    OperatorError,
)

rng = generator(3)


def gradients(text, feeds, wrt=("x",), of="y", **options):
    """Differentiate a model in text form and run it; double precision, cotangent included."""
    graph = osc.differentiate(text_model(text), of=of, wrt=list(wrt), **options)
    valid(graph)
    return run(graph, feeds)


def valid(graph):
    """Assert what every result promises."""
    onnx.checker.check_model(graph, full_check=True)
    assert all(node.domain in ("", "ai.onnx") for node in graph.graph.node)
    (version,) = [entry.version for entry in graph.opset_import if entry.domain == ""]
    assert 18 <= version <= 21
    assert graph.ir_version <= 13
    names = [node.name for node in graph.graph.node]
    assert len(set(names)) == len(names)


def values(*shape):
    return rng.normal(size=shape)


def directional(forward, feeds, name, u, step=1e-3):
    """The derivative of a scalar along u, by differences of fourth order."""
    at = lambda t: forward(feeds | {name: feeds[name] + t * u})  # noqa: E731
    return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)


# Paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 3, 7])
def test_a_value_read_many_times_accumulates(times):
    x, dy = values(4), values(4)
    arguments = ", ".join(["x"] * times)
    results = gradients(
        f"g (double[4] x) => (double[4] y) {{ y = Sum({arguments}) }}", {"x": x, "grad_y": dy}
    )
    np.testing.assert_allclose(results["grad_x"], times * dy)


def test_both_inputs_of_one_node():
    x, dy = values(4), values(4)
    feeds = {"x": x, "grad_y": dy}
    results = gradients("g (double[4] x) => (double[4] y) { y = Mul(x, x) }", feeds)
    np.testing.assert_allclose(results["grad_x"], 2 * x * dy)
    results = gradients("g (double[4] x) => (double[4] y) { y = Max(x, x) }", feeds)
    np.testing.assert_allclose(results["grad_x"], dy)


def test_a_diamond():
    x, dy = values(3), values(3)
    results = gradients(
        """g (double[3] x) => (double[3] y) {
            a = Sin(x)
            b = Exp(a)
            c = Tanh(a)
            y = Mul(b, c)
        }""",
        {"x": x, "grad_y": dy},
    )
    a = np.sin(x)
    slope = np.exp(a) * np.tanh(a) + np.exp(a) * (1 - np.tanh(a) ** 2)
    np.testing.assert_allclose(results["grad_x"], dy * slope * np.cos(x))


def test_a_chain_by_hand():
    # y = Σ relu(2x − 1)², x = (0, 1, 2): relu gives (0, 1, 3), dy/dx = 2 · relu · 2.
    results = gradients(
        """g (float[3] x) => (float y)
        <float two = {2}, float one = {1}> {
            a = Mul(two, x)
            b = Sub(a, one)
            c = Relu(b)
            d = Mul(c, c)
            y = ReduceSum<keepdims: int = 0>(d)
        }""",
        {"x": np.array([0, 1, 2], np.float32)},
    )
    assert results["y"] == 10
    np.testing.assert_array_equal(results["grad_x"], [0, 4, 12])


def test_what_no_path_reaches_gets_zeros():
    text = """g (double[2,3] x, double[4,1] z, float[5] f) => (double[2,3] y, double[4,1] w) {
        y = Exp(x)
        w = Exp(z)
    }"""
    results = gradients(
        text,
        {"x": values(2, 3), "z": values(4, 1), "f": np.ones(5, np.float32),
         "grad_y": np.ones((2, 3))},
        ["x", "z", "f"],
    )  # fmt: skip
    for name, shape, dtype in (("z", (4, 1), np.float64), ("f", (5,), np.float32)):
        assert results[f"grad_{name}"].shape == shape
        assert results[f"grad_{name}"].dtype == dtype
        assert not results[f"grad_{name}"].any()


def test_a_path_through_truth_values_and_integers_carries_nothing():
    results = gradients(
        """g (double[4] x) => (double[4] y)
        <double zero = {0}> {
            positive = Greater(x, zero)
            number = Cast<to: int = 11>(positive)
            whole = Cast<to: int = 7>(x)
            back = Cast<to: int = 11>(whole)
            a = Mul(x, number)
            y = Add(a, back)
        }""",
        {"x": np.array([-2.5, -0.5, 0.5, 2.5]), "grad_y": np.ones(4)},
    )
    np.testing.assert_array_equal(results["grad_x"], [0, 0, 1, 1])


def test_a_value_behind_the_target_does_not_count():
    results = gradients(
        """g (double[2] x) => (double[2] y, double[2] z) {
            y = Exp(x)
            z = Mul(y, x)
        }""",
        {"x": np.zeros(2), "grad_y": np.ones(2)},
    )
    np.testing.assert_array_equal(results["grad_x"], [1, 1])


def test_an_input_that_is_also_differentiated_through():
    # z reaches y directly and through nothing else; x through z's reader.
    text = """g (double[3] x, double[3] z) => (double[3] y) {
        a = Mul(x, z)
        y = Mul(a, z)
    }"""
    x, z, dy = values(3), values(3), values(3)
    results = gradients(text, {"x": x, "z": z, "grad_y": dy}, ["z", "x"])
    np.testing.assert_allclose(results["grad_x"], dy * z * z)
    np.testing.assert_allclose(results["grad_z"], dy * 2 * x * z)


def test_broadcasting_is_undone_in_every_contribution():
    text = """g (double[3,1] x, double[2,1,4] z) => (double[2,3,4] y) {
        a = Add(x, z)
        b = Mul(x, a)
        y = Sub(b, z)
    }"""
    x, z, dy = values(3, 1), values(2, 1, 4), values(2, 3, 4)
    results = gradients(text, {"x": x, "z": z, "grad_y": dy}, ["x", "z"])
    np.testing.assert_allclose(results["grad_x"], (dy * (2 * x + z)).sum((0, 2))[:, None])
    np.testing.assert_allclose(results["grad_z"], (dy * (x - 1)).sum(1, keepdims=True))


# The contract ------------------------------------------------------------------------------------

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


# Weights -----------------------------------------------------------------------------------------


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


# Shapes ------------------------------------------------------------------------------------------

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


# Gradients of gradients --------------------------------------------------------------------------


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


# Random graphs -----------------------------------------------------------------------------------

UNARY = ("Tanh", "Sigmoid", "Sin", "Cos", "Softplus", "Neg", "Identity")
BINARY = ("Add", "Sub", "Mul", "Div", "MatMul", "Pow", "Concat", "Where")


@st.composite
def random_graphs(draw):
    """A few nodes on (3, 3) matrices, any value readable many times, ending in one mean."""
    names = ["x", "z", "row"]
    nodes = []

    def append(op, *inputs, **attributes):
        output = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    for _ in range(draw(st.integers(1, 8))):
        a = draw(st.sampled_from(names))
        op = draw(st.sampled_from(UNARY + BINARY + ("Softmax", "Transpose", "ReduceSum", "Slice")))
        if op in BINARY:
            b = draw(st.sampled_from(names))
            if op == "Div":
                b = append("Exp", append("Tanh", b))
            if op == "Pow":
                a, b = append("Softplus", a), append("Tanh", b)
            if op == "MatMul":
                a, b = append("Add", a, "zeros"), append("Add", b, "zeros")
                b = append("Tanh", b)
            if op == "Concat":
                a, b = append("Add", a, "zeros"), append("Add", b, "zeros")
                joined = append("Concat", a, b, axis=draw(st.integers(0, 1)))
                axis = nodes[-1].attribute[0].i
                result = append("Slice", joined, "two", "five", ("axis0", "axis1")[axis])
            elif op == "Where":
                result = append("Where", append("Greater", "mask", "zeros"), a, b)
            else:
                result = append(op, a, b)
        elif op == "Softmax":
            result = append(op, append("Add", a, "zeros"), axis=draw(st.integers(-2, 1)))
        elif op == "Transpose":
            result = append(op, append("Add", a, "zeros"))
        elif op == "ReduceSum":
            total = append(op, append("Add", a, "zeros"), "axis0", keepdims=1)
            result = append("Tanh", total)
        elif op == "Slice":
            part = append(op, append("Add", a, "zeros"), "axis1", "two", "axis0")
            result = append("Sub", part, "row")
        else:
            result = append(op, a)
        names.append(result)
    tail = append("Sum", *[append("Tanh", name) for name in names])
    nodes.append(helper.make_node("ReduceMean", [tail], ["y"], keepdims=0))
    value = helper.make_tensor_value_info
    constants = {
        "zeros": np.zeros((3, 3)),
        "mask": np.where(np.arange(9).reshape(3, 3) % 2, 1.0, -1),
        **{
            name: np.array([n]) for name, n in (("axis0", 0), ("axis1", 1), ("two", 2), ("five", 5))
        },
    }
    graph = helper.make_graph(
        nodes, "random",
        [value("x", 11, (3, 3)), value("z", 11, (3, 3)), value("row", 11, (1, 3))],
        [value("y", 11, ())],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(random_graphs(), st.integers(0, 2**32 - 1))
def test_random_graphs(proto, seed):
    source = np.random.default_rng(seed)
    feeds = {name: source.uniform(-1, 1, s) for name, s in
             (("x", (3, 3)), ("z", (3, 3)), ("row", (1, 3)))}  # fmt: skip
    graph = osc.differentiate(proto, of="y", wrt=list(feeds))
    opened = session(graph)
    results = dict(
        zip([o.name for o in opened.get_outputs()], opened.run(None, feeds), strict=True)
    )

    def forward(f):
        return float(opened.run(["y"], f)[0])

    for name, x in feeds.items():
        u = source.uniform(-1, 1, x.shape)
        expected = directional(forward, feeds, name, u)
        assert (results[f"grad_{name}"] * u).sum() == pytest.approx(expected, rel=1e-6, abs=1e-9)


# Cost --------------------------------------------------------------------------------------------


def test_a_long_chain_costs_linear_time():
    def seconds(length):
        nodes = "".join(f" v{i + 1} = Tanh(v{i})" for i in range(length))
        text = f"g (double[2] v0) => (double[2] v{length}) {{{nodes} }}"
        start = time.perf_counter()
        graph = osc.differentiate(text_model(text), of=f"v{length}", wrt=["v0"])
        elapsed = time.perf_counter() - start
        assert operators(graph).count("Tanh") == length
        return elapsed

    seconds(10)
    assert seconds(800) < 8 * 4 * max(seconds(100), 0.005)


def test_nothing_is_computed_twice_or_for_nobody():
    graph = osc.differentiate(
        text_model(
            """g (float[1,2,4,4] x) => (float[1,2,4,4] y) {
                a = Relu(x)
                unused = Exp(a)
                y = Sigmoid(a)
            }"""
        ),
        of="y",
        wrt=["x"],
    )
    found = operators(graph)
    assert found.count("Relu") == found.count("Sigmoid") == 1
    assert "Exp" not in found
    assert "Shape" not in found
