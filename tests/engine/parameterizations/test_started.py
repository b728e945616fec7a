"""A start from a picture: it is that picture, in any size and of any parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.images import fitted_to
from onnxscope.parameterizations.base import Parameterization
from parts import picture
from PIL import Image


@pytest.mark.parametrize("size", [(48, 64), (47, 31), (1, 1)])
@pytest.mark.parametrize(
    "of", [osc.Fourier(), osc.Fourier(0.1, 1.5, False), osc.Pixels(), osc.Pixels(decorrelate=False)]
)
def test_it_is_the_picture(of: Parameterization, size: tuple[int, int], flower: np.ndarray) -> None:
    photo = fitted_to(flower, *size).copy()
    photo[0, 0] = (0, 255, 0)
    started = osc.start(photo, of)
    drawn = started.initial(np.random.default_rng(0), 2, *size)
    for found in picture(started, drawn, *size).transpose(0, 2, 3, 1):
        np.testing.assert_allclose(found, photo / 255, atol=0.002)


def test_noise_is_added_to_the_start(flower: np.ndarray) -> None:
    photo = fitted_to(flower, 32, 40)
    plain, noisy = osc.start(photo), osc.start(photo, noise=2)
    start, near = (one.initial(np.random.default_rng(0), 1, 32, 40) for one in (plain, noisy))
    drawn = osc.Fourier().initial(np.random.default_rng(0), 1, 32, 40)
    np.testing.assert_allclose(
        near["spectrum"] - start["spectrum"], 2 * drawn["spectrum"], atol=1e-5
    )


@pytest.mark.slow
def test_an_ascent_goes_on_from_it(
    squeezenet: osc.Model, flower: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(flower).save(tmp_path / "photo.png")
    given = {"size": (56, 72), "steps": 3, "provider": "cpu", "snapshots": (1,)}
    made = osc.render(
        squeezenet, "fire5:11", parameterization=osc.start(tmp_path / "photo.png"), **given
    )
    photo = fitted_to(flower, 56, 72) / 255
    assert np.abs(made.snapshots[1] - photo).mean() < 0.05
    assert np.corrcoef(made.images.ravel(), photo.ravel())[0, 1] > 0.9
    made.save(tmp_path / "made.png")
    (tmp_path / "photo.png").unlink()
    again = osc.remake(osc.read_recipe(tmp_path / "made.png"), squeezenet)
    np.testing.assert_array_equal(again.images, made.images)


def test_what_is_no_start(flower: np.ndarray) -> None:
    class Mine:
        def parameters(self, count, height, width):
            return {}

        def initial(self, rng, count, height, width):
            return {}

        def image(self, parameters, height, width):
            return parameters

    for make, message in (
        (lambda: osc.start(flower, Mine()), "which say what makes it .*, not of <"),
        (lambda: osc.start(flower, osc.Fourier), "not of <class"),
        (lambda: osc.start("none.png"), "none.png"),
        (lambda: osc.start(flower, noise=-1), "the noise of a start must be at least 0, not -1"),
        (lambda: osc.start(flower * 1.0), "float pictures must have values in"),
    ):
        with pytest.raises(InputError, match=message):
            make()
