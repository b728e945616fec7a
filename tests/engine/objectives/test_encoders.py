"""Encoders behind a layer: their units' values, gradients, recipes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import helper
from onnxscope.errors import InputError, OnnxscopeError
from onnxscope.objectives.registry import from_json
from onnxscope.objectives.targets import resolve

RNG = np.random.default_rng(0)
W = RNG.standard_normal((256, 7), np.float32)
B = RNG.standard_normal(7, np.float32)
IMAGES = RNG.random((2, 48, 64, 3), np.float32)


def sae(path: Path, *, channels: int = 256, second: bool = False) -> Path:
    """relu(x W + b), as a file of cells (M, C) to units (M, 7)."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["before"]),
        helper.make_node("Relu", ["before"], ["latents"]),
    ]
    outputs = ["latents", *(["before"] if second else [])]
    graph = helper.make_graph(
        nodes,
        "sae",
        [helper.make_tensor_value_info("x", 1, ["M", channels])],
        [helper.make_tensor_value_info(name, 1, ["M", 7]) for name in outputs],
        [
            onnx.numpy_helper.from_array(W[:channels], "w"),
            onnx.numpy_helper.from_array(B, "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def convolution(path: Path) -> Path:
    """A file of layers (N, C, H, W) to units (N, 7, H, W)."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["units"])],
        "maps",
        [helper.make_tensor_value_info("x", 1, ["N", 256, "H", "W"])],
        [helper.make_tensor_value_info("units", 1, ["N", 7, "H", "W"])],
        [
            onnx.numpy_helper.from_array(np.ascontiguousarray(W.T).reshape(7, 256, 1, 1), "w"),
            onnx.numpy_helper.from_array(B, "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def linear(squeezenet: osc.Model) -> np.ndarray:
    activations = squeezenet.activations(IMAGES, "fire5")["fire5"]
    return np.einsum("nchw,cd->ndhw", activations, W) + B[:, None, None]


@pytest.mark.slow
def test_values_and_gradients(squeezenet: osc.Model, tmp_path: Path) -> None:
    path = sae(tmp_path / "sae.onnx", second=True)
    units = linear(squeezenet)
    for objective, expected in (
        (osc.encoder(path, "fire5", 3, output="before"), units[:, 3].mean((1, 2))),
        (osc.encoder(path, "fire5", 5, output="latents"), np.maximum(units, 0)[:, 5].mean((1, 2))),
        (osc.encoder(path, "fire5", 5, output="before", y=1, x=0), units[:, 5, 1, 0]),
        (osc.encoder(convolution(tmp_path / "c.onnx"), "fire5", 2), units[:, 2].mean((1, 2))),
    ):
        value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
        np.testing.assert_allclose(value, expected, rtol=2e-4, atol=1e-4)
        assert osc.verify(squeezenet, objective, size=48, directions=2).agrees
        assert from_json(objective.to_json()) == objective


def test_of_class_scores(squeezenet: osc.Model, tmp_path: Path) -> None:
    weights = RNG.standard_normal((1000, 7), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, ["M", 1000])],
        [helper.make_tensor_value_info("y", 1, ["M", 7])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, ir_version=9), tmp_path / "e.onnx")
    objective = osc.encoder(tmp_path / "e.onnx", "logits", 6)
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    logits = squeezenet.activations(IMAGES, "logits")["logits"]
    np.testing.assert_allclose(value, (logits @ weights)[:, 6], rtol=1e-4)


@pytest.mark.slow
def test_an_ascent_raises_a_unit(squeezenet: osc.Model, tmp_path: Path) -> None:
    path = sae(tmp_path / "sae.onnx")
    target = f"fire5@{path}:4"
    assert resolve(squeezenet, target) == osc.encoder(path, "fire5", 4)
    assert str(resolve(squeezenet, target)) == "encoded fire5@sae.onnx:4"
    given = {"size": 56, "provider": "cpu"}
    picture = osc.render(squeezenet, target, steps=9, batch=3, transforms=(), **given)
    assert (picture.values[-1] > picture.values[0]).all()
    apart = osc.render(squeezenet, target, steps=9, batch=3, transforms=(), batch_size=1, **given)
    np.testing.assert_array_equal(apart.images, picture.images)
    again = osc.remake(picture.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)
    sae(path, second=True)
    with pytest.raises(InputError, match="is another encoder than the one that the objective is"):
        osc.remake(picture.recipe, squeezenet)


def test_what_is_refused(squeezenet: osc.Model, tmp_path: Path) -> None:
    path = sae(tmp_path / "sae.onnx", second=True)
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    for make, message in (
        (lambda: osc.encoder(tmp_path / "none.onnx", "fire5", 0), "cannot read .*none.onnx"),
        (lambda: osc.encoder(path, 3, 0), "a layer is given by its name, such as 'mixed4a', not 3"),
        (lambda: osc.encoder(path, "fire5", "x"), "the unit of an encoder must be a whole number"),
        (lambda: osc.encoder(path, "fire5", 0), "the outputs latents, before: say with output="),
        (lambda: osc.encoder(path, "fire5", 0, output="x"), "has the outputs latents, before"),
        (
            lambda: osc.encoder(path, "fire5", 7, output="before"),
            "sae.onnx behind fire5 has 7 channels, 0 to 6; there is no channel 7",
        ),
        (
            lambda: osc.encoder(path, "fire3", 0, output="before"),
            "sae.onnx does not take the cells of fire3: ",
        ),
        (
            lambda: osc.encoder(convolution(tmp_path / "c.onnx"), "logits", 0),
            r"reads layers \(N, C, H, W\), and logits has the shape",
        ),
        (lambda: osc.encoder(tmp_path / "bad.onnx", "fire5", 0), "bad.onnx"),
    ):
        with pytest.raises(OnnxscopeError, match=message):
            osc.Gradient(squeezenet, make(), provider="cpu")(IMAGES)
