"""The builder: names, constants, types and shapes at once, and errors where they are made."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from graphs import run, session
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException
from onnxscope.errors import EmptyError, InputError, ModelError, OnnxscopeError, OperatorError
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.versions import IR_VERSION, OPSET
from onnxscope.importer.replay import replay


def test_names_are_unique():
    builder = Builder()
    x = builder.input("relu", (2,), np.float32)
    a, b = builder.op.Relu(x), builder.op.Relu(x)
    (c,) = builder.append("Relu", [x], {}, names=["mine"], node_name="relu_2")
    (d,) = builder.append("Relu", [x], {}, names=["mine"])
    k = builder.constant([1.0, 2], np.float32, name="mine")
    names = [tensor.name for tensor in (x, a, b, c, d, k)]
    assert names == ["relu", "relu_2", "relu_3", "mine", "mine_2", "mine_3"]
    nodes = [node.name for node in builder.graph]
    assert len(set(nodes)) == len(nodes)


def test_an_output_takes_its_name_from_whatever_inner_value_has_it():
    builder = Builder()
    x = builder.input("x", (2,), np.float32)
    relu = builder.op.Relu(x)
    tanh = builder.op.Tanh(relu)
    shared = builder.constant(1, np.float32)
    builder.output("relu", tanh)
    builder.output("constant", tanh + shared)
    assert (tanh.name, relu.name, shared.name) == ("relu", "relu_2", "constant_2")
    with pytest.raises(ModelError, match="called 'x'; rename it first"):
        builder.output("x", relu)
    with pytest.raises(ModelError, match="called 'relu'; rename it first"):
        builder.output("relu", relu)
    proto = model_of(builder)
    onnx.checker.check_model(proto, full_check=True)
    results = run(proto, {"x": np.array([-1, 1], np.float32)})
    np.testing.assert_allclose(results["constant"], results["relu"] + 1)


def test_one_value_under_two_names():
    builder = Builder()
    y = builder.op.Relu(builder.input("x", (2,), np.float32))
    builder.output("a", y)
    builder.output("b", y)
    results = run(model_of(builder), {"x": np.array([-1, 1], np.float32)})
    np.testing.assert_array_equal(results["a"], results["b"])


def test_small_constants_are_shared():
    builder = Builder()
    one = builder.constant(1, np.float32)
    assert builder.constant(np.float32(1), np.float32).value is one.value
    for other in (
        builder.constant(1, np.int64),
        builder.constant(1, np.float64),
        builder.constant([1], np.float32),
        builder.constant(-0.0, np.float32),
        builder.constant(0.0, np.float32),
        builder.constant(1, np.float32, name="one"),
    ):
        assert other.value is not one.value
    assert len({builder.constant(v, np.float32).value for v in (0.0, -0.0)}) == 2


def test_a_constant_is_a_copy():
    builder = Builder()
    data = np.ones(3, np.float32)
    constant = builder.constant(data)
    data[:] = 7
    np.testing.assert_array_equal(constant.array, [1, 1, 1])
    transposed = builder.constant(np.arange(6.0).reshape(2, 3).T)
    np.testing.assert_array_equal(transposed.array, np.arange(6.0).reshape(2, 3).T)


def test_types_and_shapes_are_known_at_once():
    builder = Builder()
    x = builder.input("x", ("N", 3, 8, 8), np.float32)
    assert (x.dims, x.rank, x.dtype) == (("N", 3, 8, 8), 4, np.float32)
    w = builder.constant(np.zeros((5, 3, 3, 3)), np.float32)
    y = builder.op.Conv(x, w, strides=[2, 2])
    assert y.dims == ("N", 5, 3, 3)
    assert builder.op.Reshape(y, builder.constant([0, -1], np.int64)).dims[1] == 45
    assert y.greater(0).dtype == np.bool_
    assert y.mean().dims == ()
    with pytest.raises(ModelError, match=r"only known as \(N, 5, 3, 3\); give the shapes"):
        _ = y.shape


def test_many_parts_of_a_split_have_known_sizes():
    builder = Builder()
    x = builder.input("x", (300, "N", 2), np.float32)
    sizes = builder.constant([1] * 100 + [2] * 100, np.int64)
    parts = builder.append("Split", [x, sizes], {"axis": 0}, outputs=200)
    assert [part.dims for part in parts] == [(1, "N", 2)] * 100 + [(2, "N", 2)] * 100


def test_what_does_not_fit_names_operator_and_shapes():
    builder = Builder()
    a = builder.input("a", (2, 3), np.float32)
    b = builder.input("b", (4, 5), np.float32)
    i = builder.input("i", (2, 3), np.int64)
    with pytest.raises(ModelError, match=r"MatMul does not accept a \(FLOAT, 2×3\), b \(FLOAT"):
        builder.op.MatMul(a, b)
    with pytest.raises(ModelError, match=r"Add does not accept a \(FLOAT, 2×3\), i \(INT64, 2×3"):
        builder.op.Add(a, i)
    with pytest.raises(ModelError, match="Relu does not accept"):
        builder.op.Relu(a, a)
    with pytest.raises(ModelError, match="Transpose does not accept"):
        builder.op.Transpose(a, perm=[0, 0])
    with pytest.raises(OperatorError, match=r"ONNX has no operator Rleu \(did you mean 'Relu'"):
        builder.op.Rleu(a)
    with pytest.raises(OperatorError, match=r"Gelu of ai\.onnx is unknown at opset 18"):
        builder.op.Gelu(a)
    assert Builder(opset=20).op.Gelu(Builder(opset=20).input("x", (2,), np.float32)).dims == (2,)
    assert not list(builder.graph), "a node that did not fit stays out of the graph"


def test_written_models_are_old_enough_for_every_runtime():
    builder = Builder()
    builder.output("y", builder.op.Relu(builder.input("x", (2,), np.float32)))
    proto = model_of(builder, {"key": "value"})
    assert (proto.ir_version, proto.opset_import[0].version) == (IR_VERSION, OPSET)
    assert IR_VERSION <= 13
    assert {entry.key: entry.value for entry in proto.metadata_props} == {"key": "value"}


def test_what_nobody_reads_is_not_written():
    builder = Builder()
    x = builder.input("x", (2,), np.float32)
    y = builder.op.Relu(x)
    unused = builder.op.Add(y, builder.constant([3.0, 4], np.float32))
    builder.op.Exp(unused)
    builder.output("y", y)
    proto = model_of(builder)
    assert [node.op_type for node in proto.graph.node] == ["Relu"]
    assert not proto.graph.initializer


# NumPy's manners ---------------------------------------------------------------------------------


def evaluated(function, *arrays):
    builder = Builder()
    tensors = [builder.input(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    builder.output("y", function(*tensors))
    proto = model_of(builder)
    onnx.checker.check_model(proto, full_check=True)
    return run(proto, {f"x{i}": array for i, array in enumerate(arrays)})["y"]


ROW = np.array([1.0, 2, 4], np.float32)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 1,
        lambda x: 1 + x,
        lambda x: x - 2,
        lambda x: 2 - x,
        lambda x: x * 3,
        lambda x: 3 * x,
        lambda x: x / 4,
        lambda x: 4 / x,
        lambda x: -x,
        lambda x: abs(-x),
        lambda x: x**2,
        lambda x: x**3,
        lambda x: x**-0.5,
        lambda x: ROW - x,
        lambda x: x * ROW,
        lambda x: ROW @ x,
        lambda x: x @ ROW,
    ],
)
def test_arithmetic(function):
    x = np.array([[1.5, 2, 0.5], [3, 1, 2], [0.25, 4, 8]], np.float32)
    expected = function(x)
    result = evaluated(function, x)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data())
def test_indexing(data):
    x = np.arange(2 * 5 * 4, dtype=np.float32).reshape(2, 5, 4)
    bound = st.none() | st.integers(-7, 7)
    step = st.none() | st.integers(-3, 3).filter(bool)
    item = st.builds(slice, bound, bound, step) | st.integers(-2, 1) | st.just(slice(None))
    key = tuple(data.draw(st.lists(item, max_size=3)))
    if len(key) < 3 and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(key)))
        key = (*key[:at], ..., *key[at:])
    expected = x[key]
    if expected.size == 0:
        with pytest.raises(EmptyError):
            evaluated(lambda t: t[key], x)
        return
    np.testing.assert_array_equal(evaluated(lambda t: t[key] + 0, x), expected)


def test_indices_that_do_not_fit():
    x = Builder().input("x", (2, 3), np.float32)
    with pytest.raises(InputError, match="index 3 is out of range: axis 1 of 'x' has 3"):
        x[0, 3]
    with pytest.raises(InputError, match="axes, and is given 3 indices"):
        x[0, 0, 0]
    with pytest.raises(InputError, match="is not an index"):
        x[[0, 1]]


def test_reductions_and_shapes():
    x = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    for function in (
        lambda t: t.mean(),
        lambda t: t.sum((0, -1)),
        lambda t: t.mean(1, keepdims=True),
        lambda t: t.reshape(6, -1),
        lambda t: t.transpose(2, 0, 1),
    ):
        np.testing.assert_allclose(evaluated(function, x), function(x))


# Sizes that leave nothing ------------------------------------------------------------------------


@st.composite
def windows(draw):
    """One convolution or pool, with whatever geometry."""
    op = draw(st.sampled_from(["Conv", "MaxPool", "AveragePool"]))
    kernel = draw(st.integers(1, 4))
    attributes = {
        "strides": [draw(st.integers(1, 4)), 1],
        "kernel_shape": [kernel, 1],
    }
    if draw(st.booleans()):
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        if op != "Conv":
            # ONNX Runtime computes negative padding otherwise, and refuses it.
            attributes["strides"][0] = min(attributes["strides"][0], kernel)
    else:
        most = 4 if op == "Conv" else kernel - 1
        pads = [draw(st.integers(0, most)) for _ in range(2)]
        attributes["pads"] = [pads[0], 0, pads[1], 0]
    if op != "AveragePool" and not attributes.get("auto_pad", "").startswith("SAME"):
        attributes["dilations"] = [draw(st.integers(1, 3)), 1]
    if op == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    if op != "Conv" and "auto_pad" not in attributes:
        # With auto_pad, the specification has no use for it, and ONNX Runtime another one.
        attributes["ceil_mode"] = draw(st.integers(0, 1))
    return op, draw(st.integers(1, 9)), attributes


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(windows())
def test_sizes_are_those_of_onnx_runtime(drawn):
    op, size, attributes = drawn
    x = np.arange(size, dtype=np.float32).reshape(1, 1, size, 1) - 2
    kernel = np.arange(1.0, attributes["kernel_shape"][0] + 1, dtype=np.float32)
    w = kernel.reshape(1, 1, -1, 1)
    node = helper.make_node(op, ["x", "w"] if op == "Conv" else ["x"], ["y"], **attributes)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "g", [value("x", 1, x.shape)], [value("y", 1, None)],
        [onnx.numpy_helper.from_array(w, "w")] if op == "Conv" else [],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    try:
        expected = session(proto).run(None, {"x": x})[0]
    except (Fail, InvalidArgument, RuntimeException):
        expected = np.zeros(0)
    builder = Builder()
    image = builder.input("x", x.shape, np.float32)
    try:
        tensor = replay(builder, ir.from_proto(proto).graph, {"x": image}, ["y"])["y"]
    except EmptyError:
        assert expected.size == 0
        return
    assert tensor.shape == expected.shape
    builder.output("y", tensor)
    written = model_of(builder)
    onnx.checker.check_model(written, full_check=True)
    np.testing.assert_allclose(run(written, {"x": x})["y"], expected, rtol=1e-6)


def test_a_kernel_larger_than_its_picture():
    builder = Builder()
    x = builder.input("x", (1, 3, 2, 2), np.float32)
    w = builder.constant(np.zeros((4, 3, 3, 3)), np.float32)
    for strides in (1, 2, 3):
        with pytest.raises(EmptyError, match=r"Conv leaves nothing of x \(FLOAT, 1×3×2×2\)"):
            builder.op.Conv(x, w, strides=[strides, strides])
    with pytest.raises(EmptyError, match="MaxPool leaves nothing of x"):
        builder.op.MaxPool(x, kernel_shape=[4, 4])
    with pytest.raises(EmptyError, match=r"Slice leaves nothing of Tensor\(x"):
        x[:, 3:]
    assert issubclass(EmptyError, OnnxscopeError)
