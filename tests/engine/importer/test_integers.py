"""Between quantisation and its reverse: operators that only select, and such as compute."""

from __future__ import annotations

import warnings

import numpy as np
import onnxscope as osc
import pytest
from graphs import run, session
from onnx import TensorProto, defs, helper, numpy_helper
from onnxscope.graph.traits import Trait, operators, operators_with
from trait_examples import example_of

SCALE = np.float32(0.05)
ZERO = 3
SELECTING = operators_with(Trait.SELECTING)


def quantised(op):
    """A node between the two, with constants beside its first input; `None` if there is none."""
    example = example_of(op)
    schema = defs.get_schema(op, example.opset, "")
    if not example.inputs:
        return None
    formals = [schema.inputs[min(i, len(schema.inputs) - 1)] for i in range(len(example.inputs))]
    first = formals[0].type_str
    x = example.inputs[0]
    if "tensor(int8)" not in formals[0].types or x is None or x.dtype != np.float32:
        return None
    constants = {"scale": SCALE, "zero": np.int8(ZERO)}
    names = ["q"]
    for index, (array, formal) in enumerate(zip(example.inputs, formals, strict=True)):
        if index and array is not None:
            whole = formal.type_str == first
            constants[f"c{index}"] = (
                np.clip(np.round(array), -9, 9).astype(np.int8) if whole else array
            )
        if index:
            names.append("" if array is None else f"c{index}")
    outputs = ["r", *(f"r{i}" for i in range(1, schema.min_output))]
    same = schema.outputs[0].type_str == first
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node(op, names, outputs, **example.attributes),
        helper.make_node(
            "DequantizeLinear" if same else "Cast",
            ["r", "scale", "zero"] if same else ["r"],
            ["y"],
            **({} if same else {"to": TensorProto.FLOAT}),
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", 1, x.shape)],
        [helper.make_empty_tensor_value_info("y"), helper.make_empty_tensor_value_info("q")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", example.opset)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=10)
    try:
        session(proto)
    except Exception:  # there are dozens of unrelated classes of them
        return None
    return proto, x


QUANTISED = {op: found for op in sorted(operators()) if (found := quantised(op)) is not None}


def test_it_is_about_most_operators_that_select():
    assert {"Concat", "Gather", "MaxPool", "Pad", "Slice", "Split", "Transpose"} <= set(QUANTISED)
    assert len(SELECTING & set(QUANTISED)) > 20
    assert set(QUANTISED) - SELECTING


@pytest.mark.parametrize("op", QUANTISED)
def test_values_are_those_of_integers(op):
    proto, x = QUANTISED[op]
    wanted = run(proto, {"x": x})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", osc.OnnxscopeWarning)
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones_like(wanted["y"])})
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6)
    if op in SELECTING and op not in ("Cast", "CastLike"):
        assert found["grad_x"].any()


def test_integers_that_are_joined_and_largest_of_two():
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("Concat", ["q", "first"], ["c"], axis=1),
            helper.make_node("Max", ["c", "least"], ["m"]),
            helper.make_node("DequantizeLinear", ["m", "scale", "zero"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 3])],
        [helper.make_tensor_value_info("y", 1, [1, 4])],
        [
            numpy_helper.from_array(np.asarray(array), name)
            for name, array in {
                "scale": SCALE,
                "zero": np.uint8(10),
                "first": np.array([[7]], np.uint8),
                "least": np.array([5], np.uint8),
            }.items()
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    x = np.array([[0.5, -0.4, 0.3]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", osc.OnnxscopeWarning)
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones((1, 4), np.float32)})
    np.testing.assert_allclose(found["y"], run(proto, {"x": x})["y"], atol=1e-6)
    # The second is less than 5 of the grid.
    np.testing.assert_allclose(found["grad_x"], [[1, 0, 1]])
