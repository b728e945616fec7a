"""Inner values as outputs: the rest of the file is as it was, and ONNX Runtime runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import onnxscope as osc
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxscope.errors import LayerError
from onnxscope.network.exposing import exposed

RNG = np.random.default_rng(3)


def network(opset: int = 17, ir_version: int = 8, *, listed: bool = False) -> onnx.ModelProto:
    """Two convolutions and a head; `listed`: weights are among the inputs, as up to IR 3."""
    weights = {
        "w0": RNG.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "w1": RNG.standard_normal((600, 4, 1, 1)).astype(np.float32),
    }
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])]
    if listed:
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
            for name, array in weights.items()
        ]
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["/body/conv0/Conv_output_0"], pads=[1] * 4,
                         name="/body/conv0/Conv"),
        helper.make_node("Relu", ["/body/conv0/Conv_output_0"], ["/body/relu/Relu_output_0"],
                         name="/body/relu/Relu"),
        helper.make_node("Conv", ["/body/relu/Relu_output_0", "w1"], ["head"], name="/head/Conv"),
        helper.make_node("GlobalAveragePool", ["head"], ["pooled"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "network",
        inputs,
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["N", 600, 1, 1])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def run(model: onnx.ModelProto | str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    data = model if isinstance(model, str) else model.SerializeToString()
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def pictures() -> np.ndarray:
    return RNG.random((2, 3, 8, 6), np.float32)


@pytest.mark.parametrize(("opset", "ir_version", "listed"), [(17, 8, False), (7, 3, True)])
def test_all_else_is_byte_for_byte_as_it_was(opset, ir_version, listed):
    original = network(opset, ir_version, listed=listed)
    found = osc.expose(original, ["/body/relu/Relu_output_0", "head"])
    onnx.checker.check_model(found)
    feeds = {"image": pictures()}
    outputs = run(found, feeds)
    assert list(outputs) == ["pooled", "/body/relu/Relu_output_0", "head"]
    np.testing.assert_array_equal(outputs["pooled"], run(original, feeds)["pooled"])
    told = {output.name: output.type.tensor_type for output in found.graph.output}
    sizes = [d.dim_param or d.dim_value for d in told["head"].shape.dim]
    assert sizes[:2] == ["N", 600]
    del found.graph.output[1:]
    assert found.SerializeToString() == original.SerializeToString()


def test_values_are_those_of_the_layers(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(network(), path)
    model = osc.load(path, input_range=(0, 1))
    found = osc.expose(model, "body.relu")
    photos = pictures()
    outputs = run(found, {"image": photos})
    theirs = model.activations(photos.transpose(0, 2, 3, 1), ["body.relu"])["body.relu"]
    np.testing.assert_allclose(outputs["/body/relu/Relu_output_0"], theirs, rtol=1e-5, atol=1e-5)
    # By a path as by the model.
    again = osc.expose(path, "body.relu")
    assert again.SerializeToString() == found.SerializeToString()


def test_sizes_that_are_open_stay_open():
    found = osc.expose(network(), "head")
    dims = found.graph.output[-1].type.tensor_type.shape.dim
    assert not dims[2].HasField("dim_value")
    assert not dims[3].HasField("dim_value")
    assert not any(dim.dim_param.startswith("unk__") for dim in dims)


def test_what_the_file_declares_wrongly_is_inferred_anew():
    model = network()
    model.graph.value_info.append(
        helper.make_tensor_value_info("head", TensorProto.FLOAT, [1, 600, 7, 7])
    )
    found = osc.expose(model, "head")
    dims = found.graph.output[-1].type.tensor_type.shape.dim
    assert dims[0].dim_param == "N"
    assert run(found, {"image": pictures()})["head"].shape == (2, 600, 8, 6)


def test_cut_leaves_what_the_layer_needs():
    original = network(7, 3, listed=True)
    found = osc.expose(original, "/body/relu/Relu_output_0", cut=True)
    onnx.checker.check_model(found)
    assert [node.op_type for node in found.graph.node] == ["Conv", "Relu"]
    assert [tensor.name for tensor in found.graph.initializer] == ["w0"]
    assert [value.name for value in found.graph.input] == ["image", "w0"]
    assert [value.name for value in found.graph.output] == ["/body/relu/Relu_output_0"]
    whole = osc.expose(original, "/body/relu/Relu_output_0")
    feeds = {"image": pictures()}
    name = "/body/relu/Relu_output_0"
    np.testing.assert_array_equal(run(found, feeds)[name], run(whole, feeds)[name])


def test_cut_in_the_order_of_asking_and_outputs_stay_outputs():
    found = osc.expose(network(), ["pooled", "head"], cut=True)
    assert [value.name for value in found.graph.output] == ["pooled", "head"]
    assert len(osc.expose(network(), ["pooled"]).graph.output) == 1


def test_weights_beside_the_file_stay_beside(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    path, target = tmp_path / "a" / "m.onnx", tmp_path / "b" / "n.onnx"
    onnx.save(network(), path, save_as_external_data=True, location="m.bin", size_threshold=0)
    found = exposed(path, ["head"])
    assert found.beside
    assert found.save(target) == [target, target.with_name("n.onnx.data")]
    assert target.stat().st_size < 3000
    feeds = {"image": pictures()}
    outputs = run(str(target), feeds)
    np.testing.assert_array_equal(outputs["pooled"], run(str(path), feeds)["pooled"])
    assert outputs["head"].shape == (2, 600, 8, 6)


def test_sequences_and_optional_values():
    graph = helper.make_graph(
        [
            helper.make_node("SequenceConstruct", ["x", "x"], ["s"]),
            helper.make_node("Optional", ["x"], ["o"]),
            helper.make_node("OptionalGetElement", ["o"], ["e"]),
            helper.make_node("ConcatFromSequence", ["s"], ["t"], axis=0),
            helper.make_node("Add", ["t", "e"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["M"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    found = osc.expose(model, ["s", "o"])
    onnx.checker.check_model(found)
    kinds = [output.type.WhichOneof("value") for output in found.graph.output]
    assert kinds == ["tensor_type", "sequence_type", "optional_type"]
    outputs = run(found, {"x": np.ones(1, np.float32)})
    assert len(outputs["s"]) == 2
    np.testing.assert_array_equal(outputs["o"], [1.0])


def test_runtime_tells_types_of_its_own_operators():
    graph = helper.make_graph(
        [
            helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"),
            helper.make_node("Relu", ["g"], ["r"]),
            helper.make_node("Neg", ["r"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    found = osc.expose(model, ["g", "r"])
    dims = [d.dim_param or d.dim_value for d in found.graph.output[1].type.tensor_type.shape.dim]
    assert dims == ["N", 5]
    run(found, {"x": np.ones((2, 5), np.float32)})
    model.graph.node[0].domain = "nobody"
    model.opset_import.append(helper.make_opsetid("nobody", 1))
    with pytest.raises(osc.OnnxscopeError, match="does not say the type of 'g'"):
        osc.expose(model, ["g"])


def branches() -> onnx.ModelProto:
    def body(name: str, op: str) -> onnx.GraphProto:
        return helper.make_graph(
            [helper.make_node(op, ["a"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )

    graph = helper.make_graph(
        [
            helper.make_node("Abs", ["x"], ["a"]),
            helper.make_node("Neg", ["x"], ["unused"]),
            helper.make_node("If", ["c"], ["y"], then_branch=body("inner", "Neg"),
                             else_branch=body("other", "Relu")),
            helper.make_node("Neg", ["y"], ["z"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"]),
         helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N"])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_what_subgraphs_read_is_needed():
    found = osc.expose(branches(), "y", cut=True)
    assert [node.op_type for node in found.graph.node] == ["Abs", "If"]
    outputs = run(found, {"x": np.ones(2, np.float32), "c": np.array(True)})
    np.testing.assert_array_equal(outputs["y"], [-1, -1])


def called() -> onnx.ModelProto:
    function = helper.make_function(
        "mine", "Twice", ["a"], ["b"],
        [helper.make_node("Abs", ["a"], ["inside"]), helper.make_node("Neg", ["inside"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["t"], domain="mine"),
         helper.make_node("Relu", ["t"], ["y"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=8)


def test_results_of_functions_are_outputs():
    outputs = run(osc.expose(called(), "t"), {"x": np.ones(2, np.float32)})
    np.testing.assert_array_equal(outputs["t"], [-1, -1])
    assert len(osc.expose(called(), "t", cut=True).functions) == 1


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [
        (branches, "inner", "inside of .*If.*subgraph"),
        (called, "inside", "inside of the function Twice"),
        (branches, "x", "'x' is an input"),
        (network, "w1", "'w1' is a weight"),
        (network, "heads", "computes no value 'heads'; did you mean 'head'"),
        (network, "body.rely", "computes no value 'body.rely'; did you mean 'body.relu'"),
    ],
)
def test_what_can_be_no_output_is_refused(model, name, said):
    with pytest.raises(LayerError, match=said):
        osc.expose(model(), name)


def test_command(tmp_path: Path):
    from onnxscope.cli.app import app
    from typer.testing import CliRunner

    path, target = tmp_path / "m.onnx", tmp_path / "n.onnx"
    onnx.save(network(), path)
    result = CliRunner().invoke(app, ["expose", str(path), "body.relu", "-o", str(target), "--cut"])
    assert result.exit_code == 0, result.output
    assert "out  /body/relu/Relu_output_0  float32 N×4×?×?  (body.relu)" in result.output
    assert [n.op_type for n in onnx.load(target).graph.node] == ["Conv", "Relu"]
    result = CliRunner().invoke(app, ["expose", str(path), "nothing", "-o", str(target)])
    assert result.exit_code == 2
    assert "computes no value 'nothing'" in result.stderr
