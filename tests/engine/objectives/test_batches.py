"""Objectives that compare pictures: their values in NumPy, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, TargetError

IMAGES = np.random.default_rng(0).random((6, 64, 80, 3), np.float32)


def diversity(a: np.ndarray) -> np.ndarray:
    """Lucid's, before the mean: of each picture, summed over the others."""
    flat = a.astype(np.float64).reshape(*a.shape[:2], -1)
    grams = flat @ flat.transpose(0, 2, 1)
    grams /= np.sqrt((grams**2).sum((1, 2), keepdims=True))
    alike = np.einsum("iab,jab->ij", grams, grams)
    return alike.sum(1) - 1


def alignment(a: np.ndarray, ratio: float) -> np.ndarray:
    total = np.zeros(len(a))
    for i in range(len(a)):
        for j in range(len(a)):
            if 0 < abs(i - j) <= 4:
                total[i] += ((a[i] - a[j]) ** 2).mean() / ratio ** abs(i - j) / 2
    return total


@pytest.mark.sample(3)
@pytest.mark.parametrize("count", [1, 2, 6])
@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (osc.diversity("fire5"), diversity),
        (osc.alignment("fire5"), lambda a: alignment(a, 2)),
        (osc.alignment("logits", 1.5), lambda a: alignment(a, 1.5)),
    ],
)
def test_values(
    squeezenet: osc.Model,
    objective: osc.Objective,
    expected: Callable[[np.ndarray], np.ndarray],
    count: int,
) -> None:
    (layer,) = objective.layers()
    activations = squeezenet.activations(IMAGES[:count], layer)[layer]
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES[:count])
    np.testing.assert_allclose(value, expected(activations), rtol=1e-4, atol=1e-5)
    assert objective.mixes_pictures


@pytest.mark.slow
def test_diversity_makes_pictures_differ(squeezenet: osc.Model) -> None:
    given = {"size": 64, "steps": 40, "batch": 3, "provider": "cpu"}
    plain = osc.render(squeezenet, "fire5:11", **given).images
    apart = osc.render(squeezenet, osc.channel("fire5", 11) - 100 * osc.diversity("fire5"), **given)
    alike = [
        osc.Gradient(squeezenet, osc.diversity("fire5"), provider="cpu")(images)[0].mean()
        for images in (plain, apart.images)
    ]
    assert alike[1] < 0.8 * alike[0]
    assert str(osc.channel("fire5", 11) - 5 * osc.diversity("fire5")) == (
        "channel fire5:11 − 5 × diversity fire5"
    )


@pytest.mark.slow
def test_pictures_between_two_units(squeezenet: osc.Model) -> None:
    start, stop = osc.channel("fire5", 1), osc.neuron("fire4", 9)
    objective = osc.interpolate(start, stop, 3)
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES[:3])
    ends = [osc.Gradient(squeezenet, one, provider="cpu")(IMAGES[:3])[0] for one in (start, stop)]
    weights = np.array([0, 0.5, 1])
    np.testing.assert_allclose(value, (1 - weights) * ends[0] + weights * ends[1], rtol=1e-4)
    assert not objective.mixes_pictures
    assert osc.interpolate(start, stop, 2) == osc.each([start, stop])
    picture = osc.render(
        squeezenet, objective - osc.alignment("fire4"), batch=3, size=48, steps=2, provider="cpu"
    )
    assert len(picture.images) == 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: osc.diversity(3),
            TargetError,
            "a layer is given by its name, such as 'mixed4a', not 3",
        ),
        (lambda: osc.alignment("a", 0), TargetError, "decay_ratio must be above 0, not 0"),
        (lambda: osc.alignment("a", "x"), InputError, "decay_ratio must be a number, not 'x'"),
        (
            lambda: osc.interpolate(osc.layer("a"), osc.layer("b"), 1),
            InputError,
            "the count of pictures must be at least 2, not 1",
        ),
        (lambda: osc.interpolate("a", osc.layer("b"), 3), TargetError, "expected an objective"),
        (
            lambda: osc.interpolate(osc.diversity("a"), osc.layer("b"), 3),
            TargetError,
            "cannot be the objective of one of them in each",
        ),
    ],
)
def test_what_cannot_be_compared(make: Callable[[], object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_what_has_no_cells_has_no_texture(squeezenet: osc.Model) -> None:
    with pytest.raises(LayerError, match="a Gram matrix is over cells"):
        osc.Gradient(squeezenet, osc.diversity("logits"), provider="cpu")(IMAGES)
