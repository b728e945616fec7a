"""Files that onnxscope did not write: layouts, open shapes, operators it does not know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import session
from onnx import TensorProto, helper, numpy_helper
from onnxscope.errors import InputError, LayerError, ModelError, OperatorError

RNG = np.random.default_rng(5)
W1 = RNG.standard_normal((8, 3, 3, 3)).astype(np.float32)
W2 = RNG.standard_normal((6, 8, 1, 1)).astype(np.float32)


def _model(
    nodes: list[onnx.NodeProto],
    shape: list[object] | None,
    output: str,
    weights: dict[str, np.ndarray],
    opset: int = 18,
    domains: tuple[str, ...] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _node(op_type: str, inputs: list[str], output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, [output], name=f"node_{output}", **attributes)


def _nhwc() -> onnx.ModelProto:
    """As tf2onnx writes it: NHWC at both ends, NCHW between."""
    return _model(
        [
            _node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
            _node("Conv", ["t", "w1"], "c1", pads=[1, 1, 1, 1]),
            _node("Relu", ["c1"], "r1"),
            _node("Transpose", ["r1"], "back", perm=[0, 2, 3, 1]),
            _node("Mul", ["back", "gain"], "scaled"),
            _node("Concat", ["scaled", "back"], "joined", axis=3),
        ],
        ["N", "H", "W", 3],
        "joined",
        {"w1": W1, "gain": np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)},
    )


def test_channels_are_found_in_either_layout() -> None:
    proto = _nhwc()
    model = osc.load(proto, input_range=(0, 1))
    shapes = {name: layer.shape for name, layer in model.layers.items()}
    assert shapes["r1"] == shapes["back"] == (8, 224, 224)
    assert shapes["joined"] == (16, 224, 224)
    assert [(b.name, b.start, b.stop) for b in model.layers["joined"].branches] == [
        ("scaled", 0, 8),
        ("back", 8, 16),
    ]
    image = RNG.random((20, 24, 3), np.float32)
    for output in ("r1", "joined"):
        proto.graph.output[0].name = output
        opened = session(proto)
        plain = opened.run(None, {"x": image[None]})[0]
        channels_last = plain if output == "joined" else plain.transpose(0, 2, 3, 1)
        found = model.activations(image, output)[output]
        np.testing.assert_allclose(found, channels_last.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)
        value, _ = osc.Gradient(model, osc.channel(output, 5), provider="cpu")(image)
        assert value[0] == pytest.approx(channels_last[0, :, :, 5].mean(), rel=1e-4)
        value, _ = osc.Gradient(model, osc.neuron(output, 5, y=2, x=7), provider="cpu")(image)
        assert value[0] == pytest.approx(channels_last[0, 2, 7, 5], rel=1e-4)


def test_an_open_layout_is_asked_for() -> None:
    for shape in (["n", "c", "h", "w"], None):
        proto = _model([_node("Conv", ["x", "w1"], "c1")], shape, "c1", {"w1": W1})
        with pytest.raises(InputError, match="say layout='NCHW' or 'NHWC'"):
            osc.load(proto)
        assert osc.load(proto, layout="NCHW").layers["c1"].channels == 8
    with pytest.raises(InputError, match="cannot be NCHW"):
        osc.load(_nhwc(), layout="NCHW")
    with pytest.raises(InputError, match="layout must be"):
        osc.load(_nhwc(), layout="NWHC")


@pytest.mark.parametrize(("opset", "version"), [(18, 9), (20, 9), (21, 10)])
def test_written_files_keep_their_opset(opset: int, version: int) -> None:
    nodes = [_node("Conv", ["x", "w1"], "c1"), _node("Relu", ["c1"], "r1")]
    proto = _model(nodes, [1, 3, "H", "W"], "r1", {"w1": W1}, opset=opset)
    gradient = osc.Gradient(osc.load(proto, input_range=(0, 1)), "r1:1").to_onnx(size=16)
    assert (gradient.opset_import[0].version, gradient.ir_version) == (opset, version)
    onnx.checker.check_model(gradient, full_check=True)


def test_a_recipe_says_what_the_file_left_open(tmp_path: Path) -> None:
    path = tmp_path / "open.onnx"
    shape: list[object] = ["n", "c", "h", "w"]
    onnx.save(_model([_node("Conv", ["x", "w1"], "c1")], shape, "c1", {"w1": W1}), path)
    model = osc.load(path, layout="NCHW", input_range=(-1, 1), mean=0.1)
    picture = osc.render(model, "c1:3", steps=3, size=16, provider="cpu")
    again = osc.remake(osc.read_recipe(picture.save(tmp_path / "picture.png")))
    np.testing.assert_array_equal(again.images, picture.images)


def test_preprocessing_is_not_half_guessed() -> None:
    proto = _nhwc()
    with pytest.raises(InputError, match="need input_range as well"):
        osc.load(proto, mean=0.5)
    with pytest.raises(InputError, match="two numbers"):
        osc.load(proto, input_range=(0, 1, 2))
    with pytest.raises(InputError, match="finite"):
        osc.load(proto, input_range=(0, 1), std=float("nan"))
    model = osc.load(proto, input_range=(0, 255), mean=np.float32(3), std=[1, 2, 3])
    with pytest.raises(InputError, match="does not say what its input"):
        osc.render(osc.load(proto), "r1:1", steps=1, size=32)
    assert str(model.preprocessing) == "RGB in [0, 255], minus 3, over 1/2/3, NHWC"


def _behind(
    node: onnx.NodeProto, domains: tuple[str, ...] = (), opset: int = 18
) -> onnx.ModelProto:
    """A convolution and ReLU, and behind them something else."""
    nodes = [
        _node("Conv", ["x", "w1"], "c1"),
        _node("Relu", ["c1"], "r1"),
        node,
        _node("Relu", [node.output[0]], "last"),
    ]
    weights = {"w1": W1, "ones": np.ones(8, np.float32)}
    return _model(nodes, [1, 3, "H", "W"], "last", weights, opset, domains)


@pytest.mark.parametrize(
    ("node", "domains", "opset", "message"),
    [
        (_node("Whirl", ["r1"], "odd", domain="com.microsoft"), ("com.microsoft",), 18, "Whirl"),
        (_node("Momentum", ["r1"], "odd"), (), 18, "Momentum"),
        # tf2onnx leaves what it does not know as it is, by default in opset 15.
        (_node("Erfc", ["r1"], "odd"), (), 15, "ONNX has no operator Erfc .did you mean 'Erf'"),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_layers_before_an_unknown_operator_are_there(
    node: onnx.NodeProto, domains: tuple[str, ...], opset: int, message: str
) -> None:
    model = osc.load(_behind(node, domains, opset), input_range=(0, 1))
    assert list(model.layers) == ["c1", "r1"]
    assert set(model.layers.left_out) == {"odd", "last"}
    picture = osc.render(model, "c1:3", steps=2, size=24, provider="cpu")
    assert picture.values[1] != picture.values[0]
    with pytest.raises(OperatorError, match=message) as caught:
        osc.render(model, osc.channel("last", 3), steps=1, size=24, provider="cpu")
    assert "node_odd" in str(caught.value)
    with pytest.raises(LayerError, match=message):
        model.layers["last"]
    assert model.layers.get("last") is None


def test_shape_arithmetic_is_no_layer() -> None:
    # What PyTorch writes for view(x.size(0), -1).
    nodes = [
        _node("Conv", ["x", "w1"], "c1"),
        _node("GlobalAveragePool", ["c1"], "pool"),
        _node("Shape", ["pool"], "all"),
        _node("Gather", ["all", "zero"], "batch", axis=0),
        _node("Unsqueeze", ["batch", "axis"], "row"),
        _node("Concat", ["row", "rest"], "shape", axis=0),
        _node("Reshape", ["pool", "shape"], "flat"),
        _node("Gemm", ["flat", "w"], "logits", transB=1),
    ]
    weights = {
        "w1": W1,
        "zero": np.array(0),
        "axis": np.array([0]),
        "rest": np.array([-1]),
        "w": W2.reshape(6, 8),
    }
    model = osc.load(_model(nodes, ["N", 3, "H", "W"], "logits", weights), input_range=(0, 1))
    assert list(model.layers) == ["c1", "pool", "flat", "logits"]
    assert not model.layers.left_out
    assert osc.render(model, "logits:3", steps=2, size=24, batch=2, provider="cpu").values.any()


def test_a_size_that_does_not_fit_is_named() -> None:
    nodes = [
        _node("Conv", ["x", "w1"], "c1"),
        _node("Flatten", ["c1"], "flat"),
        _node("Gemm", ["flat", "w"], "logits"),
        _node("Reshape", ["c1", "four"], "halves"),
    ]
    weights = {
        "w1": W1,
        "w": RNG.standard_normal((8 * 30 * 30, 4)).astype(np.float32),
        "four": np.array([1, 4, 2, 30, 30]),
    }
    proto = _model(nodes, ["N", 3, "H", "W"], "logits", weights)
    model = osc.load(proto, input_range=(0, 1))
    # Only pictures of 32×32 reach the classes; the layers before take any.
    assert list(model.layers) == ["c1", "flat"]
    assert "Gemm" in model.layers.left_out["logits"]
    assert osc.render(model, "logits:1", steps=1, size=32, provider="cpu").values.shape == (1,)
    with pytest.raises(InputError, match="does not accept a picture of 40×40 pixels"):
        osc.render(model, osc.channel("logits", 1), steps=1, size=40, provider="cpu")
    with pytest.raises(InputError, match="Reshape"):
        model.activations(np.zeros((40, 40, 3), np.float32), "halves")


def test_functions_of_the_file_are_written_out() -> None:
    function = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 18)],
    )
    node = _node("Twice", ["r1"], "odd", domain="local")
    proto = _behind(node, ("local",))
    proto.functions.append(function)
    model = osc.load(proto, input_range=(0, 1))
    assert not model.layers.left_out
    image = RNG.random((16, 16, 3), np.float32)
    layers = model.activations(image, ["r1", "odd"])
    np.testing.assert_array_equal(layers["odd"], 2 * layers["r1"])


def test_external_weights_are_part_of_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    proto = _model([_node("Conv", ["x", "w1"], "c1")], [1, 3, "H", "W"], "c1", {"w1": W1})
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    first = osc.load(path, input_range=(0, 1))
    again = osc.load(path, input_range=(0, 1))
    (tmp_path / "w.bin").write_bytes((2 * W1).tobytes())
    other = osc.load(path, input_range=(0, 1))
    assert first.sha256 == again.sha256 != other.sha256


def test_what_stops_a_run_is_said_in_words(squeezenet: osc.Model) -> None:
    class Broken:
        def inputs(self, count: int, height: int, width: int) -> dict[str, object]:
            return {"index": ((1,), np.int64)}

        def draw(self, rng: object, count: int, height: int, width: int) -> dict[str, np.ndarray]:
            return {"index": np.full(1, 10**6)}

        def apply(self, image: osc.Tensor, data: dict[str, osc.Tensor]) -> osc.Tensor:
            return image + image.op.Gather(image, data["index"], axis=2) * 0

    with pytest.raises(osc.OnnxscopeError, match=r"ONNX Runtime stopped|must be a constant"):
        osc.render(squeezenet, "fire2:1", steps=1, size=32, transforms=[Broken()], provider="cpu")


def test_own_rules_are_never_passed_by() -> None:
    nodes = [_node("Conv", ["x", "w1"], "c1"), _node("LRN", ["c1"], "n1", size=3)]
    model = osc.load(_model(nodes, [1, 3, "H", "W"], "n1", {"w1": W1}), input_range=(0, 1))
    image = RNG.random((16, 16, 3), np.float32)
    with pytest.raises(OperatorError, match="no gradient rule"):
        osc.Gradient(model, "n1:1", provider="cpu", rules=osc.RuleTable())(image)
    nothing = osc.RuleTable()
    nothing.define("LRN", lambda op, dy, x: dy * 0, ignores=("alpha", "beta", "bias", "size"))
    rules = osc.standard_rules() | nothing
    _, gradient = osc.Gradient(model, "n1:1", provider="cpu", rules=rules)(image)
    assert not gradient.any()
    picture = osc.render(model, "n1:1", steps=2, size=16, provider="cpu", rules=rules)
    assert any("no gradient" in warning for warning in picture.warnings)


def test_a_picture_that_redirected_gradients_alone_move_is_not_called_noise() -> None:
    """The ReLU is off and what is behind it is not zero, as behind a bias."""
    nodes = [
        _node("Conv", ["x", "w1"], "c1"),
        _node("Sub", ["c1", "far"], "off"),
        _node("Relu", ["off"], "r1"),
        _node("Add", ["r1", "bias"], "last"),
    ]
    weights = {"w1": W1, "far": np.float32(99), "bias": np.float32(1)}
    model = osc.load(_model(nodes, [1, 3, "H", "W"], "last", weights), input_range=(0, 1))
    picture = osc.render(model, osc.channel("last", 3), steps=2, size=24, provider="cpu")
    assert any("redirected activations alone" in warning for warning in picture.warnings)
    leaked = osc.render(model, osc.channel("last", 3), steps=4, size=24, provider="cpu")
    assert any("and a gradient that leaks alone" in warning for warning in leaked.warnings)
    still = osc.render(
        model, osc.channel("last", 3), steps=2, size=24, provider="cpu", redirect_steps=0
    )
    assert any("stayed the noise" in warning for warning in still.warnings)
    assert np.abs(picture.images - still.images).max() > 1e-3


def test_damaged_and_other_files_are_told_apart(tmp_path: Path) -> None:
    whole = _nhwc().SerializeToString()
    cases = {
        "empty.onnx": (b"", "is empty"),
        "text.onnx": (b"this is not a model\n" * 20, "text file"),
        "cut.onnx": (whole[: len(whole) // 2], "truncated|damaged|no graph|not an ONNX"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=message):
            osc.load(tmp_path / name)
