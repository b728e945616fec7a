"""Channels, tokens and patches, wherever a file has them."""

from __future__ import annotations

import exporters
import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import model as onnx_model
from graphs import session
from onnx import helper
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.network.layers.axes import Grid
from onnxscope.objectives.registry import from_json

RNG = np.random.default_rng(4)


def _run(proto: onnx.ModelProto, feeds: dict[str, np.ndarray], output: str) -> np.ndarray:
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    changed.graph.output[0].name = output
    opened = session(changed)
    return opened.run([output], feeds)[0]


@pytest.mark.slow
@pytest.mark.parametrize("class_token", [True, False])
def test_tokens(class_token: bool) -> None:
    proto = exporters.vision_transformer(class_token=class_token)
    model = osc.load(proto, input_range=(0, 1))
    tokens = 16 + class_token
    layer = model.layers["blocks.0"]
    assert (layer.shape, layer.channels) == ((6, tokens), 6)
    assert layer.grid == Grid(int(class_token), 4, 4)
    image = RNG.random((32, 32, 3), np.float32)
    plain = _run(proto, {"x": image.transpose(2, 0, 1)[None]}, layer.name)
    acts = model.activations(image, "blocks.0")["blocks.0"]
    np.testing.assert_allclose(acts, plain.transpose(0, 2, 1), rtol=1e-4, atol=1e-5)

    def value(objective: osc.Objective) -> float:
        return float(osc.Gradient(model, objective, provider="cpu")(image)[0][0])

    assert value(osc.channel("blocks.0", 4)) == pytest.approx(plain[0, :, 4].mean(), rel=1e-4)
    assert value(osc.neuron("blocks.0", 4, token=0)) == pytest.approx(plain[0, 0, 4], rel=1e-4)
    patch = class_token + 4 * 1 + 3
    at = value(osc.neuron("blocks.0", 4, y=1, x=3))
    assert at == pytest.approx(plain[0, patch, 4], rel=1e-4)
    middle = value(osc.neuron("blocks.0", 4))
    assert middle == pytest.approx(plain[0, class_token + 4 * 2 + 2, 4], rel=1e-4)
    energy = value(osc.layer("blocks.0"))
    assert energy == pytest.approx((plain**2).mean(), rel=1e-4)
    both = osc.each([osc.neuron("blocks.0", 1, y=0, x=1), osc.neuron("blocks.0", 2, token=5)])
    # The file's reshapes fix its batch.
    with pytest.raises(InputError, match="fixes its batch to 1"):
        osc.Gradient(model, both, provider="cpu")(np.stack([image, image]))


def test_what_neurons_of_tokens_must_not_be() -> None:
    model = osc.load(exporters.vision_transformer(), input_range=(0, 1))
    image = RNG.random((32, 32, 3), np.float32)
    for objective, message in (
        (osc.neuron("blocks.0", 1, token=17), "17 tokens, 0 to 16"),
        (osc.neuron("blocks.0", 1, y=4, x=0), "4×4 cells"),
        (osc.neuron("patch_embed.proj", 1, token=1), "has no tokens"),
    ):
        with pytest.raises(LayerError, match=message):
            osc.Gradient(model, objective, provider="cpu")(image)
    with pytest.raises(TargetError, match="not at both"):
        osc.neuron("blocks.0", 1, y=1, x=1, token=3)
    again = from_json(osc.neuron("blocks.0", 1, token=3).to_json())
    assert str(again) == "neuron blocks.0:1 at token 3"


def test_main_layers_of_a_transformer_are_its_blocks() -> None:
    model = osc.load(exporters.vision_transformer())
    main = [layer.title for layer in model.layers.values() if layer.main]
    assert main == ["patch_embed.proj", "Add", "blocks.0", "blocks.1", "head"]


def test_main_layers_of_a_u_net_go_all_the_way_down() -> None:
    """What its skips lead past is the network, and no branch of a block; a gate's way is one."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (4, 3, 3, 3), "w2": (8, 4, 3, 3), "wg": (8, 8, 1, 1), "w3": (8, 4, 2, 2)}
    shapes |= {"w4": (6, 8, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["left"], pads=[1] * 4),
        helper.make_node("MaxPool", ["left"], ["down"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["down", "w2"], ["bottom"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["bottom"], ["mean"]),
        helper.make_node("Conv", ["mean", "wg"], ["excited"]),
        helper.make_node("Sigmoid", ["excited"], ["gate"]),
        helper.make_node("Mul", ["bottom", "gate"], ["gated"]),
        helper.make_node("ConvTranspose", ["gated", "w3"], ["up"], strides=[2, 2]),
        helper.make_node("Concat", ["left", "up"], ["joined"], axis=1),
        helper.make_node("Conv", ["joined", "w4"], ["right"], pads=[1] * 4),
    ]
    image = {"x": np.zeros((1, 3, 16, 16), np.float32)}
    weights = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    model = osc.load(onnx_model(nodes, image, ["right"], weights))
    main = [layer.title for layer in model.layers.values() if layer.main]
    assert main == ["left", "down", "bottom", "gated", "up", "joined", "right"]


def test_main_layers_of_a_network_whose_decoder_takes_all_stages() -> None:
    """A convolution on the way to a feature pyramid makes no branch of a block either."""
    net = exporters.Network()
    stages, last = [], "x"
    for number, channels in enumerate((4, 6, 8), 1):
        taken = 3 if last == "x" else stages[-1][1]
        kernel = net.weight(f"w{number}", channels, taken, 3, 3)
        net.add("Conv", [last, kernel], f"down{number}", strides=[2, 2], pads=[1] * 4)
        kernel = net.weight(f"v{number}", channels, channels, 3, 3)
        last = net.add("Conv", [f"down{number}", kernel], f"stage{number}", pads=[1] * 4)
        stages.append((last, channels))
    scales = net.constant("scales", [1, 1, 2, 2], np.float32)
    last = net.add("Conv", [last, net.weight("lateral3", 5, 8, 1, 1)], "top")
    for number in (2, 1):
        name, channels = stages[number - 1]
        kernel = net.weight(f"lateral{number}", 5, channels, 1, 1)
        side = net.add("Conv", [name, kernel], f"side{number}")
        up = net.add("Resize", [last, "", scales], f"up{number}", mode="nearest")
        last = net.add("Add", [side, up], f"sum{number}")
        kernel = net.weight(f"u{number}", 5, 5, 3, 3)
        last = net.add("Conv", [last, kernel], f"out{number}", pads=[1] * 4)
    model = osc.load(net.model(last))
    main = [layer.title for layer in model.layers.values() if layer.main]
    encoder = [f"{kind}{number}" for number in (1, 2, 3) for kind in ("down", "stage")]
    assert main == [*encoder, "top", "sum2", "out2", "sum1", "out1"]


def test_a_convolution_beside_an_upsampling_one_is_inside_of_its_block() -> None:
    """Where nothing becomes smaller in between, as in a generator, both ways are branches."""
    net = exporters.Network()
    scales = net.constant("scales", [1, 1, 2, 2], np.float32)
    net.add("Conv", ["x", net.weight("w", 4, 3, 3, 3)], "first", pads=[1] * 4)
    net.add("Conv", ["first", net.weight("w1", 4, 4, 3, 3)], "inner", pads=[1] * 4)
    net.add("Resize", ["inner", "", scales], "larger", mode="nearest")
    net.add("Conv", ["larger", net.weight("w2", 4, 4, 3, 3)], "main", pads=[1] * 4)
    net.add("Resize", ["first", "", scales], "beside", mode="nearest")
    net.add("Conv", ["beside", net.weight("w3", 4, 4, 1, 1)], "shortcut")
    net.add("Add", ["main", "shortcut"], "block")
    net.add("Conv", ["block", net.weight("w4", 4, 4, 3, 3)], "last", pads=[1] * 4)
    model = osc.load(net.model("last"))
    main = [layer.title for layer in model.layers.values() if layer.main]
    assert main == ["first", "block", "last"]


def test_main_layers_of_a_network_that_activates_first() -> None:
    """What only an activation and the sum behind its block read is the result of a block."""
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("stem", 8, 3, 3, 3)], "stem.out", pads=[1] * 4)
    before = "stem.out"
    for number in (1, 2):
        net.add("Relu", [before], f"relu{number}")
        net.add("Conv", [f"relu{number}", net.weight(f"w{number}", 8, 8, 1, 1)], f"conv{number}")
        net.add("Add", [before, f"conv{number}"], f"sum{number}")
        before = f"sum{number}"
    # A GELU, spelled out, reads its input on two ways as well.
    net.add("Mul", [before, before], "squared")
    net.add("Add", [before, "squared"], "mixed")
    net.add("Tanh", ["mixed"], "gate")
    net.add("Mul", [before, "gate"], "activated")
    model = osc.load(net.model("activated"))
    main = [layer.title for layer in model.layers.values() if layer.main]
    assert main == ["stem.out", "sum1", "activated"]


def test_channels_divided_among_heads_are_asked_for() -> None:
    proto = exporters.vision_transformer()
    model = osc.load(proto, input_range=(0, 1))
    name = "/blocks/blocks.0/attn/Softmax_output_0"
    assert "among the heads of an attention" in model.layers.left_out[name]
    with pytest.raises(LayerError, match="channel_axis"):
        model.activations(np.zeros((32, 32, 3), np.float32), name)
    told = osc.load(proto, input_range=(0, 1), channel_axis={"blocks.0.attn.Softmax": 1})
    assert told.layers[name].shape == (2, 17, 17)
    image = RNG.random((32, 32, 3), np.float32)
    found = told.activations(image, "blocks.0.attn.Softmax")["blocks.0.attn.Softmax"]
    plain = _run(proto, {"x": image.transpose(2, 0, 1)[None]}, name)
    np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-6)
    with pytest.raises(LayerError, match=r"no layer 'blocks\.9'"):
        osc.load(proto, channel_axis={"blocks.9": 1})
    with pytest.raises(InputError, match="has axes 1 to 2 for its channels, not axis 4"):
        assert osc.load(proto, channel_axis={"blocks.0": 4}).layers
    with pytest.raises(InputError, match="must be at least 1"):
        osc.load(proto, channel_axis={"blocks.0": 0})


def test_channels_last_through_reshapes() -> None:
    """Windows of a picture (Swin): put on the axis of pictures, and back."""
    net = exporters.Network()
    x = net.add("Conv", ["x", net.weight("w", 6, 3, 4, 4)], "patches", strides=[4, 4])
    x = net.add("Transpose", [x], "last", perm=[0, 2, 3, 1])
    y = net.add("Reshape", [x, net.constant("s6", [1, 2, 4, 2, 4, 6])], "cut")
    y = net.add("Transpose", [y], "sorted", perm=[0, 1, 3, 2, 4, 5])
    y = net.add("Reshape", [y, net.constant("s3", [4, 16, 6])], "windows")
    y = net.add("MatMul", [y, net.weight("m", 6, 6)], "mixed")
    y = net.add("Reshape", [y, "s6b"], "six")
    net.constant("s6b", [1, 2, 2, 4, 4, 6])
    y = net.add("Transpose", [y], "unsorted", perm=[0, 1, 3, 2, 4, 5])
    y = net.add("Reshape", [y, net.constant("s4", [1, 8, 8, 6])], "whole")
    net.add("Add", [y, x], "sum")
    model = osc.load(net.model("sum"))
    assert model.layers["sum"].shape == (6, 8, 8)
    assert model.layers["whole"].shape == (6, 8, 8)
    assert "is not the pictures" in model.layers.left_out["windows"]
    assert "has 6 axes" in model.layers.left_out["cut"]


def test_products_over_tokens_make_no_channels() -> None:
    """The mixer's product over tokens leaves the channels where they are."""
    net = exporters.Network()
    x = net.add("Conv", ["x", net.weight("w", 6, 3, 4, 4)], "patches", strides=[4, 4])
    x = net.add("Reshape", [x, net.constant("s", [1, 6, 64])], "tokens")
    net.add("MatMul", [x, net.weight("m", 64, 10)], "mixed")
    model = osc.load(net.model("mixed"))
    assert model.layers["tokens"].grid == Grid(0, 8, 8)
    assert (model.layers["mixed"].shape, model.layers["mixed"].grid) == ((6, 10), None)
    with pytest.raises(LayerError, match="where the picture's patches are"):
        osc.Gradient(osc.load(net.model("mixed"), input_range=(0, 1)), osc.neuron("mixed", 1))(
            np.zeros((32, 32, 3), np.float32)
        )


def test_channels_through_a_group_normalisation() -> None:
    """Exporters spell it out by that of an instance, whose channels are the groups."""
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("w", 6, 3, 4, 4)], "patches", strides=[4, 4])
    net.add("Reshape", ["patches", net.constant("s3", [0, 2, -1])], "grouped")
    net.add(
        "InstanceNormalization",
        ["grouped", net.constant("g", [1, 1], np.float32), net.constant("b", [0, 0], np.float32)],
        "standard",
    )
    net.add("Shape", ["patches"], "whole")
    net.add("Reshape", ["standard", "whole"], "norm")
    net.add("Mul", ["norm", net.weight("gain", 6, 1, 1)], "scaled")
    model = osc.load(net.model("scaled"))
    assert [model.layers[name].shape for name in ("norm", "scaled")] == [(6, 8, 8)] * 2
    for name in ("grouped", "standard"):
        assert "channels of 1×2×192 are divided, into groups" in model.layers.left_out[name]


@pytest.mark.parametrize("heads", [1, 2])
def test_queries_that_were_learned_are_no_channels(heads: int) -> None:
    """One for each object to be detected: what is found of each makes channels."""
    net = exporters.Network()
    x = net.add("Conv", ["x", net.weight("w", 8, 3, 8, 8)], "patches", strides=[8, 8])
    x = net.add("Reshape", [x, net.constant("flat", [1, 8, 16])], "flattened")
    x = net.add("Transpose", [x], "tokens", perm=[0, 2, 1])
    keys, values = (net.add("MatMul", [x, net.weight(f"w{n}", 8, 8)], n) for n in "kv")
    if heads == 1:
        queries = net.weight("queries", 5, 8)
        keys = net.add("Transpose", [keys], "keys", perm=[0, 2, 1])
    else:
        queries = net.weight("queries", 1, heads, 5, 8 // heads)
        apart = net.constant("apart", [1, 16, heads, 8 // heads])
        keys, values = (net.add("Reshape", [y, apart], f"{y}_apart") for y in (keys, values))
        keys = net.add("Transpose", [keys], "keys", perm=[0, 2, 3, 1])
        values = net.add("Transpose", [values], "values", perm=[0, 2, 1, 3])
    net.add("MatMul", [queries, keys], "scores")
    net.add("Softmax", ["scores"], "attention", axis=-1)
    mixed = net.add("MatMul", ["attention", values], "mixed")
    if heads > 1:
        mixed = net.add("Transpose", [mixed], "together", perm=[0, 2, 1, 3])
    mixed = net.add("Reshape", [mixed, net.constant("joined", [1, 5, 8])], "objects")
    net.add("MatMul", [mixed, net.weight("wo", 8, 9)], "found")
    model = osc.load(net.model("found"))
    assert model.layers["objects"].shape == (8, 5)
    assert model.layers["found"].shape == (9, 5)


def test_products_of_pairs_of_channels_stay_open() -> None:
    """Which of two axes of channels is meant is not for onnxscope to say."""
    net = exporters.Network()
    x = net.add("Conv", ["x", net.weight("w", 5, 3, 8, 8)], "patches", strides=[8, 8])
    x = net.add("Reshape", [x, net.constant("flat", [1, 5, 16])], "flattened")
    y = net.add("Transpose", [x], "tokens", perm=[0, 2, 1])
    net.add("MatMul", [x, y], "pairs")
    net.add("MatMul", ["pairs", net.weight("m", 5, 9)], "mixed")
    model = osc.load(net.model("mixed"))
    for name in ("pairs", "mixed"):
        assert "cannot be told" in model.layers.left_out[name]


def test_before_activation_in_either_layout() -> None:
    model = osc.load(exporters.tensorflow(), input_range=(0, 1))
    image = RNG.random((32, 32, 3), np.float32)
    before = osc.before_activation(osc.channel("block1_conv2", 2))
    value, _ = osc.Gradient(model, before, provider="cpu")(image)
    conv = model.activations(image, "block1_conv2.Conv2D")["block1_conv2.Conv2D"]
    assert value[0] == pytest.approx(conv[0, 2].mean(), rel=1e-4)
