"""Scores and probabilities of classes, by name and number, before and behind a softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import helper
from onnxscope.errors import InputError, LayerError, TargetError

IMAGES = np.random.default_rng(0).random((2, 64, 80, 3), np.float32)


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (osc.logit("daisy"), lambda z: z[:, 985]),
        (osc.logit(" Daisy"), lambda z: z[:, 985]),
        (osc.logit(7), lambda z: z[:, 7]),
        (osc.logit("7"), lambda z: z[:, 7]),
        (osc.probability("daisy"), lambda z: softmax(z)[:, 985]),
        (osc.probability(7, log=True), lambda z: np.log(softmax(z)[:, 7])),
    ],
)
def test_values(
    squeezenet: osc.Model,
    objective: osc.Objective,
    expected: Callable[[np.ndarray], np.ndarray],
) -> None:
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    logits = squeezenet.activations(IMAGES, "logits")["logits"]
    np.testing.assert_allclose(value, expected(logits), rtol=1e-5)


def classifier(*ends: onnx.NodeProto) -> osc.Model:
    """Four classes, scored by `scores`; `ends` stand behind."""
    rng = np.random.default_rng(1)
    weights = {
        "w": rng.standard_normal((4, 3, 3, 3), np.float32),
        "shape": np.array([0, 4], np.int64),
        "axes": np.array([2, 3], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["map"]),
        helper.make_node("ReduceMean", ["map", "axes"], ["mean"]),
        helper.make_node("Reshape", ["mean", "shape"], ["scores"]),
        *ends,
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info(nodes[-1].output[0], onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return osc.load(model, input_range=(0, 1))


@pytest.mark.parametrize(
    "ends",
    [
        (),
        (helper.make_node("Softmax", ["scores"], ["end"], axis=1),),
        (
            helper.make_node("Softmax", ["mean"], ["every"], axis=1),
            helper.make_node("Reshape", ["every", "shape"], ["end"]),
        ),
        (
            helper.make_node("LogSoftmax", ["scores"], ["every"], axis=1),
            helper.make_node("Identity", ["every"], ["end"]),
        ),
    ],
)
def test_before_and_behind_the_files_softmax(ends: tuple[onnx.NodeProto, ...]) -> None:
    model = classifier(*ends)
    images = np.random.default_rng(2).random((2, 16, 16, 3), np.float32)
    scores = model.activations(images, "scores")["scores"]
    # Without a name, the layer of class scores is found.
    places = ["logits", "scores", *(["end"] if ends else [])]
    for layer in places:
        value, slope = osc.Gradient(model, osc.logit(2, layer=layer), provider="cpu")(images)
        np.testing.assert_allclose(value, scores[:, 2], rtol=1e-5)
        assert slope.any()
        value, slope = osc.Gradient(model, osc.probability(2, layer=layer), provider="cpu")(images)
        np.testing.assert_allclose(value, softmax(scores)[:, 2], rtol=1e-5)
        assert slope.any()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: osc.logit(-1), InputError, "a class must be at least 0, not -1"),
        (lambda: osc.logit(1.5), InputError, "a class must be a whole number, not 1.5"),
        (lambda: osc.logit(""), TargetError, "a class is given by its name or number, not ''"),
        (
            lambda: osc.logit("daisy", layer=3),
            TargetError,
            "a layer is given by its name, such as 'mixed4a', not 3",
        ),
    ],
)
def test_what_is_no_class(make: Callable[[], object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("objective", "error", "message"),
    [
        (osc.logit("dasy"), TargetError, "no class is called 'dasy'; did you mean 'daisy'"),
        (osc.logit("crane"), TargetError, "2 classes are called 'crane': 134, 517; give the num"),
        (osc.logit(1000), LayerError, "logits has 1000 classes, 0 to 999; there is no class 1000"),
        (osc.logit(3, layer="fire5"), LayerError, r"fire5 has the shape .*; expected class scores"),
    ],
)
def test_what_is_not_there(
    squeezenet: osc.Model, objective: osc.Objective, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)


def test_a_model_without_names_of_classes() -> None:
    images = np.zeros((1, 16, 16, 3), np.float32)
    with pytest.raises(TargetError, match="the model names no classes, as 'daisy'"):
        osc.Gradient(classifier(), osc.logit("daisy"), provider="cpu")(images)
