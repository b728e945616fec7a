"""MACO: the magnitudes that are given, and phases that are free."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.parameterizations.colors import colors_of
from parts import picture
from PIL import Image

SIZES = [(8, 8), (9, 9), (8, 9), (9, 8), (5, 2), (2, 5), (1, 6), (6, 1), (30, 47), (64, 48)]


def colors(images: np.ndarray) -> np.ndarray:
    """The colours before they were mixed: exact where none is next to black or white."""
    return colors_of(images, decorrelate=True)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_magnitudes_are_those_that_are_given(height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    given = rng.random((3, height, width // 2 + 1)) * (height * width) ** 0.5 / 8
    # A real picture's first and last columns are their own mirrors.
    for column in {0, width // 2} if width % 2 == 0 else {0}:
        given[:, :, column] += given[:, (-np.arange(height)) % height, column]
    maco = osc.Maco(given, contrast=0)
    for seed in range(3):
        drawn = maco.initial(np.random.default_rng(seed), 2, height, width)
        images = picture(maco, drawn, height, width)
        found = np.abs(np.fft.rfft2(colors(images)))
        expected = np.float32(given)
        expected[:, 0, 0] = 0
        # The sigmoid and back, in single precision.
        np.testing.assert_allclose(
            found, np.tile(expected, (2, 1, 1, 1)), atol=1e-5 * given.max() * 20
        )
        assert not np.allclose(images[0], images[1]) or height * width <= 6


def test_to_five_digits_before_the_sigmoid() -> None:
    from graphs import run
    from onnxscope.graph.builder import Builder
    from onnxscope.graph.finish import model_of
    from onnxscope.parameterizations import maco as module
    from onnxscope.parameterizations.fourier import inverse_real_fft

    for height, width in SIZES:
        maco = osc.Maco()
        builder = Builder("maco")
        shape = maco.parameters(1, height, width)["phase"].shape
        phase = module._of_a_real_picture(builder.input("phase", shape, np.float32), height, width)
        magnitudes = maco.at_size(height, width).astype(np.float32)
        parts = [op(phase) * magnitudes for op in (phase.op.Cos, phase.op.Sin)]
        joined = phase.op.Concat(*parts, axis=3)
        builder.output("picture", inverse_real_fft(joined, height, width))
        drawn = maco.initial(np.random.default_rng(1), 1, height, width)
        (found,) = run(model_of(builder), drawn)["picture"].astype(np.float64)
        spectrum = np.abs(np.fft.rfft2(found))
        np.testing.assert_allclose(spectrum, magnitudes, atol=1e-5 * max(magnitudes.max(), 1e-3))
        if height * width > 1:
            assert found.std() == pytest.approx(1, abs=1e-4)


def test_the_default_falls_as_one_over_frequency() -> None:
    found = osc.Maco().at_size(64, 96)
    rows, columns = np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(96)[None]
    frequency = np.hypot(rows, columns)
    inner = frequency > 1 / 96
    product = (found * frequency)[:, inner]
    np.testing.assert_allclose(product, product[0, 0], rtol=1e-9)


def test_a_spectrum_of_photos(tmp_path: Path, flower: np.ndarray) -> None:
    photos = [flower, flower[::-1, :200]]
    found = osc.spectrum(photos, (48, 64))
    assert found.shape == (3, 48, 33)
    assert found.dtype == np.float32
    each = [osc.spectrum(photo, (48, 64)) for photo in photos]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-6)
    for name, photo in zip(("b.png", "a.png"), photos, strict=True):
        Image.fromarray(photo).save(tmp_path / name)
    (tmp_path / "no picture.txt").write_text("")
    np.testing.assert_array_equal(osc.spectrum(tmp_path, (48, 64)), found)
    np.testing.assert_array_equal(osc.spectrum(tmp_path / "b.png", (48, 64)), each[0])
    np.save(tmp_path / "kept.npy", found)
    np.testing.assert_array_equal(osc.spectrum(tmp_path / "kept.npy"), found)
    # Photographs have much of what is slow and little of what is fast.
    assert found[:, :3, :3].mean() > 10 * found[:, 20:28, 20:].mean()
    assert osc.spectrum(flower).shape == (3, 224, 113)


def test_another_size_has_the_same_frequencies() -> None:
    height, width = 64, 96

    def ideal(height: int, width: int) -> np.ndarray:
        rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
        return np.tile(np.exp(-3 * np.hypot(rows, columns)), (3, 1, 1))

    maco = osc.Maco(ideal(height, width), contrast=0)
    for other in ((64, 96), (32, 48), (100, 40), (63, 97)):
        found, expected = maco.at_size(*other), ideal(*other)
        expected[:, 0, 0] = 0
        np.testing.assert_allclose(found, expected, atol=0.03)


def test_a_picture_starts_with_the_phases_of_a_photo(flower: np.ndarray) -> None:
    photo = flower[40:88, 60:125]
    maco = osc.Maco(osc.spectrum(photo, photo.shape[:2]), contrast=0)
    started = osc.start(photo, maco)
    drawn = started.initial(np.random.default_rng(0), 1, *photo.shape[:2])
    found, wanted = (
        colors(images)[0] for images in (picture(started, drawn, *photo.shape[:2]), _batch(photo))
    )
    # Phases and magnitudes are all of it but the mean, and the signs of what cannot turn.
    for one, other in zip(found, wanted, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


def _batch(photo: np.ndarray) -> np.ndarray:
    return photo.transpose(2, 0, 1)[None] / np.float32(255)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(48, 48), (40, 64)])
def test_an_ascent_of_phases(squeezenet: osc.Model, size: tuple[int, int]) -> None:
    given = {"size": size, "steps": 24, "provider": "cpu", "optimizer": osc.Adam(0.5), "batch": 2}
    maco = osc.Maco()
    picture_made = osc.render(squeezenet, "fire5:11", parameterization=maco, **given)
    assert (picture_made.values[-4:].mean(0) > picture_made.values[:4].mean(0) + 1).all()
    magnitudes = np.abs(np.fft.rfft2(colors(picture_made.images.transpose(0, 3, 1, 2))))
    for found in magnitudes:
        np.testing.assert_allclose(found, maco.at_size(*size), atol=0.2, rtol=1e-2)
    again = osc.remake(picture_made.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture_made.images)
    alone = osc.render(squeezenet, "fire5:11", parameterization=maco, batch_size=1, **given)
    np.testing.assert_array_equal(alone.images, picture_made.images)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: osc.Maco(np.ones((3, 4))), r"numbers of shape \(3, H, K\), not an array"),
        (
            lambda f: osc.Maco(np.ones((2, 4, 3))).parameters(1, 4, 4),
            r"takes RGB pictures, whose magnitudes are \(C, H, K\) with C = 3, not .* \(2, 4, 3\)",
        ),
        (lambda f: osc.Maco(-np.ones((3, 4, 3))), "at least 0 and some of them above it"),
        (lambda f: osc.Maco(np.zeros((3, 4, 3))), "at least 0 and some of them above it"),
        (lambda f: osc.Maco(contrast="x"), "the contrast of a spectrum must be a number, not 'x'"),
        (lambda f: osc.spectrum(f), "there is no picture in the folder"),
        (lambda f: osc.spectrum(f / "none.png"), "none.png"),
        (lambda f: osc.spectrum(f / "none.npy"), "cannot read .*none.npy"),
        (lambda f: osc.spectrum([]), "pictures must be of shape"),
        (lambda f: osc.spectrum(np.zeros((4, 4, 3)), 0), "size must be at least 1"),
    ],
)
def test_what_is_no_spectrum(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(tmp_path)
