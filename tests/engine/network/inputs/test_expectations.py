"""What files say of the pictures that they expect: found, asked for, never guessed in silence."""

from __future__ import annotations

import json
from pathlib import Path

import exporters
import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import session
from onnx import TensorProto
from onnxscope.errors import InputError, LayerError, ModelError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RNG = np.random.default_rng(8)
IMAGE = RNG.random((16, 16, 3), np.float32)


def _bare(
    props: dict[str, str] | None = None,
    shape: tuple[object, ...] = (1, 3, 16, 16),
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("w", 4, 3, 3, 3)], "c")
    net.add("Relu", ["c"], "r")
    return net.model("r", shape, props=props, dtype=dtype)


def _normalizing(steps: list[tuple[str, object]], layout: str = "NCHW") -> onnx.ModelProto:
    """A network that begins with arithmetic: operators and their constants."""
    net = exporters.Network()
    value = "x"
    for number, (op_type, operand) in enumerate(steps):
        output = f"step{number}"
        if op_type == "Transpose":
            net.add(op_type, [value], output, perm=operand)
        elif op_type == "Gather":
            order = net.constant("order", [2, 1, 0])
            net.add(op_type, [value, order], output, axis=operand)
        else:
            constant = net.constant(f"constant{number}", operand, np.float32)
            net.add(op_type, [value, constant], output)
        value = output
    net.add("Conv", [value, net.weight("w", 4, 3, 3, 3)], "c")
    return net.model("c", (1, 3, 16, 16) if layout == "NCHW" else (1, 16, 16, 3))


def _colours(values: tuple[float, ...], layout: str = "NCHW") -> np.ndarray:
    return np.reshape(values, (1, 3, 1, 1) if layout == "NCHW" else (1, 1, 1, 3))


@pytest.mark.parametrize(
    ("props", "expected"),
    [
        (
            {"mean": "[0.485, 0.456, 0.406]", "std": "0.229, 0.224 0.225"},
            "RGB in [0, 1], minus 0.485/0.456/0.406, over 0.229/0.224/0.225, NCHW",
        ),
        (
            {
                "pretrained_cfg": json.dumps(
                    {
                        "mean": [0.5] * 3,
                        "std": [0.5] * 3,
                        "crop_pct": 0.9,
                        "interpolation": "bicubic",
                    }
                )
            },
            "RGB in [0, 1], minus 0.5/0.5/0.5, over 0.5/0.5/0.5, NCHW",
        ),
        (
            {
                "image_mean": "[0, 0, 0]",
                "image_std": "[1, 1, 1]",
                "rescale_factor": "0.00392156862",
            },
            "RGB in [0, 1], NCHW",
        ),
        (
            {"model.mean": "(103.939, 116.779, 123.68)", "color_format": "BGR"},
            "BGR in [0, 255], minus 103.939/116.779/123.68, NCHW",
        ),
        ({"mean": "103.9 116.8 123.7"}, "BGR in [0, 255], minus 103.9/116.8/123.7, NCHW"),
        ({"input_range": "[-1, 1]"}, "RGB in [-1, 1], NCHW"),
    ],
)
def test_metadata(props: dict[str, str], expected: str) -> None:
    model = osc.load(_bare(props))
    assert str(model.preprocessing) == expected
    assert "in the file's metadata" in model.expectation.words
    assert model.activations(IMAGE, "r")["r"].shape == (1, 4, 14, 14)


@pytest.mark.parametrize(
    ("props", "words"),
    [
        ({"mean": "[0, 0, 0]", "std": "[1, 1, 1]"}, "leaves open what black and white are"),
        ({"mean": "[0.5, 0.5]", "std": "[0.5]"}, "it is no preprocessing: mean must be"),
        ({"author": "somebody"}, ""),
        ({"mean": "arithmetic"}, ""),
    ],
)
def test_metadata_that_leaves_it_open(props: dict[str, str], words: str) -> None:
    model = osc.load(_bare(props))
    assert model.preprocessing is None
    assert words in model.expectation.words
    with pytest.raises(InputError, match="does not say what its input 'x' expects"):
        model.activations(IMAGE, "r")
    given = osc.load(_bare(props), input_range=(0, 255))
    assert given.expectation.words == "as given"


@pytest.mark.parametrize(
    ("steps", "layout", "expected", "words"),
    [
        ([("Mul", 1 / 255)], "NCHW", "RGB in [0, 255]", "RGB is assumed"),
        ([("Div", 127.5), ("Sub", 1.0)], "NCHW", "RGB in [0, 255]", "Div, Sub make −1 to 1"),
        ([("Mul", [2.0]), ("Add", [-1.0])], "NCHW", "RGB in [0, 1]", "Mul, Add"),
        (
            [("Sub", _colours(MEAN)), ("Div", _colours(STD))],
            "NCHW",
            "RGB in [0, 1]",
            "−2.12 to 2.64",
        ),
        (
            [("Mul", 1 / 255), ("Sub", _colours(MEAN, "NHWC")), ("Transpose", [0, 3, 1, 2])],
            "NHWC",
            "RGB in [0, 255]",
            "Mul, Sub",
        ),
        (
            [("Transpose", [0, 3, 1, 2]), ("Sub", _colours((123.68, 116.78, 103.94)))],
            "NHWC",
            "RGB in [0, 255]",
            "Sub make −124 to 151",
        ),
        # Colours reversed first, then Caffe's mean: RGB goes in.
        (
            [("Gather", 1), ("Sub", _colours((103.94, 116.78, 123.68)))],
            "NCHW",
            "RGB in [0, 255]",
            "Sub",
        ),
        ([("Sub", _colours((103.94, 116.78, 123.68)))], "NCHW", "BGR in [0, 255]", "Sub"),
    ],
)
def test_arithmetic_behind_the_input(
    steps: list[tuple[str, object]], layout: str, expected: str, words: str
) -> None:
    model = osc.load(_normalizing(steps, layout))
    assert str(model.preprocessing) == f"{expected}, {layout}"
    assert words in model.expectation.words
    assert ("is assumed" in words) <= ("is assumed" in model.expectation.words)


def test_arithmetic_that_does_not_tell() -> None:
    for steps in ([("Mul", 40.0)], [("Sub", -1000.0)]):
        model = osc.load(_normalizing(steps))
        assert model.preprocessing is None
        assert "does not tell the range" in model.expectation.words


def test_metadata_and_graph_agree_or_contradict() -> None:
    steps = [("Mul", 1 / 255), ("Sub", _colours(MEAN)), ("Div", _colours(STD))]
    proto = _normalizing(steps)
    for key, values in (("mean", MEAN), ("std", STD)):
        proto.metadata_props.add(key=key, value=json.dumps(values))
    model = osc.load(proto)
    assert str(model.preprocessing) == "RGB in [0, 255], NCHW"
    assert model.expectation.words.endswith("as its metadata says")
    proto.metadata_props[0].value = "[0.1, 0.2, 0.3]"
    other = osc.load(proto)
    assert other.preprocessing is None
    assert other.expectation.words.startswith("contradictory")


@pytest.mark.parametrize(
    "text",
    [
        '["cat", "dog", "kit fox"]',
        '{"0": "cat", "1": "dog", "2": "kit fox"}',
        "{0: 'cat', 1: 'dog', 2: 'kit fox'}",
        "cat\ndog\nkit fox",
    ],
)
def test_labels_in_metadata(text: str) -> None:
    assert osc.load(_bare({"names": text})).labels == ("cat", "dog", "kit fox")
    assert osc.load(_bare({"names": '{"1": "cat"}'})).labels == ()


def test_exports_of_ultralytics() -> None:
    props = {"names": "{0: 'cat', 1: 'dog'}", "imgsz": "[16, 16]", "task": "detect", "stride": "8"}
    model = osc.load(_bare(props))
    assert model.preprocessing == osc.load(_bare(), preprocessing="yolo").preprocessing
    assert "in the file's metadata, which is Ultralytics'" in model.expectation.words
    assert model.labels == ("cat", "dog")
    for key in ("names", "imgsz", "task"):
        assert osc.load(_bare({k: v for k, v in props.items() if k != key})).preprocessing is None
    assert osc.load(_bare(props | {"task": "classify"})).preprocessing is None


def test_a_size_in_metadata() -> None:
    model = osc.load(_bare({"input_size": "[3, 48, 48]"}, (1, 3, "H", "W")))
    assert model.size == 48
    assert osc.load(_bare({"input_size": "[3, 48, 48]"})).size == 16


def test_halves() -> None:
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("w", 4, 3, 3, 3)], "c")
    net.add("Relu", ["c"], "r")
    net.weights["w"] = net.weights["w"].astype(np.float16)
    proto = net.model("r", dtype=TensorProto.FLOAT16, shape=(1, 3, 16, 16))
    model = osc.load(proto, input_range=(-1, 1))
    opened = session(proto)
    feed = (2 * IMAGE - 1).transpose(2, 0, 1)[None].astype(np.float16)
    plain = opened.run(None, {"x": feed})[0]
    found = model.activations(IMAGE, "r")["r"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain.astype(np.float32), rtol=1e-2, atol=1e-2)
    value, dx = osc.Gradient(model, "r:1", provider="cpu")(IMAGE)
    assert value[0] == pytest.approx(plain[0, 1].mean(), rel=1e-2)
    assert dx.any()


def test_bytes() -> None:
    net = exporters.Network()
    net.add("Cast", ["x"], "f", to=TensorProto.FLOAT)
    net.add("Div", ["f", net.constant("white", 255.0, np.float32)], "scaled")
    net.add("Conv", ["scaled", net.weight("w", 4, 3, 3, 3)], "c")
    model = osc.load(net.model("c", (1, 3, 16, 16), dtype=TensorProto.UINT8))
    assert str(model.preprocessing) == "RGB in [0, 255], NCHW"
    plain = osc.load(_bare(), input_range=(0, 1))
    assert model.activations(IMAGE, "c")["c"].shape == plain.activations(IMAGE, "c")["c"].shape
    assert osc.Gradient(model, "c:1", provider="cpu")(IMAGE)[1].any()


def _two_inputs() -> onnx.ModelProto:
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("w", 4, 3, 3, 3)], "c")
    net.add("Mul", ["c", "gain"], "scaled")
    return net.model(["c", "scaled"], (1, 3, 16, 16), others={"gain": [1, 4, 1, 1]})


def test_other_inputs_are_given_or_missed_by_name() -> None:
    proto = _two_inputs()
    model = osc.load(proto, input_range=(0, 1))
    assert list(model.layers) == ["c"]
    assert "it needs the input gain (1×4×1×1) as well" in model.layers.left_out["scaled"]
    plain = model.activations(IMAGE, "c")["c"]
    with pytest.raises(InputError, match="needs the input gain"):
        model.activations(IMAGE, "scaled")
    gain = np.arange(4).reshape(1, 4, 1, 1)
    given = osc.load(proto, input_range=(0, 1), inputs={"gain": gain})
    found = given.activations(IMAGE, "scaled")["scaled"]
    np.testing.assert_allclose(found, plain * gain, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="no input 'gian'"):
        osc.load(proto, inputs={"gian": gain})


def test_which_input_is_the_picture() -> None:
    net = exporters.Network()
    net.add("Sub", ["left", "right"], "difference")
    proto = net.model("difference", (1, 3, 16, 16), image="left", others={"right": [1, 3, 16, 16]})
    with pytest.raises(InputError, match="say image_input='NAME'"):
        osc.load(proto)
    other = np.full((1, 3, 16, 16), 0.5, np.float32)
    model = osc.load(proto, input_range=(0, 1), image_input="right", inputs={"left": other})
    found = model.activations(IMAGE, "difference")["difference"]
    np.testing.assert_allclose(found[0], 0.5 - IMAGE.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("is_read", [True, False])
def test_what_converters_leave_of_a_normalisation_is_no_picture(is_read: bool) -> None:
    """tf2onnx keeps constants that a Keras model holds as inputs, also where it has folded them."""
    net = exporters.Network()
    mean = "mean" if is_read else net.constant("folded", [[[[0.5, 0.4, 0.3]]]], np.float32)
    net.add("Sub", ["picture", mean], "centred")
    net.add("Transpose", ["centred"], "t", perm=[0, 3, 1, 2])
    net.add("Conv", ["t", net.weight("w", 4, 3, 3, 3)], "c")
    shape = ("n", "h", "w", "channels")
    proto = net.model("c", shape, image="picture", others={"mean": [1, 1, 1, 3]})
    model = osc.load(proto, input_range=(0, 1), layout="NHWC")
    if is_read:
        assert "it needs the input mean (1×1×1×3) as well" in model.layers.left_out["c"]
    else:
        assert model.activations(IMAGE, "c")["c"].shape == (1, 4, 14, 14)


def test_a_recipe_says_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    onnx.save(_two_inputs(), path)
    gain = np.ones((1, 4, 1, 1))
    model = osc.load(path, input_range=(0, 1), inputs={"gain": gain})
    picture = osc.render(model, "scaled:1", steps=2, provider="cpu")
    again = osc.remake(osc.read_recipe(picture.save(tmp_path / "picture.png")))
    np.testing.assert_array_equal(again.images, picture.images)


def test_a_fixed_batch() -> None:
    open_shapes = osc.load(_bare(shape=(8, 3, 16, 16)), input_range=(0, 1))
    assert open_shapes.fixed_batch == 8
    # Nothing in the file depends on the 8.
    assert open_shapes.activations(IMAGE, "r")["r"].shape == (1, 4, 14, 14)
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("w", 4, 3, 3, 3)], "c")
    net.add("Reshape", ["c", net.constant("flat", [8, 784])], "flat_c")
    fixed = osc.load(net.model("flat_c", (8, 3, 16, 16)), input_range=(0, 1))
    assert fixed.layers["flat_c"].shape == (784,)
    with pytest.raises((InputError, ModelError), match="fixes its batch to 8"):
        fixed.activations(IMAGE, "flat_c")
    eight = np.stack([IMAGE] * 8)
    assert fixed.activations(eight, "flat_c")["flat_c"].shape == (8, 784)


def test_several_outputs() -> None:
    net = exporters.Network()
    net.add("Conv", ["x", net.weight("w", 4, 3, 3, 3)], "c")
    net.add("GlobalAveragePool", ["c"], "pool")
    net.add("Flatten", ["pool"], "flat")
    net.add("Gemm", ["flat", net.weight("wc", 4, 3)], "classes")
    net.add("Gemm", ["flat", net.weight("wb", 4, 2)], "box")
    names = '["cat", "dog", "kit fox"]'
    proto = net.model(["classes", "box"], (1, 3, 16, 16), props={"names": names})
    model = osc.load(proto, input_range=(0, 1))
    assert model.logits() == "classes"
    assert osc.render(model, "kit fox", steps=1, provider="cpu").values.shape == (1,)
    with pytest.raises(LayerError, match="no layer and no class 'kit fux'; did you mean 'kit fox'"):
        osc.render(model, "kit fux", steps=1)
