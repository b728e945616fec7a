"""Parameterizations: from what is optimised to a picture in [0, 1].

Following *Feature Visualization* (Olah, Mordvintsev, Schubert, 2017) and *Differentiable Image
Parameterizations* (Mordvintsev et al., 2018): ascent in a decorrelated space, where all frequencies
and colours weigh alike, is what makes pictures rather than noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..forms import InForm
from ..graph.tensor import Tensor
from ..plain import settle
from .base import PARAMETERIZATIONS, check_sd, normal
from .colors import colors_of, valid

_FINE = 0.2
"""The frequency, in parts of the sampling rate, above which detail is fine."""


def _as_it_was(fields: Any) -> Any:
    """Say of a recipe that does not say how amplitudes fall what it meant: as of photographs."""
    if not isinstance(fields, Mapping):
        return fields
    return {"decay_power": 1.0, "fine_decay": 0.0, **fields}


@PARAMETERIZATIONS.add("fourier", older=_as_it_was)
@dataclass(frozen=True)
class Fourier(InForm):
    """A picture as its spectrum, low frequencies at a larger scale than high ones.

    Of volumes and videos it is the spectrum of all three dimensions, in each channel.

    Where no optimizer is asked for, steps are half as large again as usual and fall to a tenth in
    the second half of the ascent.

    Attributes:
        sd: Standard deviation of the normal start, of real and imaginary parts.
        decay_power: Amplitudes fall with frequency to this power; with more there is more contrast
            and less fine detail.
        decorrelate: Whether colours are decorrelated as well; channels that are none stay apart.
        fine_decay: Above a fifth of the sampling rate they fall by so much more power. With 0, and
            a `decay_power` of 1, they fall as those of natural pictures (Field, 1987) and in Lucid:
            see `natural`.
    """

    fitting_optimizer: ClassVar[Mapping[str, Any]] = {
        "adam": {"learning_rate": 0.075, "schedule": {"linear": {"last": 0.1, "hold": 0.5}}}
    }

    sd: float = 0.01
    decay_power: float = 1.2
    decorrelate: bool = True
    fine_decay: float = 0.7

    def __post_init__(self) -> None:
        settle(self)
        check_sd(self.sd)

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `spectrum`: (N, 3, H, 2K), K = W // 2 + 1, real parts, then imaginary parts.

        Of other forms there are as many channels as they have, of volumes and videos each for D
        slices: (N, C, D, H, 2K).
        """
        form, columns = self.form, 2 * (width // 2 + 1)
        depth = () if form.stack is None else (form.depth,)
        return {"spectrum": ArrayType((count, form.channels, *depth, height, columns))}

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw a normal `spectrum`."""
        shape = self.parameters(count, height, width)["spectrum"].shape
        return {"spectrum": normal(rng, self.sd, shape)}

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the inverse transform, (N, P, H, W), in [0, 1]."""
        return valid(self.colors(parameters, height, width), self.decorrelate, self.form)

    def colors(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the inverse transform, (N, P, H, W), as colours of any size."""
        spectrum = parameters["spectrum"]
        scaled = spectrum * self._scale(height, width).astype(spectrum.dtype)
        # /4 as in Lucid: it brings the start to a contrast that the sigmoid does not saturate.
        if self.form.stack is None:
            return inverse_real_fft(scaled, height, width) / 4
        planes = inverse_real_fft(inverse_fft_of_slices(scaled), height, width) / 4
        return planes.reshape(planes.shape[0], self.form.planes, height, width)

    def parameters_of(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the `spectrum` of pictures."""
        count, _, height, width = pictures.shape
        colors = 4 * colors_of(pictures, self.decorrelate, self.form)
        axes: tuple[int, ...] = (-2, -1)
        if self.form.stack is not None:
            colors = colors.reshape(count, self.form.channels, -1, height, width)
            axes = (-3, -2, -1)
        found = np.fft.rfftn(colors, axes=axes)
        halves = np.concatenate([found.real, found.imag], axis=-1)
        return {"spectrum": (halves / self._scale(height, width)).astype(np.float32)}

    def _scale(self, height: int, width: int) -> np.ndarray:
        rows = np.fft.fftfreq(height)[:, None]
        columns = np.fft.rfftfreq(width)[None, :]
        frequency, depth = np.hypot(rows, columns), 1
        if self.form.stack is not None:
            depth = self.form.depth
            frequency = np.hypot(np.fft.fftfreq(depth)[:, None, None], frequency)
        fine = (_FINE / np.maximum(frequency, _FINE)) ** self.fine_decay
        frequency = np.maximum(frequency, 1 / max(depth, height, width))
        scale = frequency**-self.decay_power * fine * np.sqrt(depth * height * width)
        return np.concatenate([scale, scale], axis=-1)


def natural() -> Fourier:
    """Return a spectrum whose amplitudes fall as those of photographs: of one that is a start."""
    return Fourier(decay_power=1.0, fine_decay=0.0)


def inverse_fft_of_slices(spectrum: Tensor) -> Tensor:
    """Invert a complex FFT along the slices, by products with constant matrices.

    Args:
        spectrum: (N, C, D, H, 2K): real parts, then imaginary parts.

    Returns:
        The same shape: what `numpy.fft.ifft` gives along D, real parts, then imaginary parts.
    """
    count, channels, depth, height, columns = spectrum.shape
    half = columns // 2
    angle = 2 * np.pi * np.outer(np.arange(depth), np.arange(depth)) / depth
    builder = spectrum.builder
    cosine = builder.constant(np.cos(angle) / depth, spectrum.dtype)
    sine = builder.constant(np.sin(angle) / depth, spectrum.dtype)
    flat = (count, channels, depth, height * half)
    real = spectrum[..., :half].reshape(*flat)
    imaginary = spectrum[..., half:].reshape(*flat)
    parts = (cosine @ real - sine @ imaginary, sine @ real + cosine @ imaginary)
    apart = [part.reshape(count, channels, depth, height, half) for part in parts]
    return spectrum.op.Concat(*apart, axis=4)


def inverse_real_fft(spectrum: Tensor, height: int, width: int) -> Tensor:
    """Invert a real two-dimensional FFT, by products with constant matrices.

    Matrices take a tenth of the time of ONNX Runtime's DFT operator, which has no CUDA kernel, and
    are a hundred times as exact.

    Args:
        spectrum: (..., H, 2K): real parts, then imaginary parts, K = W // 2 + 1.
        height: H, in pixels.
        width: W, in pixels.

    Returns:
        (..., H, W), what `numpy.fft.irfft2` gives.
    """
    count = width // 2 + 1
    # A real signal's spectrum is symmetric: the columns that are left out count as their mirrors.
    weights = np.full(count, 2.0)
    weights[0] = 1.0
    if width % 2 == 0:
        weights[-1] = 1.0
    angle = 2 * np.pi * np.outer(np.arange(count), np.arange(width)) / width
    cosine, sine = weights[:, None] * np.cos(angle), weights[:, None] * np.sin(angle)
    along_rows = np.block([[cosine, sine], [-sine, cosine]]) / width
    angle = 2 * np.pi * np.outer(np.arange(height), np.arange(height)) / height
    mixed = spectrum @ along_rows.astype(spectrum.dtype)
    real, imaginary = mixed[..., :width], mixed[..., width:]
    builder = spectrum.builder
    along_columns = builder.constant(np.cos(angle) / height, spectrum.dtype)
    across = builder.constant(-np.sin(angle) / height, spectrum.dtype)
    return along_columns @ real + across @ imaginary
