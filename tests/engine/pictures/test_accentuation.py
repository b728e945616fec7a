"""Accentuation: stronger, and near the photo, as much as is asked for; and to a value."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, ProviderError, TargetError
from onnxscope.images import fitted_to
from onnxscope.objectives.registry import from_json

pytestmark = pytest.mark.usefixtures("kept_graphs")

QUICK = {"layer": "fire3", "size": 64, "steps": 24, "provider": "cpu"}


@pytest.mark.slow  # three ascents
def test_the_stronger_the_nearer(squeezenet: osc.Model, flower: np.ndarray) -> None:
    photo = fitted_to(flower, 64, 64) / 255
    far, values = [], []
    unit = osc.Gradient(squeezenet, "fire8:5", provider="cpu")
    for strength in (0, 1, 4):
        picture = osc.accentuate(squeezenet, "fire8:5", flower, strength=strength, **QUICK)
        far.append(np.abs(picture.images - photo).mean())
        values.append(unit(picture.images)[0][0])
    assert far[0] > 1.5 * far[1] > 2 * far[2]
    assert values[0] > values[1] > values[2] > unit(np.float32(photo))[0][0] - 1


@pytest.mark.slow  # three pictures of a photo
def test_both_gradients_weigh_alike_at_the_start(squeezenet: osc.Model, flower: np.ndarray) -> None:
    given = QUICK | {"steps": 1, "transforms": ()}
    picture = osc.accentuate(squeezenet, "fire8:5", flower, **given)
    objective = from_json(picture.recipe.objective)
    (wanted, rest) = objective.terms
    (weight, near) = rest.operand.parts()
    assert wanted == osc.channel("fire8", 5)
    assert near == osc.difference("fire3", flower)
    photo = np.float32(fitted_to(flower, 64, 64) / 255)
    noisy = np.clip(photo + 0.002 * np.random.default_rng(0).standard_normal(photo.shape), 0, 1)
    sums = [
        np.abs(osc.Gradient(squeezenet, one, provider="cpu")(np.float32(noisy))[1]).sum()
        for one in (wanted, near)
    ]
    # There it is measured over the spectrum, here over pixels.
    assert 0.2 < weight.value / (sums[0] / sums[1]) < 5
    double = osc.accentuate(squeezenet, "fire8:5", flower, strength=2, **given)
    (_, rest) = from_json(double.recipe.objective).terms
    assert rest.operand.parts()[0].value == pytest.approx(2 * weight.value)
    again = osc.remake(picture.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


@pytest.mark.slow
def test_to_a_value(squeezenet: osc.Model, flower: np.ndarray) -> None:
    unit = osc.Gradient(squeezenet, "fire5:11", provider="cpu")
    photo = np.float32(fitted_to(flower, 64, 64) / 255)
    before = unit(photo)[0][0]
    for wanted in (before + 2, before + 6):
        picture = osc.accentuate(
            squeezenet,
            "fire5:11",
            photo,
            strength=0.1,
            toward=wanted,
            transforms=(),
            **QUICK | {"steps": 60},
        )
        assert unit(picture.images)[0][0] == pytest.approx(wanted, abs=0.8)


def test_what_is_refused(squeezenet: osc.Model, flower: np.ndarray) -> None:
    black = osc.objective("fire5")(lambda a: (a * 0).mean((1, 2, 3)))
    for given, error, message in (
        ({"strength": -1}, InputError, "strength must be at least 0, not -1"),
        ({"objective": osc.diversity("fire5")}, TargetError, "accentuate makes each of one photo"),
        ({"objective": black}, TargetError, "has no gradient at the photo, so that its strength"),
        ({"photo": "none.png"}, InputError, "none.png"),
        ({"of": 3}, InputError, "of Fourier"),
    ):
        arguments = {"objective": "fire5:11", "photo": flower} | QUICK | given
        with pytest.raises(error, match=message):
            osc.accentuate(squeezenet, **arguments)


def test_what_says_how_it_is_climbed_is_refused_before_any_work(
    squeezenet: osc.Model, flower: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object) -> float:
        raise AssertionError("the gradients were measured before")

    monkeypatch.setattr("onnxscope.pictures.accentuation.balance", measured)
    for given, error, message in (
        ({"steps": 0}, InputError, "steps must be at least 1"),
        ({"provider": "quick"}, ProviderError, "no provider 'quick'"),
        ({"snapshots": ["x"]}, InputError, "each step of snapshots"),
    ):
        with pytest.raises(error, match=message):
            osc.accentuate(squeezenet, "fire5:11", flower, **QUICK | given)
