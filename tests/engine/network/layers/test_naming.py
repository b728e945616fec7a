"""Names that people use for the layers of files from any exporter."""

from __future__ import annotations

import ast

import exporters
import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.errors import LayerError, TargetError
from onnxscope.objectives.targets import find_unit


def _aliases(proto: onnx.ModelProto) -> dict[str, str]:
    model = osc.load(proto)
    return {layer.alias: layer.name for layer in model.layers.values() if layer.alias}


def test_traced_modules() -> None:
    aliases = _aliases(exporters.torch_traced())
    assert aliases["conv1"] == "/conv1/Conv_output_0"
    assert aliases["layer1.0"] == "/layer1/layer1.0/relu_1/Relu_output_0"
    # The result of layer1 is that of its last block, which continues the count.
    assert aliases["layer1.1"] == "/layer1/layer1.1/relu_1/Relu_output_0"
    assert aliases["layer1.1.conv2"] == "/layer1/layer1.1/conv2/Conv_output_0"
    assert aliases["layer1.1.Add"] == "/layer1/layer1.1/Add_output_0"
    assert "layer1" not in aliases
    model = osc.load(exporters.torch_traced())
    assert model.layers["layer1"].alias == "layer1.1"
    assert model.layers["layer1/1"] is model.layers["layer1.1"]


def test_exported_modules() -> None:
    model = osc.load(exporters.torch_exported())
    assert model.layers["layer1.0"].name == "relu_2"
    assert model.layers["layer1"].name == "relu_4"
    assert model.layers["layer1.1.bn1"].name == "getitem_11"
    # The batch normalisation is in the convolution's weights, which are named for it.
    assert model.layers["layer1.1.conv1"].name == "getitem_11"
    # `relu` is a value's name, whatever modules are called.
    assert model.layers["relu"].name == "relu"
    assert model.names.naming.scope_called("layer1.0").kind == "Block"


def test_a_module_that_is_called_twice_is_ambiguous() -> None:
    model = osc.load(exporters.torch_exported())
    with pytest.raises(LayerError, match=r"2 layers.*'layer1\.0\.relu#1', 'layer1\.0'; name one"):
        model.layers["layer1.0.relu"]
    with pytest.raises(LayerError, match="stands for 2 layers"):
        find_unit(model, "layer1.0.relu:3")
    assert model.layers["layer1.0.relu#1"].name == "relu_1"
    assert model.layers["layer1.0.relu#2"].name == "relu_2"
    assert "layer1.0.relu" not in model.layers
    assert model.layers.get("layer1.0.relu") is None


def test_namespaces_alone_will_do() -> None:
    proto = exporters.torch_exported()
    for node in proto.graph.node:
        scopes, classes = (ast.literal_eval(entry.value) for entry in node.metadata_props)
        del node.metadata_props[:]
        text = "/".join(f"{name}: {kind}" for name, kind in zip(scopes, classes, strict=False))
        node.metadata_props.add(key="namespace", value=text)
    model = osc.load(proto)
    assert model.layers["layer1.0"].name == "relu_2"


def test_branches() -> None:
    model = osc.load(exporters.inception_traced())
    layer = model.layers["inception4a"]
    assert (layer.name, layer.channels) == ("/inception4a/Concat_output_0", 10)
    assert model.layers["inception4a/branch1"].name == "/inception4a/branch1/Relu_output_0"
    assert model.layers["inception4a.branch2.conv"].channels == 6
    assert [layer.title for layer in model.layers.values() if layer.main] == [
        "inception4a",
        "inception4b",
    ]


def test_tensorflow() -> None:
    model = osc.load(exporters.tensorflow(), input_range=(0, 1))
    layer = model.layers["block1_conv1"]
    assert layer.name == "StatefulPartitionedCall/model/block1_conv1/Relu:0"
    assert layer.shape == (8, 32, 32)
    # With and without what all names begin with, and with and without the output's number.
    for name in (
        "StatefulPartitionedCall/model/block1_conv1",
        "StatefulPartitionedCall/model/block1_conv1/Relu:0",
        "block1_conv1/Relu",
    ):
        assert model.layers[name] is layer
    # Pooled in NCHW, and handed on in NHWC: the same channels.
    assert model.layers["block1_pool"].shape == (8, 16, 16)
    assert model.layers["predictions"].name == "Identity:0"


def test_tensorflow_models_with_arithmetic_of_their_own() -> None:
    """Keras's hard swish is not a layer; tf2onnx merges a convolution and its normalisation."""
    net = exporters.Network()
    zeros = net.constant("MobileNet/unlike/zeros:0", np.zeros(4), np.float32)
    kernel = net.weight("MobileNet/project/convolution/merged:0", 4, 3, 1, 1)
    net.add("Conv", ["x", kernel, zeros], "Conv__41:0", "Conv__41")
    x = net.tensorflow("Relu", ["Conv__41:0"], "MobileNet/relu/Relu")
    x = net.tensorflow("Add", [x, net.constant("three", 3, np.float32)], "MobileNet/Add")
    net.add("Conv", [x, net.weight("const_fold__7", 4, 4, 1, 1), zeros], "Conv__42:0", "Conv__42")
    x = net.tensorflow("Relu", ["Conv__42:0"], "MobileNet/relu_1/Relu")
    model = osc.load(net.model(x), input_range=(0, 1))
    found = {layer.name: layer.alias for layer in model.layers.values()}
    assert found == {
        "Conv__41:0": "project",
        "MobileNet/relu/Relu:0": "relu",
        "MobileNet/Add:0": "Add",
        # Of zeros that several nodes share nothing follows.
        "Conv__42:0": "Conv__42",
        "MobileNet/relu_1/Relu:0": "relu_1",
    }
    assert model.layers["MobileNet/Add"] is model.layers["Add"]


@pytest.mark.parametrize(
    ("target", "name", "unit"),
    [
        ("block1_conv1:3", "block1_conv1", 3),
        ("block1_conv1", "block1_conv1", None),
        ("StatefulPartitionedCall/model/block1_conv1/Relu:0", None, None),
        ("StatefulPartitionedCall/model/block1_conv1/Relu:0:3", None, 3),
        ("block1_conv1/Relu:3", "block1_conv1/Relu", 3),
    ],
)
def test_targets_with_output_numbers(target: str, name: str | None, unit: int | None) -> None:
    model = osc.load(exporters.tensorflow(), input_range=(0, 1))
    full = "StatefulPartitionedCall/model/block1_conv1/Relu:0"
    assert find_unit(model, target) == (name or full, unit)


def test_a_unit_or_an_output_number_is_not_guessed() -> None:
    model = osc.load(exporters.tensorflow(prefix=""), input_range=(0, 1))
    full = "block1_conv1/Relu:0"
    assert model.layers[full].alias == "block1_conv1"
    assert find_unit(model, "block1_conv1:0") == ("block1_conv1", 0)
    assert find_unit(model, full) == (full, None)
    assert find_unit(model, f"{full}:2") == (full, 2)
    with pytest.raises(LayerError, match="did you mean 'block1_conv1/Relu:0'"):
        find_unit(model, "block1_conv1/Relu:2")
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("w", 4, 3, 1, 1)], "conv1:0")
    net.add("Relu", ["conv1:0"], "relu1:0")
    flat = osc.load(net.model("relu1:0"), input_range=(0, 1))
    assert find_unit(flat, "conv1:2") == ("conv1", 2)
    assert find_unit(flat, "conv1:0:0") == ("conv1:0", 0)
    with pytest.raises(TargetError, match=r"write 'conv1' for the layer, conv1:0:0 for the unit"):
        find_unit(flat, "conv1:0")


def test_weights_name_numbered_values() -> None:
    model = osc.load(exporters.numbered())
    found = {layer.alias: layer.name for layer in model.layers.values()}
    assert found["features.0"] == "11"
    assert found["features.3.squeeze"] == "14"
    assert found["features.3.expand3x3"] == "18"
    assert found["features.3"] == "19"
    # What no weights tell has its operator's name and number.
    assert found["maxpool1"] == "12"
    assert model.layers["features.3"].branch_of(7).index == 1


def test_prefixes_are_left_away() -> None:
    model = osc.load(exporters.gluon())
    assert [layer.title for layer in model.layers.values()] == ["conv0", "relu0", "conv1", "relu2"]
    assert model.layers["relu2"].name == "192"


def test_unknown_names_are_told_the_nearest() -> None:
    model = osc.load(exporters.torch_traced())
    with pytest.raises(LayerError, match=r"no layer 'layer1\.0\.conv3'; did you mean 'layer1\.0"):
        model.layers["layer1.0.conv3"]
    with pytest.raises(LayerError, match="did you mean '/layer1/layer1"):
        find_unit(model, "/layer1/layer1.0/conv1/Conv_output_1:3")


def test_aliases_work_everywhere() -> None:
    model = osc.load(exporters.torch_traced(), input_range=(0, 1))
    image = np.random.default_rng(0).random((32, 32, 3), np.float32)
    acts = model.activations(image, ["layer1.0", "/layer1/layer1.0/relu_1/Relu_output_0"])
    assert list(acts) == ["layer1.0", "/layer1/layer1.0/relu_1/Relu_output_0"]
    np.testing.assert_array_equal(*acts.values())
    before = osc.before_activation(osc.channel("layer1.0", 3))
    value, _ = osc.Gradient(model, before, provider="cpu")(image)
    added = model.activations(image, "layer1.0.Add")["layer1.0.Add"]
    assert value[0] == pytest.approx(added[0, 3].mean(), rel=1e-5)
    picture = osc.render(model, "layer1.0:3", steps=2, provider="cpu")
    assert picture.values.shape == (2,)
    assert model.receptive_field("layer1.0.conv1") == model.receptive_field("layer1.0.relu")


def test_own_names_stay_as_they_are(squeezenet: osc.Model) -> None:
    assert all(layer.alias == "" for layer in squeezenet.layers.values())
    assert list(squeezenet.names.naming.aliases) == []
