"""Operators that meant something else in earlier opsets keep that meaning."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper
from onnxscope.errors import ModelError, OperatorError


@pytest.mark.sample(8)
@pytest.mark.parametrize("axis", [None, -1, 0, 1, 2])
@pytest.mark.parametrize("opset", [9, 12, 13])
@pytest.mark.parametrize("op", ["Hardmax", "Softmax", "LogSoftmax"])
def test_all_axes_from_one_on_were_one_axis_before_opset_13(op, opset, axis):
    if axis == -1 and opset < 11:
        pytest.skip("axes were not counted from the end")
    given = "" if axis is None else f"<axis = {axis}>"
    # In the branch of an If as well, and beside a value that has the name of a new one.
    proto = onnx.parser.parse_model(f"""
        <ir_version: 6, opset_import: ["": {opset}]>
        g (float[2,3,4] x) => (float[2,3,4] y, float[2,3,4] z) <bool yes = {{1}}> {{
          y_flat = Exp(x)
          y_shape = {op} {given} (y_flat)
          y = Mul(y_shape, x)
          z = If(yes) <
            then_branch = a () => (float[2,3,4] p) {{ p = {op} {given} (x) }},
            else_branch = b () => (float[2,3,4] q) {{ q = Neg(x) }}>
        }}""")
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    wanted = run(proto, {"x": x})
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones_like(x)})
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)
    if op == "Hardmax":
        np.testing.assert_array_equal(found["grad_x"], wanted["y"] / x)


def of_opset_1(op, shape=(2, 3, 4, 4), **attributes):
    """A node of the first opset, which ONNX Runtime does not run, and another behind it."""
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["h"], **attributes), helper.make_node("Abs", ["h"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
    )
    return helper.make_model(graph, ir_version=3, opset_imports=[helper.make_opsetid("", 1)])


@pytest.mark.parametrize(
    ("op", "attributes", "wanted"),
    [
        ("Cast", {"to": "FLOAT"}, lambda x: x),
        ("GlobalLpPool", {"p": 3.0}, lambda x: (x**3).sum((2, 3), keepdims=True) ** (1 / 3)),
        ("Pad", {"paddings": [0, 0, 1, 0, 0, 0, 0, 2], "value": 0.5},
         lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=0.5)),
        ("Pad", {"paddings": [0, 0, 1, 0, 0, 0, 0, 2], "mode": "edge"},
         lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), mode="edge")),
        ("LpPool", {"p": 1.0, "kernel_shape": [4, 4]}, lambda x: x.sum((2, 3), keepdims=True)),
    ],
)  # fmt: skip
def test_forms_of_the_first_opset(op, attributes, wanted):
    x = np.random.default_rng(0).uniform(0.1, 1, (2, 3, 4, 4)).astype(np.float32)
    expected = wanted(x)
    graph = osc.differentiate(of_opset_1(op, **attributes), of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones_like(expected)})
    np.testing.assert_allclose(found["y"], expected, rtol=1e-5)


@pytest.mark.parametrize("opset", [1, 6])
@pytest.mark.parametrize("slopes", [1, 3])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 3)])
def test_slopes_of_a_prelu_belonged_to_the_channels(shape, slopes, opset):
    graph = helper.make_graph(
        [helper.make_node("PRelu", ["x", "slope"], ["y"])],
        "g",
        [
            helper.make_tensor_value_info("x", 1, shape),
            helper.make_tensor_value_info("slope", 1, [slopes]),
        ],
        [helper.make_tensor_value_info("y", 1, None)],
    )
    proto = helper.make_model(graph, ir_version=3, opset_imports=[helper.make_opsetid("", opset)])
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, *shape)).astype(np.float32)
    slope = rng.uniform(0.1, 1, slopes).astype(np.float32)
    wide = slope.reshape(-1, *([1] * (len(shape) - 2)))
    wrt = ["x", "slope"]
    found = run(osc.differentiate(proto, of="y", wrt=wrt), {"x": x, "slope": slope, "grad_y": dy})
    np.testing.assert_array_equal(found["y"], np.where(x < 0, wide * x, x))
    np.testing.assert_array_equal(found["grad_x"], np.where(x < 0, wide * dy, dy))
    parts = np.where(x < 0, x * dy, 0)
    channels = parts.sum(tuple(a for a in range(x.ndim) if a != 1))
    np.testing.assert_allclose(
        found["grad_slope"], channels if slopes == 3 else channels.sum()[None], rtol=1e-5
    )


def test_a_type_of_another_name_is_refused():
    with pytest.raises(ModelError, match="Cast"):
        osc.differentiate(of_opset_1("Cast", to="REAL"), of="y", wrt=["x"])


@pytest.mark.parametrize("opset", [6, 8, 10])
@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Clip", {"min": -0.5, "max": 0.5}),
        ("Clip", {"max": 0.25}),
        ("Pad", {"pads": [1, 2], "value": 0.5}),
        ("Pad", {"pads": [1, 2]}),
    ],
)
def test_numbers_that_were_attributes_are_of_the_type_of_what_they_bound(op, attributes, opset):
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", 10, [4])],
        [helper.make_tensor_value_info("y", 10, None)],
    )
    proto = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", opset)])
    x = np.array([-1, -0.2, 0.3, 2], np.float16)
    padded = op == "Pad"
    try:
        wanted = run(proto, {"x": x})["y"]
    except Exception:  # no kernel of that version for half precision: its meaning is known
        wanted = np.pad(x, (1, 2), constant_values=attributes.get("value", 0)) if padded else None
    assert wanted is not None
    found = run(
        osc.differentiate(proto, of="y", wrt=["x"]), {"x": x, "grad_y": np.ones_like(wanted)}
    )
    np.testing.assert_array_equal(found["y"], wanted)
    inside = np.ones(4) if padded else np.isin(x, wanted)
    np.testing.assert_array_equal(found["grad_x"], inside.astype(np.float16))


def test_a_scan_of_batches_with_several_lengths_is_refused():
    node = helper.make_node(
        "Scan",
        ["n", "h", "x"],
        ["y", "all"],
        num_scan_inputs=1,
        body=helper.make_graph(
            [helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("Tanh", ["c"], ["d"])],
            "body",
            [helper.make_tensor_value_info(name, 1, [2]) for name in "ab"],
            [helper.make_tensor_value_info(name, 1, [2]) for name in "cd"],
        ),
    )
    shapes = {"n": (7, [3]), "h": (1, [3, 2]), "x": (1, [3, 4, 2])}
    graph = helper.make_graph(
        [node],
        "batches",
        [helper.make_tensor_value_info(name, *of) for name, of in shapes.items()],
        [helper.make_empty_tensor_value_info("y"), helper.make_empty_tensor_value_info("all")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3)
    with pytest.raises(OperatorError, match=r"Scan \(node 'y'\) .* sequences of several lengths"):
        osc.differentiate(proto, of="all", wrt=["x"])

    proto.graph.node[0].input[0] = ""
    del proto.graph.input[0]
    x, h = np.random.default_rng(0).standard_normal((2, 3, 4, 2)).astype(np.float32)
    h = h[:, 0]
    found = run(osc.differentiate(proto, of="all", wrt=["x"]), {"x": x, "h": h, "grad_all": x})
    sums = h[:, None] + np.cumsum(x, 1)
    np.testing.assert_allclose(found["all"], np.tanh(sums), rtol=1e-4, atol=1e-6)
    slope = x * (1 - np.tanh(sums) ** 2)
    expected = np.cumsum(slope[:, ::-1], 1)[:, ::-1]
    np.testing.assert_allclose(found["grad_x"], expected, rtol=1e-3, atol=1e-5)


def test_a_sum_along_an_axis_that_the_converter_refuses_is_named():
    node = helper.make_node("Add", ["x", "b"], ["y"], name="plus", axis=1, broadcast=1)
    graph = helper.make_graph(
        [node],
        "axis",
        [
            helper.make_tensor_value_info("x", 1, [2, 3, 2]),
            helper.make_tensor_value_info("b", 1, [3]),
        ],
        [helper.make_tensor_value_info("y", 1, [2, 3, 2])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=3)
    with pytest.raises(ModelError, match=r"broadcast along an axis in Add \(node 'plus'\)"):
        osc.differentiate(proto, of="y", wrt=["x"])


@pytest.mark.parametrize(
    ("op", "opset", "attributes"),
    [
        ("Pad", 1, {"paddings": [0] * 6}),
        ("PRelu", 1, {}),
        ("Softmax", 9, {}),
        ("BatchNormalization", 1, {}),
    ],
)
def test_an_operator_without_inputs_is_refused(op, opset, attributes):
    node = helper.make_node(op, [], ["y"], **attributes)
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3, 4]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    with pytest.raises(osc.OnnxscopeError):
        osc.differentiate(proto, of="y", wrt=["x"])


@pytest.mark.parametrize(
    ("opset", "nodes"),
    [
        (7, "z, m = Dropout(x) y = Add(z, m)"),
        (10, "z, m = Dropout(x) n = Cast<to = 1>(m) y = Add(z, n)"),
        (12, "z, m = Dropout(x) n = Cast<to = 1>(m) y = Add(z, n)"),
        (13, "y, m = Dropout(x, nothing, true)"),
    ],
)
def test_the_mask_of_a_dropout_was_false_once(opset, nodes):
    model = onnx.parser.parse_model(
        f"""<ir_version: {4 if opset < 12 else 8}, opset_import: ["": {opset}]>
        g (float[4] x) => (float[4] y) {{ {nodes} }}"""
    )
    if opset == 13:
        for name, value in (("nothing", np.float32(0)), ("true", np.bool_(True))):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    x, dy = (np.arange(4, dtype=np.float32) + start for start in (-1, 3))
    graph = osc.differentiate(model, "y", ["x"], compare=False)
    found = run(graph, {"x": x, "grad_y": dy})
    np.testing.assert_array_equal(found["y"], run(model, {"x": x})["y"])
    np.testing.assert_array_equal(found["grad_x"], dy)
