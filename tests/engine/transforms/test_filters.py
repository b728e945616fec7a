"""Blur and colours at random: what they do to a dot, to a plain, and how much."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from parts import seen


def test_a_blurred_dot_is_normal() -> None:
    image = np.zeros((1, 3, 41, 51), np.float32)
    image[:, :, 20, 25] = 1
    for seed in range(3):
        sd = np.random.default_rng(seed).uniform(0, 3, (1, 1, 1, 1)).item()
        found = seen([osc.blur(3)], image, seed)[0, 0].astype(np.float64)
        assert found.sum() == pytest.approx(1, abs=1e-4)
        rows, columns = np.mgrid[:41, :51]
        for axis, middle in ((rows, 20), (columns, 25)):
            assert (found * axis).sum() == pytest.approx(middle, abs=1e-3)
            assert (found * (axis - middle) ** 2).sum() == pytest.approx(sd**2, rel=0.02, abs=0.05)


def test_a_plain_stays_plain_to_the_border() -> None:
    image = np.full((2, 3, 9, 14), 0.3, np.float32)
    np.testing.assert_allclose(seen([osc.blur(2)], image), image, atol=1e-6)
    sharp = np.random.default_rng(0).random((2, 3, 9, 14), np.float32)
    np.testing.assert_allclose(seen([osc.blur(0)], sharp), sharp, atol=1e-6)


def test_colours_change_each_for_itself() -> None:
    image = np.random.default_rng(0).random((400, 3, 2, 2), np.float32)
    found = seen([osc.recolor(0.2, 0.5)], image)
    factor = (found[..., 0, 0] - found[..., 1, 1]) / (image[..., 0, 0] - image[..., 1, 1])
    shift = found[..., 0, 0] - 0.5 - factor * (image[..., 0, 0] - 0.5)
    for values, middle, most in ((factor, 1, 0.5), (shift, 0, 0.2)):
        assert np.abs(values - middle).max() <= most + 1e-2
        assert np.median(np.abs(values - middle)) == pytest.approx(most / 2, rel=0.15)
    assert abs(np.corrcoef(factor[:, 0], factor[:, 1])[0, 1]) < 0.2
    np.testing.assert_allclose(seen([osc.recolor(0, 0)], image), image, atol=1e-6)


@pytest.mark.slow  # an ascent
def test_an_ascent_with_both(squeezenet: osc.Model) -> None:
    given = {"size": 56, "steps": 6, "provider": "cpu", "batch": 2}
    transforms = [osc.blur(1), osc.recolor(), *osc.lucid()]
    picture = osc.render(squeezenet, "fire5:11", transforms=transforms, **given)
    assert (picture.values[-1] > picture.values[0]).all()
    alone = osc.render(squeezenet, "fire5:11", transforms=transforms, **given | {"batch": 1})
    np.testing.assert_array_equal(alone.images[0], picture.images[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: osc.blur(-1), r"the most of blur must be in \[0, 64\] pixels, not -1"),
        (lambda: osc.blur("x"), "the most of blur must be a number, not 'x'"),
        (lambda: osc.recolor(2), r"the brightness of recolor must be in \[0, 1\], not 2"),
        (lambda: osc.recolor(contrast=-1), r"the contrast of recolor must be in \[0, 1\]"),
    ],
)
def test_what_is_refused(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
