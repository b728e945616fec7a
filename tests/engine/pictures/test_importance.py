"""The importance of pixels: what the objective felt of them, and that as a picture's opacity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OutputError
from onnxscope.pictures.importance import scaled, with_opacity
from PIL import Image

QUICK: dict[str, Any] = {"size": 64, "steps": 4, "provider": "cpu"}


def _felt(model: osc.Model, objective: osc.Objective, pictures: list[np.ndarray]) -> np.ndarray:
    """The sum of the gradient's magnitudes in pictures (H, W, 3), by its largest."""
    gradient = osc.Gradient(model, objective, provider="cpu")
    found = sum(np.abs(gradient(picture)[1]).sum(-1) for picture in pictures)
    return np.asarray(found / found.max())


@pytest.mark.parametrize("optimizer", [osc.Adam(), None])
def test_it_is_the_sum_of_the_gradients(squeezenet: osc.Model, optimizer: object) -> None:
    objective = osc.channel("fire3", 7) - 0.1 * osc.total_variation()
    start = np.random.default_rng(0).integers(50, 200, (64, 64, 3), np.uint8)
    pictures = [start / np.float32(255)]

    def watch(progress: osc.Progress) -> None:
        pictures.append(progress.image()[0])

    class Slow:
        def reset(self) -> None: ...

        def update(self, parameters: dict[str, np.ndarray], gradients: Any) -> None:
            for name, gradient in gradients.items():
                parameters[name] += 0.1 * gradient / np.abs(gradient).max()

    picture = osc.render(
        squeezenet,
        objective,
        parameterization=osc.start(start, osc.Pixels()),
        transforms=(),
        optimizer=optimizer or Slow(),
        callback=watch,
        **QUICK,
    )
    assert picture.importance is not None
    assert picture.importance.dtype == np.float32
    assert picture.importance.max() == 1
    expected = _felt(squeezenet, objective, pictures[:-1])
    # Where two pixels of a window are nearly equal, rounding says which of them wins.
    assert np.abs(picture.importance[0] - expected).mean() < 1e-3 < expected.std()


@pytest.mark.slow
def test_each_of_several_has_the_one_that_it_has_alone(squeezenet: osc.Model) -> None:
    several = osc.render(squeezenet, "fire3:7", batch=3, **QUICK)
    alone = osc.render(squeezenet, "fire3:7", **QUICK)
    assert several.importance is not None
    assert several.importance.shape == (3, 64, 64)
    np.testing.assert_array_equal(several[0].importance, alone.importance)
    np.testing.assert_array_equal(several[1:].importance, several.importance[1:])


@pytest.mark.slow
def test_it_is_kept_where_an_ascent_ends_early(squeezenet: osc.Model) -> None:
    stopped = osc.render(squeezenet, "fire3:7", callback=lambda p: p.step < 2, **QUICK)
    leaking = stopped.recipe.leak_steps
    short = osc.render(squeezenet, "fire3:7", **QUICK | {"steps": 2, "leak_steps": leaking})
    np.testing.assert_array_equal(stopped.importance, short.importance)


def test_a_neuron_feels_its_field(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, osc.neuron("fire2", 7), transforms=(), **QUICK)
    cropped = picture.cropped()
    assert picture.importance is not None
    assert cropped.importance is not None
    assert cropped.importance.shape == cropped.images.shape[:3] < picture.images.shape[:3]
    assert cropped.importance.sum() == pytest.approx(picture.importance.sum(), rel=1e-6)


def test_nothing_felt_is_zero() -> None:
    assert not scaled(np.zeros((1, 2, 2), np.float32)).any()


def test_what_is_felt_most_is_opaque() -> None:
    importance = np.arange(100, dtype=np.float32).reshape(1, 10, 10) / 99
    images = np.full((1, 10, 10, 3), 0.5, np.float32)
    opacity = with_opacity(images, importance, 80)[0, ..., 3]
    assert (opacity == 1).sum() == 20
    assert opacity[0, 0] == 0
    assert opacity[4, 0] == pytest.approx(40 / 79.2)


def test_importance_as_opacity(squeezenet: osc.Model, tmp_path: Path) -> None:
    # Steps and a decay by which something is felt nowhere at all, which is not so of every picture.
    made = {"parameterization": osc.Fourier(fine_decay=0), "optimizer": osc.Adam()}
    picture = osc.render(squeezenet, "fire3:7", batch=2, **QUICK, **made)
    saved = picture.save(tmp_path / "a.png", alpha=True)
    with Image.open(saved) as image:
        assert image.mode == "RGBA"
        assert np.ptp(np.asarray(image)[:64, :64, 3]) == 255
    assert osc.read_recipe(saved) == picture.recipe
    with pytest.raises(OutputError, match="no RGBA pictures"):
        picture.save(tmp_path / "a.jpg", alpha=True)
    with pytest.raises(InputError, match=r"\(0, 100\], not 0"):
        picture.save(tmp_path / "b.png", alpha=True, percentile=0)
    assert not (tmp_path / "b.png").exists()
