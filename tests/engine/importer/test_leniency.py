"""Files that the format does not quite have, and that ONNX Runtime runs."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper, numpy_helper
from onnxscope.errors import ModelError
from onnxscope.importer.opsets import load_graph


def agrees(proto, feeds, of="y", wrt="x"):
    """The values of the graph with a gradient are those of the file."""
    before = proto.SerializeToString()
    graph = osc.differentiate(proto, of=of, wrt=[wrt])
    assert proto.SerializeToString() == before
    wanted = run(proto, feeds)
    found = run(graph, feeds | {f"grad_{of}": np.ones_like(wanted[of])})
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
    return graph


@pytest.mark.parametrize("size", [-1, -2])
def test_negative_sizes_are_open_ones(size):
    proto = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["": 13]>
        g (float[2,3] x) => (float[2,3] y) <float[2,3] e> { e = Exp(x) y = Relu(e) }""")
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        value.type.tensor_type.shape.dim[0].dim_value = size
    agrees(proto, {"x": np.ones((5, 3), np.float32)})


def test_an_open_size_in_a_branch():
    proto = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["": 16]>
        g (float[2] x) => (float[2] y) <bool yes = {1}> {
          y = If(yes) <
            then_branch = a () => (float[2] p) { p = Tanh(x) },
            else_branch = b () => (float[2] q) { q = Sin(x) }>
        }""")
    for attribute in proto.graph.node[0].attribute:
        attribute.g.output[0].type.tensor_type.shape.dim[0].dim_value = -1
    agrees(proto, {"x": np.ones(2, np.float32)})


@pytest.mark.parametrize(
    "versions", [[("", 12), ("", 13)], [("", 13), ("", 12)], [("ai.onnx", 13), ("", 12), ("", 12)]]
)
def test_of_several_versions_of_the_standard_operators_the_last_counts(versions):
    proto = onnx.parser.parse_model("""
        <ir_version: 7, opset_import: ["": 12]>
        g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax(x) }""")
    del proto.opset_import[:]
    proto.opset_import.extend(helper.make_opsetid(*version) for version in versions)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    agrees(proto, {"x": x})


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("opset", [7, 9])
def test_weights_of_old_files_are_listed_among_the_inputs_or_not(opset, version, listed):
    proto = onnx.parser.parse_model(f"""
        <ir_version: {version}, opset_import: ["": {opset}]>
        g (float[2] x) => (float[2] y) <float[2] w = {{2, 3}}> {{ y = Mul(x, w) }}""")
    if listed:
        proto.graph.input.append(helper.make_tensor_value_info("w", 1, [2]))
    agrees(proto, {"x": np.ones(2, np.float32)})


def sparse_model(positions, values=(2.0, 5.0), shape=(2, 3), dtype=np.float32):
    stored = numpy_helper.from_array(np.array(values, dtype), "w")
    indices = numpy_helper.from_array(np.array(positions, np.int64), "w_indices")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 2])],
        [helper.make_tensor_value_info("y", 1, [1, 3])],
        sparse_initializer=[helper.make_sparse_tensor(stored, indices, list(shape))],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("positions", [[1, 5], [[0, 1], [1, 2]]], ids=["flat", "by axis"])
def test_sparse_weights(positions):
    proto = sparse_model(positions)
    x = np.array([[1, 2]], np.float32)
    graph = agrees(proto, {"x": x})
    assert graph.graph.initializer[0].dims == [2, 3]
    by_weights = osc.differentiate(proto, of="y", wrt=["w"])
    gradient = run(by_weights, {"x": x, "grad_y": np.ones((1, 3), np.float32)})["grad_w"]
    np.testing.assert_array_equal(gradient, [[1, 1, 1], [2, 2, 2]])


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_sparse_constants(opset):
    dense = sparse_model([1, 5])
    value = dense.graph.sparse_initializer[0]
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["w"], sparse_value=value),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ],
        "g",
        list(dense.graph.input),
        list(dense.graph.output),
    )
    proto = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", opset)])
    agrees(proto, {"x": np.array([[1, 2]], np.float32)})


@pytest.mark.parametrize(
    ("positions", "options", "message"),
    [
        ([1, 6], {}, "positions beyond its end"),
        ([[0, 1], [2, 0]], {}, "invalid entry"),
        ([1, 2, 3], {}, "broadcast"),
        ([1, 5], {"shape": (2**20, 2**20)}, "too large"),
    ],
)
def test_damaged_sparse_weights(positions, options, message):
    with pytest.raises(ModelError, match=message) as caught:
        osc.differentiate(sparse_model(positions, **options), of="y", wrt=["x"])
    assert "'w'" in str(caught.value)


def test_a_file_that_names_another_operator_set_alone():
    proto = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"),
                helper.make_node("Relu", ["g"], ["y"]),
            ],
            "g",
            [helper.make_tensor_value_info("x", 1, [2])],
            [helper.make_tensor_value_info("y", 1, [2])],
        ),
        ir_version=8,
        opset_imports=[helper.make_opsetid("com.microsoft", 1)],
    )
    agrees(proto, {"x": np.array([-1, 1], np.float32)})
    del proto.opset_import[:]
    with pytest.raises(ModelError, match="names no version of the standard operator set"):
        osc.differentiate(proto, of="y", wrt=["x"])


def test_outputs_without_a_name_at_the_end():
    proto = onnx.parser.parse_model("""
        <ir_version: 4, opset_import: ["": 9]>
        g (float[2,3,2] x) => (float[2,3,2] y)
        <float[3] s = {1, 2, 3}, float[3] b = {0, 1, 2}, float[3] m = {1, 1, 1},
         float[3] v = {1, 4, 9}> { d, mask = Dropout(x)  y = BatchNormalization(d, s, b, m, v) }""")
    proto.graph.node[0].output[1] = ""
    proto.graph.node[1].output.extend([""] * 4)
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    x = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    found = run(graph, {"x": x, "grad_y": np.ones_like(x)})
    # ONNX Runtime ends the process on the file as it is.
    scale = (np.array([1, 2, 3]) / np.sqrt(np.array([1, 4, 9]) + 1e-5)).reshape(1, 3, 1)
    bias = np.array([0, 1, 2]).reshape(1, 3, 1)
    np.testing.assert_allclose(found["y"], (x - 1) * scale + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["grad_x"], np.broadcast_to(scale, x.shape), rtol=1e-6)


def test_negative_sizes_of_the_converter_are_open_ones():
    proto = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["": 11]>
        g (float[0,3,0,0] x) => (float[0,2,1,1] y) <float[2,3,3,3] w> {
          c = Conv(x, w) y = GlobalAveragePool(c) }""")
    del proto.graph.value_info[:]
    weights = numpy_helper.from_array(np.ones((2, 3, 3, 3), np.float32), "w")
    proto.graph.initializer.append(weights)
    graph = load_graph(proto).model.graph
    sizes = [dim for node in graph for value in node.outputs for dim in value.shape or ()]
    assert not any(isinstance(dim, int) and dim < 0 for dim in sizes)


def test_inputs_without_a_name_at_the_end():
    proto = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["": 17]>
        g (float[2,3] x) => (float y) <int64[2] t = {0, 2}> {
          y = NegativeLogLikelihoodLoss(x, t) }""")
    plain = onnx.ModelProto()
    plain.CopyFrom(proto)
    proto.graph.node[0].input.append("")
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    found = run(osc.differentiate(proto, of="y", wrt=["x"]), {"x": x})
    np.testing.assert_allclose(found["y"], run(plain, {"x": x})["y"], rtol=1e-6)
    assert found["grad_x"].tolist() == [[-0.5, 0, 0], [0, 0, -0.5]]


@pytest.mark.parametrize(
    "text",
    [
        """<ir_version: 8, opset_import: ["": 17]>
        g (float[2, 3] x) => (float[2, 3] y) { e = ai.onnx.Exp(x) y = Neg(e) }""",
        """<ir_version: 8, opset_import: ["ai.onnx": 17]>
        g (float[2, 3] x) => (float[2, 3] y) { e = Exp(x) y = ai.onnx.Neg(e) }""",
    ],
)
def test_the_standard_operators_have_two_names(text):
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    agrees(onnx.parser.parse_model(text), {"x": x})


@pytest.mark.parametrize(
    ("called", "domain", "version"),
    [
        ("com.microsoft.Gelu", "com.microsoft", 17),
        ("com.microsoft.QuickGelu", "com.microsoft", 17),
        ("Gelu", "", 20),
        ("Softplus", "", 17),
        ("Softplus", "ai.onnx", 17),
        ("com.microsoft.Mine", "com.microsoft", 17),
        ("my.Gelu", "my", 17),
    ],
)
def test_what_is_called_like_an_operator_of_the_runtimes_is_that_operator(called, domain, version):
    name = called.rpartition(".")[2]
    proto = onnx.parser.parse_model(f"""
        <ir_version: 9, opset_import: ["": {version}, "com.microsoft": 1, "my": 1]>
        g (float[2, 3] x) => (float[2, 3] y) {{ t = {called}(x) y = my.twice(t) }}
        <domain: "my", opset_import: ["": {version}, "com.microsoft": 1, "my": 1]>
        twice (a) => (b) {{ c = {called}(a) b = Add(c, c) }}
        <domain: "{domain}", opset_import: ["": {version}]> {name} (a) => (b) {{ b = Sin(a) }}""")
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    agrees(proto, {"x": x})
