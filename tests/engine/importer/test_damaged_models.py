"""Damaged, hostile and odd files: a clear error in bounded time and memory, never a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fuzz_models
import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import session, text_model
from onnx import TensorProto, helper, numpy_helper
from onnxscope.errors import ModelError

FUZZ = Path(fuzz_models.__file__)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_models_are_refused_in_words(seed):
    """In a process of its own: it must not crash, hang or eat the memory."""
    done = subprocess.run(
        [sys.executable, str(FUZZ), str(seed), "300"], capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line for line in lines if line.startswith("FAIL")] == []
    assert lines[-1].startswith("done: 300 models")
    refused = int(lines[-1].split(", ")[1].split()[0])
    # Some damage does no harm, such as a flipped bit of a weight.
    assert 150 < refused < 300


def damaged(change) -> bytes:
    proto = fuzz_models.convolutions()
    change(proto.graph)
    return proto.SerializeToString()


def a_cycle(graph):
    graph.node[0].input[0] = "r1"


def a_missing_weight(graph):
    del graph.initializer[0]


def a_wrong_length(graph):
    graph.initializer[0].raw_data = graph.initializer[0].raw_data[:-4]


def a_negative_size(graph):
    graph.initializer[0].dims[0] = -8


def a_huge_size(graph):
    graph.initializer[0].dims[0] = 2**62


def an_unknown_type(graph):
    graph.initializer[0].data_type = 99


def two_producers(graph):
    graph.node[2].output[0] = "c1"


def an_output_from_nowhere(graph):
    graph.output[0].name = "nothing"


def an_attribute_of_another_type(graph):
    graph.node[0].attribute[0].CopyFrom(helper.make_attribute("strides", 1.5))


def a_contradiction_of_shapes(graph):
    graph.initializer[0].dims[:] = [4, 6, 3, 3]


def a_contradiction_of_types(graph):
    graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (a_cycle, r"Conv \(node 'c1'\) is part of a cycle"),
        (a_missing_weight, r"Conv \(node 'c1'\) reads 'w1', which is neither computed nor given"),
        (a_wrong_length, r"'w1' of the shape \(8, 3, 3, 3\) holds 860 bytes, not 864"),
        (a_negative_size, r"'w1' has the shape \(-8, 3, 3, 3\)"),
        (a_huge_size, r"'w1' has the shape"),
        (an_unknown_type, r"'w1' has the unknown type 99"),
        (two_producers, r"'c1' is computed by two nodes"),
        (an_output_from_nowhere, r"output 'nothing' is not computed"),
        (an_attribute_of_another_type, r"'strides' of Conv \(node 'c1'\) is of type FLOAT"),
        (a_contradiction_of_shapes, "its weights are for 6 channels, not for 3"),
        (a_contradiction_of_types, "'x' is int64: only real numbers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(osc.OnnxscopeError, match=message):
        osc.differentiate(damaged(change), of="y", wrt=["x"])


def test_gigabytes_of_zeros_are_not_read(tmp_path):
    path = tmp_path / "zeros.onnx"
    with path.open("wb") as file:
        file.truncate(8 * 2**30)  # sparse: takes no room
    with pytest.raises(ModelError, match="not an ONNX model"):
        osc.load(path)
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ModelError, match="is not an ONNX model"):
        osc.load(path)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "inside/../../secret.bin"])
def test_external_data_outside_of_the_folder_is_refused(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(864))
    proto = fuzz_models.convolutions()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "864")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="external data"):
        osc.load(path, input_range=(0, 1))


def test_a_link_to_external_data_outside_of_the_folder_is_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    proto = fuzz_models.convolutions()
    onnx.save(
        proto, folder / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    assert osc.load(folder / "model.onnx", input_range=(0, 1)).layers
    (folder / "w.bin").rename(tmp_path / "w.bin")
    (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(ModelError, match="external data"):
        osc.load(folder / "model.onnx", input_range=(0, 1))


@pytest.mark.parametrize(
    "text",
    [
        "y = ConstantOfShape(n)",
        "z = ConstantOfShape(n) y = Cast<to: int = 1>(z)",
        "o = ConstantOfShape(one) y = Expand(o, n)",
        "o = ConstantOfShape(one) y = Tile(o, n)",
    ],
)
def test_constants_of_terabytes_are_not_computed(text):
    nodes = f"{text} s = ReduceSum(y) out = Mul(x, s)"
    model = text_model(f"""g (float[1] x) => (float[1] out)
    <int64[1] n = {{4000000000000}}, int64[1] one = {{1}}> {{ {nodes} }}""")
    graph = osc.differentiate(model, of="out", wrt=["x"])
    assert graph.ByteSize() < 10_000


def test_nodes_in_any_order():
    proto = fuzz_models.convolutions()
    nodes = list(proto.graph.node)
    x = np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)
    feeds = {"x": x, "grad_y": np.ones((1, 4), np.float32)}
    straight = session(osc.differentiate(proto, of="y", wrt=["x"])).run(None, feeds)
    del proto.graph.node[:]
    proto.graph.node.extend(reversed(nodes))
    turned = session(osc.differentiate(proto, of="y", wrt=["x"])).run(None, feeds)
    for a, b in zip(straight, turned, strict=True):
        np.testing.assert_array_equal(a, b)


def test_duplicated_unused_and_shared_weights():
    proto = fuzz_models.convolutions()
    extra = numpy_helper.from_array(np.zeros((4, 4), np.float32), "unused")
    proto.graph.initializer.append(extra)
    # The same weights under two names, and an initializer that is declared as an input as well.
    twin = onnx.TensorProto()
    twin.CopyFrom(next(t for t in proto.graph.initializer if t.name == "b1"))
    twin.name = "b1_again"
    proto.graph.initializer.append(twin)
    proto.graph.node[1].input[2] = "b1_again"
    proto.graph.input.append(helper.make_tensor_value_info("w2", TensorProto.FLOAT, [6, 8, 1, 1]))
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert "unused" not in {t.name for t in graph.graph.initializer}
    assert [value.name for value in graph.graph.input] == ["x", "grad_y"]


def test_what_is_left_out_has_no_producer():
    nodes = [
        helper.make_node("Clip", ["x", "", "most"], ["c"]),
        helper.make_node("Dropout", ["c"], ["d", ""]),
        helper.make_node("LayerNormalization", ["d", "scale"], ["y", "", "z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        [
            numpy_helper.from_array(np.float32(1), "most"),
            numpy_helper.from_array(np.ones(3, np.float32), "scale"),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    found = session(osc.differentiate(proto, of="y", wrt=["x"])).run(
        ["y"], {"x": x, "grad_y": np.ones_like(x)}
    )
    np.testing.assert_allclose(found[0], session(proto).run(None, {"x": x})[0], rtol=1e-5)


@pytest.mark.parametrize(("shape", "fits"), [((5,), False), ((1, 1, 4), False), ((2, 1), True)])
def test_a_bias_that_does_not_fit_is_named(shape, fits):
    proto = text_model("""g (float[2, 3] x, float[3, 4] w, float[1] c) => (float[2, 4] y)
            { y = Gemm (x, w, c) }""")
    declared = helper.make_tensor_value_info("c", TensorProto.FLOAT, shape)
    proto.graph.input[2].CopyFrom(declared)
    if fits:
        osc.differentiate(proto, of="y", wrt=["c"])
        return
    with pytest.raises(ModelError, match=r"its bias .* is not for a product of the shape \(2×4\)"):
        osc.differentiate(proto, of="y", wrt=["c"])
