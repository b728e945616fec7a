"""Priors on activations as a whole: values in NumPy, batch normalisations of files, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnx import helper
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.objectives.registry import from_json
from onnxscope.objectives.targets import resolve
from PIL import Image

RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 64, 80, 3), np.float32)


def test_statistics(squeezenet: osc.Model) -> None:
    means, variances = RNG.random(128), RNG.random(128)
    a = squeezenet.activations(IMAGES, "fire3")["fire3"].astype(np.float64)
    expected = np.linalg.norm(a.mean((2, 3)) - means, axis=1)
    expected += np.linalg.norm(a.var((2, 3)) - variances, axis=1)
    objective = osc.statistics("fire3", means, variances)
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    np.testing.assert_allclose(value, expected, rtol=1e-4)


@pytest.mark.parametrize("size", [(3, 4), (20, 30)])
def test_distributions(squeezenet: osc.Model, size: tuple[int, int]) -> None:
    photos = np.abs(RNG.standard_normal((3, 128, *size)))
    a = squeezenet.activations(IMAGES, "fire3")["fire3"].astype(np.float64)
    a = np.sort(a.reshape(2, 128, -1), axis=2)
    kept = np.sort(photos.reshape(3, 128, -1), axis=2).mean(0)

    def at(values: np.ndarray, count: int) -> np.ndarray:
        known = (np.arange(values.shape[1]) + 0.5) / values.shape[1]
        wanted = (np.arange(count) + 0.5) / count
        return np.array([np.interp(wanted, known, line) for line in values])

    if kept.shape[1] > 256:
        kept = at(kept, 256)
    wanted = at(kept, a.shape[2])
    expected = ((a - wanted) ** 2).sum((1, 2)) / (wanted**2).sum()
    objective = osc.distribution("fire3", photos)
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_a_picture_is_at_no_distance_from_itself(squeezenet: osc.Model) -> None:
    activations = squeezenet.activations(IMAGES[:1], "fire5")["fire5"]
    moved = IMAGES[:1, ::-1]  # the same cells elsewhere, about
    for images, most in ((IMAGES[:1], 1e-6), (moved, 0.1)):
        value, _ = osc.Gradient(squeezenet, osc.distribution("fire5", activations))(images)
        assert value < most


def test_distributions_of_files_in_an_expression(
    squeezenet: osc.Model, flower: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(flower).save(path)
    found = resolve(squeezenet, f"'daisy' - distribution('fire5', '{path}')")
    activations = squeezenet.activations([path], "fire5")["fire5"]
    assert found == osc.channel("logits", 985) - osc.distribution("fire5", activations)


def normalized() -> osc.Model:
    """Two convolutions, of which one has its batch normalisation in a node of its own."""
    arrays = {
        "w1": RNG.standard_normal((6, 3, 3, 3)),
        "w2": RNG.standard_normal((4, 6, 3, 3)),
        **{f"{name}1": RNG.random(6) + 0.5 for name in ("s", "b", "m", "v")},
        **{f"{name}2": RNG.random(4) + 0.5 for name in ("s", "b", "m", "v")},
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"]),
        helper.make_node("BatchNormalization", ["c1", "s1", "b1", "m1", "v1"], ["n1"], epsilon=0.1),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("BatchNormalization", ["r2", "s2", "b2", "m2", "v2"], ["n2"]),
    ]
    graph = helper.make_graph(
        nodes,
        "normalized",
        [helper.make_tensor_value_info("image", 1, ["N", 3, 24, 24])],
        [helper.make_tensor_value_info("n2", 1, None)],
        [onnx.numpy_helper.from_array(np.float32(a), name) for name, a in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    loaded = osc.load(model, input_range=(0, 1))
    loaded.arrays = arrays
    return loaded


def test_a_distribution_whose_channels_are_weighed(squeezenet: osc.Model, tmp_path: Path) -> None:
    found = squeezenet.activations(IMAGES, "fire4")["fire4"]
    weights = RNG.random(256).astype(np.float32)
    weights[::2] = 0
    wanted = osc.distribution("fire4", found[:1], weights)
    value, _ = osc.Gradient(squeezenet, wanted, provider="cpu")(IMAGES)
    ordered = np.sort(found.reshape(len(found), 256, -1).astype(np.float64), 2)
    apart = ((ordered - ordered[0]) ** 2).sum(2) @ weights
    np.testing.assert_allclose(
        value, apart / ((ordered[0] ** 2).sum(1) @ weights), rtol=1e-3, atol=1e-6
    )
    # Written down and read back, and as text.
    assert from_json(wanted.to_json()) == wanted
    assert "weights" not in osc.distribution("fire4", found[:1]).to_json()["distribution"]
    np.save(tmp_path / "counts.npy", weights)
    Image.fromarray(np.uint8(IMAGES[0] * 255)).save(tmp_path / "photo.png")
    text = f"distribution('fire4', '{tmp_path}/photo.png', weights=array('{tmp_path}/counts.npy'))"
    read = resolve(squeezenet, text)
    np.testing.assert_array_equal(read.weights, weights)


@pytest.mark.slow
def test_what_batch_normalisation_has_kept_from_training() -> None:
    model = normalized()
    found = model.expected_statistics()
    assert list(found) == ["n1", "n2"]
    a = model.arrays
    np.testing.assert_allclose(found["n1"].means, a["b1"], rtol=1e-6)
    expected = a["s1"] ** 2 * a["v1"] / (a["v1"] + 0.1)
    np.testing.assert_allclose(found["n1"].variances, expected, rtol=1e-6)
    prior = osc.batch_norm_prior(model)
    both = osc.statistics("n1", *found["n1"]) + osc.statistics("n2", *found["n2"])
    assert prior == both
    assert resolve(model, "'n2:1' - 0.5 * batch_norm_prior()") == osc.channel("n2", 1) - 0.5 * both
    images = RNG.random((2, 24, 24, 3), np.float32)
    before, _ = osc.Gradient(model, prior, provider="cpu")(images)
    activations = model.activations(images, ["n1", "n2"])
    expected_value = sum(
        np.linalg.norm(x.mean((2, 3)) - found[n].means, axis=1)
        + np.linalg.norm(x.var((2, 3)) - found[n].variances, axis=1)
        for n, x in activations.items()
    )
    np.testing.assert_allclose(before, expected_value, rtol=1e-4)
    assert osc.verify(model, prior, directions=2).agrees
    picture = osc.render(model, -prior, steps=30, transforms=(), provider="cpu")
    assert picture.values[-1] > picture.values[0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: osc.statistics("a", [1, 2], [1]), TargetError, "variances are as many as means"),
        (lambda: osc.statistics("a", [1], [-1]), TargetError, "and at least 0, not of shape .* -1"),
        (lambda: osc.statistics("a", 3, [1]), InputError, "means must be numbers of shape"),
        (lambda: osc.distribution("a", [1, 2]), TargetError, "is of activations .* of shape"),
        (
            lambda: osc.distribution("a", RNG.random((1, 2, 3)), [1, 2, 3]),
            TargetError,
            "one for each of 2 channels, not 3",
        ),
        (
            lambda: osc.distribution("a", RNG.random((1, 2, 3)), [0, -1]),
            TargetError,
            "at least 0, and some above it, not -1 to 0",
        ),
        (
            lambda: osc.distribution(3, RNG.random((1, 2, 3))),
            TargetError,
            "by its name, such as .* not 3",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_what_does_not_fit_a_model(squeezenet: osc.Model) -> None:
    with pytest.raises(TargetError, match="squeezenet has no batch normalisations, from which"):
        osc.batch_norm_prior(squeezenet)
    for objective in (
        osc.statistics("fire5", [1], [1]),
        osc.distribution("logits", RNG.random((1, 1000, 3))),
    ):
        with pytest.raises(LayerError, match=r"has the shape .*; expected \d+ channels, as"):
            osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
