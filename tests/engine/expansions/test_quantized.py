"""Quantised networks have the values of their grids and a straight-through gradient."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from expansion_checks import RNG, node_model, values
from graphs import session
from onnx import TensorProto, helper, numpy_helper
from onnxscope.errors import OperatorError, StraightThroughWarning
from onnxscope.runtime.session import open_session


def quantized_network() -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["w"], axis=0),
        helper.make_node("Conv", ["d", "w"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s2", "z2"], ["q2"]),
        helper.make_node("Transpose", ["q2"], ["q3"]),
        helper.make_node("DequantizeLinear", ["q3", "s2", "z2"], ["y"]),
    ]
    constants = {
        "s": np.float32(0.05),
        "z": np.uint8(120),
        "wq": RNG.integers(-100, 100, (4, 3, 3, 3)).astype(np.int8),
        "ws": np.array([0.01, 0.02, 0.005, 0.01], np.float32),
        "wz": np.zeros(4, np.int8),
        "s2": np.float32(0.1),
        "z2": np.int8(3),
    }
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4, 4, 1])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(proto)
    return proto


def test_quantised_values_pass_gradients_straight_through():
    proto = quantized_network()
    with pytest.warns(StraightThroughWarning, match="QuantizeLinear") as said:
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert [warning.filename for warning in said] == [__file__]
    x = values(1, 3, 6, 6)
    x[0, 0, :2] = 30  # beyond the grid's end
    plain = session(proto, optimized=False)
    cotangent = values(4, 4, 4, 1)
    y, gradient = session(graph).run(["y", "grad_x"], {"x": x, "grad_y": cotangent})
    np.testing.assert_array_equal(y, plain.run(None, {"x": x})[0])
    # The same network without its rounding, where nothing leaves the second grid.
    constants = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    kernel = constants["wq"] * constants["ws"].reshape(-1, 1, 1, 1)
    grid = (y.transpose(3, 2, 1, 0) / 0.1).round() + 3
    given = cotangent.transpose(3, 2, 1, 0) * ((grid > -128) & (grid < 127))
    expected = np.zeros_like(x)
    for i, j in np.ndindex(4, 4):
        expected[0, :, i : i + 3, j : j + 3] += np.tensordot(given[0, :, i, j], kernel, 1)
    expected[0, 0, :2] = 0
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_weights_in_blocks():
    x = RNG.integers(-8, 8, (6, 4)).astype(np.int8)
    scale = np.abs(values(3, 4))
    node = helper.make_node("DequantizeLinear", ["x", "s"], ["w"], axis=0, block_size=2)
    graph = helper.make_graph(
        [node, helper.make_node("MatMul", ["a", "w"], ["y"])],
        "test",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [2, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [numpy_helper.from_array(x, "x"), numpy_helper.from_array(scale, "s")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    a = values(2, 6)
    result = session(osc.differentiate(proto, of="y", wrt=["a"])).run(
        ["y"], {"a": a, "grad_y": np.ones((2, 4), np.float32)}
    )[0]
    np.testing.assert_allclose(result, a @ (x * scale.repeat(2, 0)), rtol=1e-5)


@pytest.mark.parametrize(
    ("domain", "op_type"), [("com.microsoft", "DynamicQuantizeLSTM"), ("com.microsoft", "QMoE")]
)
def test_integer_arithmetic_is_refused(domain, op_type):
    proto = node_model(op_type, [values(2, 2), np.zeros((2, 2), np.uint8)], domain=domain)
    with pytest.raises(OperatorError, match=f"{op_type} .* computes with integers alone"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


@pytest.mark.parametrize("saturate", [0, 1])
@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"])
def test_floats_of_eight_bits(kind, saturate):
    code = TensorProto.DataType.Value(kind)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], saturate=saturate),
        helper.make_node("Reshape", ["q", "two"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        [
            numpy_helper.from_array(np.float32(0.5), "s"),
            helper.make_tensor("z", code, [], [0.0]),
            numpy_helper.from_array(np.array([2, 3], np.int64), "two"),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    x = np.array([1, -2.3, 0.01, 0, 1e6, -1e6], np.float32)
    with pytest.warns(StraightThroughWarning):
        written = osc.differentiate(proto, of="y", wrt=["x"])
    feeds = {"x": x, "grad_y": np.ones((2, 3), np.float32)}
    y, gradient = session(written).run(["y", "grad_x"], feeds)
    np.testing.assert_array_equal(y, session(proto).run(None, {"x": x})[0])
    # What saturates does not move any more.
    np.testing.assert_array_equal(gradient, [1, 1, 1, 1, 1 - saturate, 1 - saturate])


@pytest.mark.parametrize("like", [False, True])
@pytest.mark.parametrize("saturate", [0, 1])
@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"])
def test_casts_to_eight_bits(kind, saturate, like):
    code = TensorProto.DataType.Value(kind)
    cast = (
        helper.make_node("CastLike", ["x", "z"], ["q"], saturate=saturate)
        if like
        else helper.make_node("Cast", ["x"], ["q"], to=code, saturate=saturate)
    )
    graph = helper.make_graph(
        [cast, helper.make_node("Cast", ["q"], ["w"], to=1), helper.make_node("Exp", ["w"], ["y"])],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [5]),
            helper.make_tensor_value_info("q", code, [5]),
        ],
        [helper.make_tensor("z", code, [], [0.0])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    x = np.array([1, -2.3, 0.01, 0, -1e6], np.float32)
    dy = np.array([1.23, -7e-5, 300, 1, 1], np.float32)
    with pytest.warns(StraightThroughWarning, match=f"to {kind.lower()}: Cast.* \\(node 'q'\\)"):
        written = osc.differentiate(proto, of="y", wrt=["x"])
    found = open_session(written, "cpu").run({"x": x, "grad_y": dy})
    wanted = open_session(proto, "cpu").run({"x": x})
    np.testing.assert_array_equal(found["y"], wanted["y"])
    assert found["q"].dtype == wanted["q"].dtype
    np.testing.assert_array_equal(found["q"].view(np.uint8), wanted["q"].view(np.uint8))
    passes = [1, 1, 1, 1, 1 - saturate]
    np.testing.assert_allclose(found["grad_x"], dy * wanted["y"] * passes, rtol=1e-6)


@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"])
def test_eight_bits_at_the_edges_of_a_model(kind):
    code = TensorProto.DataType.Value(kind)
    nodes = [
        helper.make_node("Cast", ["x"], ["w"], to=1),
        helper.make_node("Exp", ["w"], ["e"]),
        helper.make_node("Cast", ["e"], ["y"], to=code),
    ]
    ends = [helper.make_tensor_value_info(name, code, [4]) for name in "xy"]
    graph = helper.make_graph(nodes, "test", ends[:1], ends[1:])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    result = osc.verify(proto, "e")
    assert result.agrees
    assert (result.faithfulness.compared, result.faithfulness.departure) == (3, None)
    assert "straight through" in osc.verify(proto).cause


def test_floats_of_eight_bits_around_another_zero_are_refused():
    zero = numpy_helper.to_array(helper.make_tensor("z", TensorProto.FLOAT8E4M3FN, [], [2.0]))
    arrays = [values(3).astype(np.float32), np.array(1, np.float32), zero]
    proto = node_model("QuantizeLinear", arrays, opset=21, constants=("i1", "i2"))
    with pytest.raises(OperatorError, match="with a zero point, which has to be 0"):
        osc.differentiate(proto, of="o0", wrt=["i0"])
