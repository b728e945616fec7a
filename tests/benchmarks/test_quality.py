"""What is measured of pictures, on pictures of which it is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxscope as osc
import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "quality.py"


@pytest.fixture(scope="module")
def quality() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onnxscope_quality", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_fine_is_what_is_above_a_quarter_of_the_sampling_rate(quality: ModuleType) -> None:
    x = np.arange(64)
    waves = {f: np.sin(2 * np.pi * f * x / 64) for f in (4, 20)}
    for frequency, wanted in ((4, 0.0), (20, 1.0)):
        picture = np.tile(waves[frequency][None, :, None], (64, 1, 3))
        assert quality.fine_share(picture) == pytest.approx(wanted, abs=1e-9)
    both = np.tile((waves[4] + waves[20])[:, None, None], (1, 64, 3)) + 0.5
    assert quality.fine_share(both) == pytest.approx(0.5)
    assert quality.fine_share(np.full((8, 8, 3), 0.3)) == 0


def test_views_are_the_same_each_time_and_near_the_picture(quality: ModuleType) -> None:
    y, x = np.mgrid[:64, :64] / 64
    picture = np.stack([x, y, np.full_like(x, 0.5)], -1).astype(np.float32)
    first, second = (list(quality.views_of(picture, 6, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for view in first:
        assert view.shape == picture.shape
        # A ramp that is shifted by up to 10 of 64 pixels and turned a little.
        assert 0.005 < np.abs(view[16:48, 16:48] - picture[16:48, 16:48]).mean() < 0.2
        np.testing.assert_allclose(view[..., 2], 0.5, atol=1e-6)
    assert np.abs(first[0] - first[1]).max() > 0.01


def test_the_judge_gives_the_units_mean_activation(
    quality: ModuleType, squeezenet: osc.Model
) -> None:
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    judge = quality.Judge(squeezenet, "fire3", 4, 64, views=3)
    found = judge(picture, 0.25)
    wanted = squeezenet.activations(picture, "fire3")["fire3"][0, 4].mean()
    assert found.plain == pytest.approx(float(wanted), rel=1e-4)
    assert found.contrast == pytest.approx(float(picture.std()))
    assert found.seconds == 0.25


def test_the_table_has_geometric_means(quality: ModuleType) -> None:
    def one(views: float) -> object:
        return quality.Quality(views, 2 * views, 0.15, 0.1, 0.2)

    found = quality.table(
        {
            "a:1": {"onnxscope": one(4), "Lucent": one(2)},
            "b:2": {"onnxscope": one(1), "Lucent": one(2)},
        }
    )
    assert found[-1].startswith("onnxscope, geometric means over 2 units: 1.00 times Lucent's")
    assert "least 0.50" in found[-1]
    # Without an opponent there is nothing to compare with.
    alone = quality.table({"a:1": {"onnxscope": one(4)}})
    assert len(alone) == 3
