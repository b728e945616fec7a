"""Studies of photographs: inverted, exaggerated, dreamt, painted in the textures of another."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, MemoryShortageError
from onnxscope.images import fitted_to
from onnxscope.studies import dreaming
from onnxscope.studies.layers import early_layer, layer_of, usual_layers

QUICK = {"size": 64, "steps": 40, "provider": "cpu"}


@pytest.fixture(scope="module")
def photo(flower: np.ndarray) -> np.ndarray:
    return np.float32(fitted_to(flower, 64, 64) / 255)


def distance(model: osc.Model, layer: str, image: np.ndarray, photo: np.ndarray) -> float:
    here, there = (model.activations(one, [layer])[layer].ravel() for one in (image, photo))
    return float(np.linalg.norm(here - there) / np.linalg.norm(there))


def gram(model: osc.Model, layer: str, image: np.ndarray) -> np.ndarray:
    cells = model.activations(image, [layer])[layer][0].reshape(256, -1)
    return cells @ cells.T / cells.shape[1]


def likeness(image: np.ndarray, photo: np.ndarray) -> float:
    return float(np.corrcoef(image.ravel(), photo.ravel())[0, 1])


@pytest.mark.slow
def test_inverted_pictures_are_near_the_photo(squeezenet, photo, tmp_path):
    found = osc.invert(squeezenet, photo, ["fire2", "fire5"], **QUICK)
    grey = np.full_like(photo, 0.5)
    for number, layer in enumerate(("fire2", "fire5")):
        left = distance(squeezenet, layer, found.picture.images[number], photo)
        assert left < 0.5 * distance(squeezenet, layer, grey, photo)
        assert found.captions[number] == (layer, f"{left:.2f} left")
    # What the first layers keep is the photo.
    alike = [likeness(image, photo) for image in found.picture.images]
    assert alike[0] > alike[1] > 0.3
    again = osc.remake(osc.read_recipe(found.save(tmp_path / "i.png")), squeezenet)
    np.testing.assert_array_equal(again.images, found.picture.images)


def test_caricatures_go_further_in_the_photos_direction(squeezenet, photo):
    found = osc.caricatures(squeezenet, photo, "fire5", **QUICK)
    here, there = (
        squeezenet.activations(one, ["fire5"])["fire5"].ravel()
        for one in (found.picture.images[0], photo)
    )
    assert here @ there > there @ there
    assert here @ there / np.linalg.norm(here) / np.linalg.norm(there) > 0.5


@pytest.mark.slow
def test_a_dream_has_more_of_the_layer_and_is_still_the_photo(squeezenet, flower):
    photo = np.float32(fitted_to(flower, 96, 128) / 255)
    heard = []
    picture = osc.dream(
        squeezenet, photo, "fire5", octaves=2, steps=10, provider="cpu", callback=heard.append
    )
    assert picture.images.shape == (1, 96, 128, 3)
    energy = osc.Gradient(squeezenet, osc.layer("fire5"), provider="cpu")
    assert energy(picture.images)[0][0] > 2 * energy(photo)[0][0]
    assert likeness(picture.images[0], photo) > 0.6
    assert [(one.run, one.runs, one.step) for one in heard[9:11]] == [(1, 2, 10), (2, 2, 1)]
    again = osc.remake(picture.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


@pytest.mark.slow
def test_windows_reach_all_of_a_large_picture(squeezenet):
    photo = np.random.default_rng(0).random((128, 128, 3), np.float32) / 2 + 0.25
    picture = osc.dream(
        squeezenet, photo, "fire3", octaves=1, steps=16, tile=64, provider="cpu", seed=1
    )
    assert picture.recipe.steps == 16  # four windows of a quarter each, anywhere
    moved = np.abs(picture.images[0] - photo).mean(-1)
    parts = [part.mean() for rows in np.split(moved, 4) for part in np.split(rows, 4, axis=1)]
    assert min(parts) > 0.3 * max(parts)


def test_where_memory_is_short_there_are_windows(squeezenet, flower, monkeypatch):
    made = dreaming.render
    sizes = []

    def short(*given, transforms, **options):
        sizes.append([type(one).__name__ for one in transforms])
        if len(sizes) == 1:
            raise MemoryShortageError("there is not enough memory", 0)
        return made(*given, transforms=transforms, **options)

    monkeypatch.setattr(dreaming, "render", short)
    picture = osc.dream(
        squeezenet, fitted_to(flower, 224, 224), "fire2", octaves=1, steps=1, provider="cpu"
    )
    assert picture.images.shape == (1, 224, 224, 3)
    assert sizes[0] == ["Pad", "Jitter"]
    assert sizes[1] == ["Views", "Pad", "Jitter", "Scale", "Resize"]


def test_octaves_that_would_be_tiny_are_left_out():
    assert list(dreaming._sizes(128, 200, 4, 2)) == [(64, 100), (128, 200)]
    assert list(dreaming._sizes(30, 30, 4, 1.4)) == [(30, 30)]


@pytest.mark.slow
def test_textures_come_nearer_and_the_photo_stays(squeezenet, photo):
    rng = np.random.default_rng(0)
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::4] = rng.random(3)
    given = {"styles": "fire4", "content": "fire6", **QUICK}
    styled = osc.stylize(squeezenet, photo, stripes, strength=5, **given)
    plain = osc.stylize(squeezenet, photo, stripes, strength=0, **given)
    wanted = gram(squeezenet, "fire4", stripes)
    before, after = (
        np.linalg.norm(gram(squeezenet, "fire4", image) - wanted)
        for image in (photo, styled.images[0])
    )
    assert after < 0.6 * before
    assert distance(squeezenet, "fire6", styled.images[0], photo) < 0.9
    assert likeness(plain.images[0], photo) > 0.95
    again = osc.remake(styled.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, styled.images)


def test_layers_that_are_shown_by_default(squeezenet):
    names = usual_layers(squeezenet)
    assert len(names) == 5
    assert names[0] == "conv1"
    assert not any("pool" in name for name in names)
    assert early_layer(squeezenet) in usual_layers(squeezenet, 100)
    assert layer_of(squeezenet, osc.channel("fire5", 1) - osc.l2()) == "fire5"
    # Scores of classes have no cells.
    assert layer_of(squeezenet, osc.logit("daisy")) in usual_layers(squeezenet, 100)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda m, p: osc.invert(m, p, "fire55", **QUICK), LayerError, "fire5"),
        (lambda m, p: osc.invert(m, "none.jpg", **QUICK), InputError, "none.jpg"),
        (lambda m, p: osc.dream(m, p, "fire5", octaves=0), InputError, "octaves"),
        (lambda m, p: osc.dream(m, p, "fire5", ratio=1), InputError, "above 1"),
        (lambda m, p: osc.dream(m, p, "fire5", strength=0), InputError, "above 0"),
        (lambda m, p: osc.stylize(m, p, "none.jpg"), InputError, "none.jpg"),
        (lambda m, p: osc.stylize(m, p, p, strength=-1), InputError, "at least 0"),
    ],
)
def test_refused(squeezenet, photo, call, error, said):
    with pytest.raises(error, match=said):
        call(squeezenet, photo)
