"""Numbers that NumPy has no types for, in and out of ONNX Runtime; what it refuses, in words."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxscope.errors import ModelError
from onnxscope.runtime.session import open_session

X = np.array([[1, -0.3, 3, 0, -7], [0.07, 2.6, 6, -1, 5]], np.float32)

ROUNDED = {
    "BFLOAT16": [1, -0.30078125, 3, 0, -7],
    "FLOAT8E4M3FN": [1, -0.3125, 3, 0, -7],
    "FLOAT8E4M3FNUZ": [1, -0.3125, 3, 0, -7],
    "FLOAT8E5M2": [1, -0.3125, 3, 0, -7],
    "FLOAT8E5M2FNUZ": [1, -0.3125, 3, 0, -7],
    "INT4": [1, 0, 3, 0, -7],
    "UINT4": [1, 0, 3, 0, 9],
}


def two_casts(kind: int) -> onnx.ModelProto:
    """From a type to single precision and back."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["wide"], ["y"], to=kind),
        ],
        "casts",
        [info("x", kind, X.shape)],
        [info("wide", TensorProto.FLOAT, X.shape), info("y", kind, X.shape)],
    )
    opset = helper.make_opsetid("", 21)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


@pytest.mark.parametrize("name", ROUNDED)
def test_numbers_go_in_and_out(name):
    kind = TensorProto.DataType.Value(name)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    session = open_session(two_casts(kind), "cpu")
    # As numbers of the type, and as single precision that is rounded to it.
    for x in (X.astype(dtype), X):
        found = session.run({"x": x}, seconds=60.0)
        assert found["y"].dtype == dtype
        assert found["wide"].dtype == np.float32
        for values in found.values():
            np.testing.assert_array_equal(values[0].astype(np.float32), ROUNDED[name])
            np.testing.assert_array_equal(
                values.astype(np.float32), X.astype(dtype).astype(np.float32)
            )


def test_an_empty_one():
    model = two_casts(TensorProto.FLOAT8E5M2)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 0
    x = np.zeros((0, 5), ml_dtypes.float8_e5m2)
    assert open_session(model, "cpu").run({"x": x})["y"].shape == (0, 5)


@pytest.mark.parametrize(
    ("name", "where"),
    [("named", "node 'named'"), ("", "a node that gives 'wide', 'y'")],
)
def test_a_node_that_there_is_no_form_of(name, where):
    model = two_casts(TensorProto.FLOAT4E2M1)
    model.opset_import[0].version = 23
    model.graph.node[0].name = name
    message = rf"no form of Cast, of opset \d+, for the types there \({where}\)$"
    with pytest.raises(ModelError, match=message):
        open_session(model, "cpu")
