"""Pictures against NumPy: the inverse transform, colours, what a start looks like, and a fit."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import run, session
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.parameterizations.base import Parameterization
from onnxscope.parameterizations.fourier import inverse_real_fft
from parts import picture

SIZES = [(8, 8), (9, 9), (8, 9), (9, 8), (1, 1), (1, 6), (6, 1), (5, 2), (30, 47)]

# Lucid's, by which it multiplies from the right, transposed.
LUCID = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def correlated(colors: np.ndarray) -> np.ndarray:
    """Lucid's `_linear_decorrelate_color`, (N, 3, H, W)."""
    normalized = LUCID / np.max(np.linalg.norm(LUCID, axis=0))
    flat = colors.transpose(0, 2, 3, 1).reshape(-1, 3) @ normalized.T
    return flat.reshape(colors.transpose(0, 2, 3, 1).shape).transpose(0, 3, 1, 2)


def halves(array: np.ndarray) -> np.ndarray:
    """A complex spectrum from its real and imaginary columns."""
    count = array.shape[-1] // 2
    return array[..., :count].astype(np.float64) + 1j * array[..., count:]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_the_inverse_real_fft_is_numpys(
    height: int, width: int, dtype: type, tolerance: float
) -> None:
    builder = Builder("fft")
    shape = (2, 3, height, 2 * (width // 2 + 1))
    given = builder.input("spectrum", shape, dtype)
    builder.output("picture", inverse_real_fft(given, height, width))
    spectrum = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    found = run(model_of(builder), {"spectrum": spectrum})["picture"]
    wanted = np.fft.irfft2(halves(spectrum), (height, width))
    assert found.dtype == dtype
    assert found.shape == (2, 3, height, width)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("decorrelate", [True, False])
def test_pixels_are_colors(decorrelate: bool) -> None:
    pixels = np.random.default_rng(1).standard_normal((2, 3, 5, 7), np.float32)
    found = picture(osc.Pixels(decorrelate=decorrelate), {"pixels": pixels}, 5, 7)
    mixed = correlated(pixels.astype(np.float64)) if decorrelate else pixels
    np.testing.assert_allclose(found, sigmoid(mixed), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("decorrelate", [True, False])
@pytest.mark.parametrize(("decay_power", "fine_decay"), [(1.0, 0.0), (1.5, 0.7)])
def test_fourier_is_lucids_image(
    height: int, width: int, decorrelate: bool, decay_power: float, fine_decay: float
) -> None:
    fourier = osc.Fourier(0.3, decay_power, decorrelate, fine_decay)
    parameters = fourier.initial(np.random.default_rng(2), 2, height, width)
    found = picture(fourier, parameters, height, width)
    rows = np.fft.fftfreq(height)[:, None]
    columns = np.fft.fftfreq(width)[None, : width // 2 + 1]
    frequency = np.sqrt(rows**2 + columns**2)
    scale = np.maximum(frequency, 1 / max(width, height)) ** -decay_power
    scale[frequency > 0.2] *= (0.2 / frequency[frequency > 0.2]) ** fine_decay
    scaled = halves(parameters["spectrum"]) * scale * np.sqrt(width * height)
    pixels = np.fft.irfft2(scaled, (height, width)) / 4
    wanted = sigmoid(correlated(pixels) if decorrelate else pixels)
    np.testing.assert_allclose(found, wanted, atol=2e-5)


@pytest.mark.parametrize("parameterization", [osc.Fourier(), osc.Pixels(), osc.Fourier(sd=0.1)])
def test_a_start_is_normal_and_nearly_grey(parameterization: Parameterization) -> None:
    drawn = parameterization.initial(np.random.default_rng(3), 2, 64, 80)
    (values,) = drawn.values()
    sd = parameterization.sd
    assert values.mean() == pytest.approx(0, abs=4 * sd / np.sqrt(values.size))
    assert values.std() == pytest.approx(sd, rel=0.02)
    assert ((values / sd) ** 4).mean() == pytest.approx(3, rel=0.1)
    images = picture(parameterization, drawn, 64, 80)
    assert images.mean() == pytest.approx(0.5, abs=0.02)
    assert 0.001 < images.std() < 0.1
    assert not np.allclose(images[0], images[1], atol=1e-3)
    np.testing.assert_array_equal(
        picture(parameterization, {name: 0 * array for name, array in drawn.items()}, 64, 80), 0.5
    )


@pytest.mark.parametrize("decay_power", [1.0, 1.2])  # natural pictures', and the default
def test_a_fourier_start_has_the_spectrum_of_its_decay(decay_power: float) -> None:
    fourier = osc.Fourier(decay_power=decay_power, decorrelate=False)
    drawn = fourier.initial(np.random.default_rng(4), 16, 96, 96)
    images = picture(fourier, drawn, 96, 96).astype(np.float64)
    power = (np.abs(np.fft.rfft2(np.log(images / (1 - images)))) ** 2).mean((0, 1))
    frequency = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(96)[None, :])
    # Columns that are their own mirrors keep half of what was drawn.
    inner = (np.arange(49) > 0) & (np.arange(49) < 48)
    # Fine detail falls faster.
    for band, fall in (((2 / 96, 0.2), decay_power), ((0.2, 0.75), decay_power + 0.7)):
        there = inner & (frequency > band[0]) & (frequency < band[1])
        slope, _ = np.polyfit(np.log(frequency[there]), np.log(power[there]), 1)
        assert slope == pytest.approx(-2 * fall, abs=0.05)


@pytest.mark.parametrize(
    ("parameterization", "rate", "bound"),
    [
        (osc.Fourier(), 0.05, 2e-3),
        (osc.Fourier(decorrelate=False), 0.05, 2e-3),
        (osc.Pixels(), 0.1, 2e-3),
        (osc.Pixels(decorrelate=False), 0.1, 2e-4),
    ],
)
def test_a_photograph_can_be_fitted(
    parameterization: Parameterization, rate: float, bound: float, flower: np.ndarray
) -> None:
    target = np.float32(flower[40:88, 60:125].transpose(2, 0, 1)[None]) / 255
    target = np.clip(target, 0.02, 0.98)
    (_, _, height, width) = target.shape
    builder = Builder("fit")
    types = parameterization.parameters(1, height, width)
    parameters = {name: builder.input(name, *types[name]) for name in types}
    image = parameterization.image(parameters, height, width)
    builder.output("fit", -((image - builder.constant(target)) ** 2).mean((0, 1, 2, 3)))
    opened = session(osc.differentiate(model_of(builder), of="fit", wrt=list(parameters)))
    names = [output.name for output in opened.get_outputs()]
    values = parameterization.initial(np.random.default_rng(0), 1, height, width)
    optimizer = osc.Adam(rate)
    losses = []
    for _ in range(400):
        found = dict(zip(names, opened.run(names, values), strict=True))
        losses.append(-float(found["fit"]))
        optimizer.update(values, {name: found[f"grad_{name}"] for name in values})
    assert losses[0] > 0.02
    assert losses[-1] < bound
