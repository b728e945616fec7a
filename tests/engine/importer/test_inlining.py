"""Functions of a file: what they give is called what the file calls it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper, numpy_helper
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


# Attributes by kind: the function's own default, what is done with it, and another value.
KINDS = {
    "float": ("k: float = 0.25", "y = Elu <alpha: float = @k> (a)", {"k": 0.5}),
    "int": ("k: int = 0", "y = Softmax <axis: int = @k> (a)", {"k": 1}),
    "ints": ("k: ints = [1, 0]", "t = Transpose <perm: ints = @k> (a) y = Sin(t)", {"k": [0, 1]}),
    "string": ('k: string = "tanh"', "y = Gelu <approximate: string = @k> (a)", {"k": "none"}),
    "floats": (
        "k: floats = [1.0, 2.0, 0.5]",
        "c = Constant <value_floats: floats = @k> () y = Mul(a, c)",
        {"k": [3.0, 1.0, 2.0]},
    ),
    "tensor": (
        "k: tensor = float[3] {1, 2, 0.5}",
        "c = Constant <value: tensor = @k> () y = Mul(a, c)",
        {"k": numpy_helper.from_array(np.array([3, 1, 2], np.float32))},
    ),
}


def of_function(attribute: str, body: str, calls: str = "y = my.f(x)") -> onnx.ModelProto:
    return onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": 20, "my": 1]>
        g (float[2, 3] x) => (float[A, B] y) {{ {calls} }}
        <domain: "my", opset_import: ["": 20, "my": 1]> f <{attribute}> (a) => (y) {{ {body} }}
        <domain: "my", opset_import: ["": 20, "my": 1]> around <j> (a) => (y)
            {{ t = Sin(a) y = my.f <k: float = @j> (t) }}
        <domain: "my", opset_import: ["": 20, "my": 1]> on <j: float = 0.7> (a) => (y)
            {{ t = my.around <j: float = @j> (a) u = my.around(t) y = my.f(u) }}""")


def assert_as_in_runtime(proto: onnx.ModelProto) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    wanted = run(proto, {"x": x})["y"]
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones_like(wanted)})["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_leaves_an_attribute_out_has_the_default_of_the_function(kind):
    attribute, body, other = KINDS[kind]
    assert_as_in_runtime(of_function(attribute, body))
    proto = of_function(attribute, body)
    [call] = proto.graph.node
    call.attribute.extend(helper.make_attribute(*item) for item in other.items())
    assert_as_in_runtime(proto)


@pytest.mark.parametrize(
    "calls",
    [
        "y = my.around(x)",
        "y = my.around <j = 0.4> (x)",
        "y = my.on(x)",
        "u = my.on <j = 0.1> (x) v = my.f(u) w = my.around <j = 0.9> (v) y = my.f <k = 0.3> (w)",
    ],
)
def test_defaults_of_functions_that_are_called_by_others(calls):
    assert_as_in_runtime(of_function(*KINDS["float"][:2], calls))


def test_a_call_in_a_branch_has_the_default_too():
    assert_as_in_runtime(
        of_function(
            *KINDS["float"][:2],
            """t = Constant <value = bool {0}> () y = If (t) <
                then_branch = a () => (float[A, B] p) { p = Sin(x) },
                else_branch = b () => (float[A, B] q) { q = my.f(x) }>""",
        )
    )


def test_overloaded_functions():
    proto = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["": 20, "my": 1]>
        g (float[2, 3] x) => (float[2, 3] y) { t = my.f:one(x) y = my.f:two(t) }
        <domain: "my", overload: "one", opset_import: ["": 20]> f (a) => (y) { y = Sin(a) }
        <domain: "my", overload: "two", opset_import: ["": 20]> f <k: float = 0.3> (a) => (y)
            { y = Elu <alpha: float = @k> (a) }""")
    assert_as_in_runtime(proto)


def test_a_function_that_calls_itself_with_defaults():
    with pytest.raises(ModelError, match=r"cannot be inlined: my\.f calls itself"):
        load_graph(of_function("k: float = 0.25", "y = my.f <k: float = @k> (a)"))


OTHER_VERSION = """<ir_version: 9, opset_import: ["": 17, "my": 1]>
    g (float[2, 3] x) => (float[2, 3] y) {{ y = my.f(x) }}
    <domain: "my", opset_import: ["": {version}]> f (a) => (y) {{ {body} }}"""


@pytest.mark.parametrize(
    ("version", "body"),
    [(11, "y = Softmax <axis = 0> (a)"), (11, "y = Hardmax(a)"), (19, "y = Tanh(a)")],
)
def test_functions_are_read_in_the_version_of_the_model(version, body):
    """As by ONNX Runtime: Softmax of opset 11 would be taken over both axes."""
    assert_as_in_runtime(onnx.parser.parse_model(OTHER_VERSION.format(version=version, body=body)))


@pytest.mark.parametrize(
    ("version", "body", "what"),
    [
        (9, "y = Clip <min = 0.0> (a)", "Clip with the attribute 'min'"),
        (18, "k = Constant <value_ints = [1]> () y = ReduceMax(a, k)", "ReduceMax of 2 inputs"),
        (20, "y = Gelu(a)", "Gelu;"),
    ],
)
def test_functions_that_the_version_of_the_model_does_not_fit(version, body, what):
    proto = onnx.parser.parse_model(OTHER_VERSION.format(version=version, body=body))
    with pytest.raises(
        ModelError, match=f"opset {version}, the model in 17, where there is no {what}"
    ):
        load_graph(proto)


def test_a_function_that_gives_its_input_itself():
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 18, "my": 1]>
        g (float[2] x) => (float[2] y) { t = my.same(x) y = Sin(t) }
        <domain: "my", opset_import: ["": 18]> same (a) => (a) { b = Sin(a) }""")
    gradient = osc.differentiate(proto, "y", ["x"], compare=False)
    x = np.array([3, 4], np.float32)
    np.testing.assert_allclose(run(gradient, {"x": x, "grad_y": x})["y"], np.sin(x), rtol=1e-6)


def test_an_identity_of_nothing_is_refused():
    node = helper.make_node("Identity", [], ["y"])
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    with pytest.raises(osc.OnnxscopeError):
        osc.differentiate(proto, of="y", wrt=["x"])
