"""Objectives that compare with a photograph: values in NumPy, transforms, recipes, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.images import fitted_to
from onnxscope.objectives.targets import resolve
from PIL import Image

pytestmark = pytest.mark.usefixtures("kept_graphs")

IMAGES = np.random.default_rng(0).random((2, 64, 80, 3), np.float32)


def per_picture(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).astype(np.float64)


def gram(a: np.ndarray) -> np.ndarray:
    flat = a.reshape(*a.shape[:2], -1).astype(np.float64)
    return per_picture(flat @ flat.transpose(0, 2, 1) / flat.shape[2])


def relative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a - b) ** 2).sum(1) / (b**2).sum(1)


def caricature(a: np.ndarray, b: np.ndarray, power: float) -> np.ndarray:
    dot = (a * b).sum(1)
    cosine = dot / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return dot / a.shape[1] * np.maximum(0.1, cosine) ** power


CASES: dict[str, tuple[Callable[[np.ndarray], osc.Objective], Callable[..., np.ndarray]]] = {
    "distance": (
        lambda p: osc.difference("fire5", p),
        lambda a, b: np.sqrt(relative(per_picture(a), per_picture(b))),
    ),
    "l1": (
        lambda p: osc.difference("fire5", p, "l1"),
        lambda a, b: abs(per_picture(a - b)).mean(1),
    ),
    "l2": (
        lambda p: osc.difference("fire5", p, "l2"),
        lambda a, b: (per_picture(a - b) ** 2).mean(1),
    ),
    "inversion": (
        lambda p: osc.inversion("fire5", p),
        lambda a, b: -relative(per_picture(a), per_picture(b)),
    ),
    "logits": (
        lambda p: osc.inversion("logits", p),
        lambda a, b: -relative(per_picture(a), per_picture(b)),
    ),
    "caricature": (
        lambda p: osc.caricature("fire5", p, cosine=3),
        lambda a, b: caricature(per_picture(a), per_picture(b), 3),
    ),
    "style": (lambda p: osc.style("fire5", p), lambda a, b: relative(gram(a), gram(b))),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", CASES)
def test_values(squeezenet: osc.Model, flower: np.ndarray, name: str) -> None:
    make, expected = CASES[name]
    objective = make(flower)
    (layer,) = objective.layers()
    photo = fitted_to(flower, 64, 80)
    here, there = (squeezenet.activations(x, layer)[layer] for x in (IMAGES, photo))
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    np.testing.assert_allclose(value, expected(here, there), rtol=2e-4)


@pytest.mark.slow
def test_styles_of_several_layers_add_up(squeezenet: osc.Model, flower: np.ndarray) -> None:
    def value(objective: osc.Objective) -> np.ndarray:
        return osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)[0]

    layers = ["fire2", "fire4"]
    each = [value(osc.style(name, flower)) for name in layers]
    np.testing.assert_allclose(value(osc.style(layers, flower)), sum(each), rtol=1e-5)


def test_the_distance_of_pixels(squeezenet: osc.Model, flower: np.ndarray) -> None:
    photo = fitted_to(flower, 64, 80) / 255
    value, _ = osc.Gradient(squeezenet, osc.distance(flower), provider="cpu")(IMAGES)
    np.testing.assert_allclose(value, np.sqrt(((IMAGES - photo) ** 2).mean((1, 2, 3))), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.sample(1)
@pytest.mark.parametrize("transforms", [None, (), [osc.noise(0.3)], [osc.flip(True, True)]])
def test_a_photo_moves_as_the_picture_does(
    squeezenet: osc.Model, flower: np.ndarray, transforms: object
) -> None:
    """A picture that is the photo is at no distance from it, in whatever transform."""
    start = osc.start(flower)
    for objective in (
        osc.inversion("fire5", flower),
        osc.each([osc.inversion("fire5", flower), osc.inversion("fire4", flower)]),
    ):
        picture = osc.render(
            squeezenet,
            objective,
            size=(64, 80),
            steps=3,
            batch=2,
            transforms=transforms,
            parameterization=start,
            optimizer=osc.Adam(1e-6),
            provider="cpu",
        )
        # But for black and white, which no parameters make.
        assert (picture.values > -2e-3).all(), picture.values


@pytest.mark.slow
def test_on_each_picture_its_own_transforms(squeezenet: osc.Model, flower: np.ndarray) -> None:
    """Pictures of different photos are what they are alone, in one graph as well."""
    objectives = [osc.inversion("fire3", flower), osc.caricature("fire4", flower[::-1])]
    given = {"size": 56, "steps": 3, "provider": "cpu", "precision": "tf32"}
    made = osc.render(squeezenet, objectives, **given)
    # A function of the user's keeps them in one graph.
    zero = osc.objective("fire2")(lambda a: a[:, 0].mean((1, 2)) * 0)
    together = osc.render(squeezenet, osc.each(objectives) + zero, batch=2, **given)
    np.testing.assert_allclose(together.images, made.images, atol=1e-2)


def test_inversion_finds_the_photo(squeezenet: osc.Model, flower: np.ndarray) -> None:
    objective = osc.inversion("fire2", flower) - 1e-5 * osc.total_variation()
    picture = osc.render(squeezenet, objective, size=64, steps=60, transforms=(), provider="cpu")
    assert picture.values[-1] > 0.3 * picture.values[0]
    photo = fitted_to(flower, 64, 64)
    assert np.corrcoef(picture.images.ravel(), photo.ravel())[0, 1] > 0.6


@pytest.mark.slow
def test_a_picture_is_made_again_without_the_photo(
    squeezenet: osc.Model, flower: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(flower).save(tmp_path / "photo.png")
    text = f"caricature('fire5', '{tmp_path / 'photo.png'}', cosine=2) - 0.1 * l2()"
    wanted = osc.caricature("fire5", flower, cosine=2) - 0.1 * osc.l2()
    assert resolve(squeezenet, text) == wanted
    picture = osc.render(squeezenet, text, size=56, steps=2, provider="cpu")
    picture.save(tmp_path / "made.png")
    (tmp_path / "photo.png").unlink()
    again = osc.remake(osc.read_recipe(tmp_path / "made.png"), squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)
    assert "caricature fire5 of [224×224×3 numbers, " in str(wanted)


@pytest.mark.slow
@pytest.mark.sample(1)
@pytest.mark.parametrize("precision", ["tf32", "float16"])
def test_beside_a_unit_and_in_half_precision(
    squeezenet: osc.Model, flower: np.ndarray, precision: str
) -> None:
    both = osc.neuron("fire5", 11) - 5 * osc.difference("fire3", flower)
    picture = osc.render(
        squeezenet, both, size=64, steps=6, provider="cpu", precision=precision, transforms=()
    )
    assert picture.values[-1] > picture.values[0]
    value, _ = osc.Gradient(squeezenet, both, provider="cpu")(IMAGES)
    parts = [
        osc.Gradient(squeezenet, one, provider="cpu")(IMAGES)[0]
        for one in (osc.neuron("fire5", 11), osc.difference("fire3", flower))
    ]
    np.testing.assert_allclose(value, parts[0] - 5 * parts[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda p: osc.difference(3, p),
            TargetError,
            "a layer is given by its name, such as 'mixed4a', not 3",
        ),
        (
            lambda p: osc.difference("a", p, "l3"),
            TargetError,
            "norm must be one of 'distance', 'l1'",
        ),
        (lambda p: osc.inversion("a", "none.png"), InputError, "none.png"),
        (
            lambda p: osc.inversion("a", [p, p]),
            InputError,
            "one photograph or picture is expected, not 2",
        ),
        (lambda p: osc.caricature("a", p, cosine=-1), TargetError, "must be at least 0, not -1"),
        (lambda p: osc.style([], p), TargetError, "a style is of layers, at least one, each once"),
        (lambda p: osc.style(["a", "a"], p), TargetError, "at least one, each once"),
        (lambda p: osc.distance(p * 1.5), InputError, "float pictures must have values in"),
    ],
)
def test_what_is_refused(
    flower: np.ndarray, make: Callable[[np.ndarray], object], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        make(flower)


def test_what_has_no_cells_has_no_style(squeezenet: osc.Model, flower: np.ndarray) -> None:
    with pytest.raises(LayerError, match="a Gram matrix is over cells"):
        osc.Gradient(squeezenet, osc.style("logits", flower), provider="cpu")(IMAGES)
