"""A GoogLeNet as the ONNX model zoo writes it, with few channels and random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxscope import models
from onnxscope.errors import ModelError
from onnxscope.graph.metadata import Metadata
from onnxscope.models.architectures import ARCHITECTURES, Origin
from onnxscope.models.zoo import convert_zoo, is_zoo_googlenet

ORIGIN = Origin("ImageNet", "the zoo", "MIT", ("a", "b"))
BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
CLASSES = 7


def zoo_model(opset: int = 9) -> onnx.ModelProto:
    """Operators, attributes and names as in googlenet-9; two channels where it has hundreds."""
    random = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def node(operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def weight(name: str, *shape: int) -> str:
        # Positive on average: with so few channels a dead one would make everything behind it 0.
        values = random.normal(0.3, 0.7, shape) / np.sqrt(np.prod(shape[1:]))
        values = values.astype(np.float32)
        weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(x: str, layer: str, inputs: int, outputs: int, kernel: int, stride: int = 1) -> str:
        pad = (kernel - 1) // 2
        parameters = [
            weight(f"{layer}_w_0", outputs, inputs, kernel, kernel),
            weight(f"{layer}_b_0", outputs),
        ]
        made = node(
            "Conv",
            [x, *parameters],
            f"{layer}_1",
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
        )
        return node("Relu", [made], f"{layer}_2")

    def pool(x: str, layer: str, stride: int = 2) -> str:
        pads = [0, 0, 1, 1] if stride == 2 else [1, 1, 1, 1]
        return node(
            "MaxPool", [x], f"{layer}_1", kernel_shape=[3, 3], strides=[stride] * 2, pads=pads
        )

    def norm(x: str, layer: str) -> str:
        return node("LRN", [x], f"{layer}_1", size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def block(x: str, name: str, inputs: int) -> str:
        layer = f"inception_{name}/"
        branches = [
            conv(x, layer + "1x1", inputs, 2, 1),
            conv(conv(x, layer + "3x3_reduce", inputs, 2, 1), layer + "3x3", 2, 3, 3),
            conv(conv(x, layer + "5x5_reduce", inputs, 2, 1), layer + "5x5", 2, 2, 5),
            conv(pool(x, layer + "pool", 1), layer + "pool_proj", inputs, 1, 1),
        ]
        return node("Concat", branches, layer + "output_1", axis=1)

    x = norm(pool(conv("data_0", "conv1/7x7_s2", 3, 4, 7, 2), "pool1/3x3_s2"), "pool1/norm1")
    x = conv(conv(x, "conv2/3x3_reduce", 4, 4, 1), "conv2/3x3", 4, 6, 3)
    x = pool(norm(x, "conv2/norm2"), "pool2/3x3_s2")
    channels = 6
    for name in BLOCKS:
        x = block(x, name, channels)
        channels = 8
        if name in ("3b", "4e"):
            x = pool(x, f"pool{int(name[0])}/3x3_s2")
    x = node("AveragePool", [x], "pool5/7x7_s1_1", kernel_shape=[7, 7], strides=[1, 1])
    ratio = {"ratio": 0.4} if opset < 12 else {}
    nodes.append(helper.make_node("Dropout", [x], ["pool5/7x7_s1_2", "_pool5/mask"], **ratio))
    weights.append(numpy_helper.from_array(np.array([1, channels], np.int64), "OC2_DUMMY_1"))
    x = node("Reshape", ["pool5/7x7_s1_2", "OC2_DUMMY_1"], "OC2_DUMMY_0")
    classifier = [
        weight("loss3/classifier_w_0", CLASSES, channels),
        weight("loss3/classifier_b_0", CLASSES),
    ]
    x = node("Gemm", [x, *classifier], "loss3/classifier_1", transB=1)
    node("Softmax", [x], "prob_1")
    graph = helper.make_graph(
        nodes,
        "bvlc_googlenet",
        # Files of IR version 3 list the weights among the inputs.
        [
            helper.make_tensor_value_info("data_0", TensorProto.FLOAT, [1, 3, 224, 224]),
            *(
                helper.make_tensor_value_info(one.name, one.data_type, list(one.dims))
                for one in weights
            ),
        ],
        [helper.make_tensor_value_info("prob_1", TensorProto.FLOAT, [1, CLASSES])],
        weights,
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=3 if opset < 12 else 6)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="module")
def published() -> onnx.ModelProto:
    return zoo_model()


@pytest.fixture(scope="module")
def converted(published: onnx.ModelProto) -> onnx.ModelProto:
    return convert_zoo(published, ORIGIN)


def _run(model: onnx.ModelProto, x: np.ndarray, names: list[str] | None = None) -> dict:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # the published form lists weights as inputs, a warning each
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = names or [output.name for output in session.get_outputs()]
    (source,) = session.get_inputs()
    return dict(zip(names, session.run(names, {source.name: x}), strict=True))


def _images(batch: int, side: int) -> np.ndarray:
    shape = (batch, 3, side, side)
    return np.random.default_rng(1).random(shape, dtype=np.float32)


def _with_all_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    model = onnx.ModelProto.FromString(model.SerializeToString())
    known = {output.name for output in model.graph.output}
    for node in model.graph.node:
        if node.output[0] not in known and node.op_type != "Reshape":
            model.graph.output.append(helper.make_empty_tensor_value_info(node.output[0]))
    return model


RENAMED = {
    "conv1/7x7_s2_1": "conv2d0_pre_relu",
    "conv1/7x7_s2_2": "conv2d0",
    "pool1/3x3_s2_1": "maxpool0",
    "pool1/norm1_1": "localresponsenorm0",
    "conv2/3x3_2": "conv2d2",
    "inception_3a/5x5_reduce_2": "mixed3a_5x5_bottleneck",
    "inception_3b/output_1": "mixed3b",
    "pool3/3x3_s2_1": "maxpool4",
    "inception_4a/pool_1": "mixed4a_pool",
    "inception_4a/pool_proj_1": "mixed4a_pool_reduce_pre_relu",
    "inception_5b/output_1": "mixed5b",
    "pool5/7x7_s1_1": "avgpool0",
    "loss3/classifier_1": "softmax2_pre_activation",
    "prob_1": "softmax2",
}


@pytest.mark.parametrize("opset", [9, 12])
def test_the_published_numbers_from_rgb_pictures(opset: int) -> None:
    source = zoo_model(opset)
    image = _images(1, 224)
    # What a user of the published file does by hand.
    bgr = image[:, ::-1] * 255 - np.array([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
    expected = _run(_with_all_outputs(source), bgr.astype(np.float32), list(RENAMED))
    found = _run(convert_zoo(source, ORIGIN), image)
    for old, new in RENAMED.items():
        assert expected[old].shape == found[new].shape, new
        scale = np.abs(expected[old]).max()
        assert scale > 0, new
        np.testing.assert_allclose(found[new], expected[old], rtol=0, atol=2e-5 * scale)
    assert np.abs(found["softmax2"].sum() - 1) < 1e-5


def test_every_layer_under_the_names_of_inception_v1(converted: onnx.ModelProto) -> None:
    names = [output.name for output in converted.graph.output]
    assert set(RENAMED.values()) <= set(names)
    assert len(names) == len(set(names))
    assert names[:2] == ["conv2d0_pre_relu", "conv2d0"]
    assert names[-1] == "softmax2"
    # Convolutions before and after ReLU; pools, norms, blocks, the average, the head.
    assert len(names) == 2 * 57 + 13 + 2 + 2 * 9 + 1 + 2
    assert [node.op_type for node in converted.graph.node[:3]] == ["Mul", "Add", "Conv"]


def test_names_agree_with_those_of_the_caffe_original(converted: onnx.ModelProto) -> None:
    published = {
        "1x1": 1,
        "3x3_reduce": 1,
        "3x3": 3,
        "5x5_reduce": 1,
        "5x5": 5,
        "pool_proj": 1,
    }
    widths = {
        "3a": (192, 64, 96, 128, 16, 32, 32),
        "3b": (256, 128, 128, 192, 32, 96, 64),
        "4a": (480, 192, 96, 208, 16, 48, 64),
        "4b": (512, 160, 112, 224, 24, 64, 64),
        "4c": (512, 128, 128, 256, 24, 64, 64),
        "4d": (512, 112, 144, 288, 32, 64, 64),
        "4e": (528, 256, 160, 320, 32, 128, 128),
        "5a": (832, 256, 160, 320, 32, 128, 128),
        "5b": (832, 384, 192, 384, 48, 128, 128),
    }
    shapes = {
        "conv1/7x7_s2": (64, 3, 7),
        "conv2/3x3_reduce": (64, 64, 1),
        "conv2/3x3": (192, 64, 3),
    }
    for block, (inputs, *outs) in widths.items():
        sources = (inputs, inputs, outs[1], inputs, outs[3], inputs)
        for (branch, kernel), out, source in zip(published.items(), outs, sources, strict=True):
            shapes[f"inception_{block}/{branch}"] = (out, source, kernel)
    weights = {"loss3/classifier/0": np.zeros((9, 1024), np.float32)}
    weights["loss3/classifier/1"] = np.zeros(9, np.float32)
    for name, (out, source, kernel) in shapes.items():
        weights[f"{name}/0"] = np.zeros((out, source, kernel, kernel), np.float32)
        weights[f"{name}/1"] = np.zeros(out, np.float32)
    built = ARCHITECTURES["inception_v1"].build(weights, ORIGIN)
    assert {output.name for output in built.graph.output} == {
        output.name for output in converted.graph.output
    }


@pytest.mark.parametrize(("batch", "side"), [(3, 224), (2, 160), (1, 256)])
def test_any_batch_and_size(converted: onnx.ModelProto, batch: int, side: int) -> None:
    images = _images(batch, side)
    found = _run(converted, images)
    assert found["softmax2"].shape == (batch, CLASSES)
    assert found["mixed4a"].shape[:2] == (batch, 8)
    for index in range(batch):
        alone = _run(converted, images[index : index + 1], ["softmax2_pre_activation"])
        np.testing.assert_allclose(
            alone["softmax2_pre_activation"][0],
            found["softmax2_pre_activation"][index],
            rtol=1e-4,
            atol=1e-5,
        )


def test_what_the_model_says_of_itself(converted: onnx.ModelProto) -> None:
    metadata = Metadata.from_props({prop.key: prop.value for prop in converted.metadata_props})
    assert metadata is not None
    assert (metadata.architecture, metadata.size) == ("inception_v1", 224)
    assert (metadata.dataset, metadata.source, metadata.license) == ("ImageNet", "the zoo", "MIT")
    assert metadata.labels == ("a", "b")
    assert metadata.layers == tuple(output.name for output in converted.graph.output)
    assert "BGR" in metadata.preprocessing
    (image,) = converted.graph.input
    assert image.name == "image"
    dims = image.type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["N", 3, "H", "W"]
    assert converted.opset_import[0].version == 18
    assert converted.ir_version <= 13
    for output in converted.graph.output:
        assert output.type.tensor_type.shape.dim[1].dim_value > 0, output.name
    assert "OC2_DUMMY_1" not in {one.name for one in converted.graph.initializer}


def test_the_published_model_is_not_touched(published: onnx.ModelProto) -> None:
    before = published.SerializeToString(deterministic=True)
    convert_zoo(published, ORIGIN)
    assert published.SerializeToString(deterministic=True) == before


def test_other_models_are_refused(published: onnx.ModelProto) -> None:
    other = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["":18]> g (float[1] x) => (float[1] y) {y = Relu(x)}'
    )
    assert not is_zoo_googlenet(other)
    with pytest.raises(ModelError, match="not a GoogLeNet"):
        convert_zoo(other, ORIGIN)
    headless = onnx.ModelProto.FromString(published.SerializeToString())
    kept = [node for node in headless.graph.node if node.op_type not in ("AveragePool", "Reshape")]
    del headless.graph.node[:]
    headless.graph.node.extend(kept)
    with pytest.raises(ModelError, match="no average pool and reshape"):
        convert_zoo(headless, ORIGIN)
    gray = onnx.ModelProto.FromString(published.SerializeToString())
    gray.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    with pytest.raises(ModelError, match="no picture"):
        convert_zoo(gray, ORIGIN)


def test_convert_takes_the_file(published: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "googlenet.onnx"
    onnx.save(published, path)
    for architecture in (None, "inception_v1"):
        model = models.convert(path, architecture, labels=list("abcdefg"))
        metadata = Metadata.from_props({prop.key: prop.value for prop in model.metadata_props})
        assert metadata is not None
        assert metadata.labels == tuple("abcdefg")
        assert metadata.source == "googlenet.onnx"
    with pytest.raises(ModelError, match=rf"2 labels for {CLASSES} classes"):
        models.convert(path, labels=["x", "y"])
    with pytest.raises(ModelError, match="is converted from its weights alone"):
        models.convert(path, "squeezenet")
    onnx.save(model, path)
    with pytest.raises(ModelError, match="converted by onnxscope already"):
        models.convert(path)
    path.write_bytes(b"\x08\x03garbage")
    with pytest.raises(ModelError, match="damaged ONNX file"):
        models.convert(path)
