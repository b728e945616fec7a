"""MACO: pictures with the spectrum of photographs, of which only the phases are free.

Fel et al., *Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
Optimization* (2023): phases hold what is to be seen, magnitudes how much of each frequency there
is, and those of photographs keep an ascent from patterns that no photograph has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from ..declarations import ArrayType, ArrayTypes
from ..errors import InputError
from ..forms import RGB, Form, InForm
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..images import are_several, as_batch, as_photos, fitted_to
from ..photo_files import pictures_in
from ..plain import height_and_width, numbers, of_kind, real
from ..planes import as_planes, fitted
from .base import PARAMETERIZATIONS
from .colors import colors_of, valid
from .fourier import inverse_fft_of_slices, inverse_real_fft

if TYPE_CHECKING:
    from ..images import Photo


@PARAMETERIZATIONS.add("maco")
@dataclass(frozen=True, eq=False)
class Maco(ByContent, InForm):
    """A picture as the phases of its spectrum, whose magnitudes stay as they are.

    Phases turn by radians: where no optimizer is asked for, steps are larger than the usual ones.

    Attributes:
        magnitudes: (3, H, K) at least 0, K = W // 2 + 1, of three decorrelated colours, rows in the
            order of `numpy.fft.rfft2`: see `spectrum`. At another size of picture they are
            interpolated. By default 1/f of all three, which the amplitudes of natural pictures
            follow (van der Schaaf & van Hateren 1996), in colours that vary alike, as those are
            that the decorrelation makes. For networks of other pictures (C, H, K), of volumes and
            videos (C, D, H, K) of their own size; of three colours' the first, brightness, serves
            grey pictures.
        contrast: Standard deviation of the channels over the picture, before they are mixed and the
            sigmoid; 0 leaves the magnitudes as they are given.
    """

    fitting_optimizer: ClassVar[Mapping[str, Any]] = {"adam": {"learning_rate": 0.2}}

    magnitudes: np.ndarray | None = None
    contrast: float = 1.0

    def __post_init__(self) -> None:
        contrast = real("the contrast of a spectrum", self.contrast)
        if contrast < 0:
            raise InputError(f"the contrast of a spectrum must be at least 0, not {contrast:g}")
        object.__setattr__(self, "contrast", contrast)
        if self.magnitudes is not None:
            object.__setattr__(self, "magnitudes", _checked(self.magnitudes))

    def _of_the_form(self) -> np.ndarray | None:
        """The magnitudes that are given, in the channels that the form has.

        Raises:
            InputError: they are of others.
        """
        given, form = self.magnitudes, self.form
        if given is None:
            return None
        if given.ndim == 3 and len(given) == 3 and form.channels == 1 and form.stack is None:
            return given[:1]
        if len(given) != form.channels or given.ndim != (3 if form.stack is None else 4):
            wanted = "C, H, K" if form.stack is None else "C, D, H, K"
            raise InputError(
                f"the network takes {form.words()}, whose magnitudes are ({wanted}) with C = "
                f"{form.channels}, not an array of shape {given.shape}: leave them out for 1/f, or "
                "measure them with spectrum(pictures, form=model.form)"
            )
        return given

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `phase`: (N, 3, H, K), K = W // 2 + 1, in radians.

        Of other forms (N, C, H, K), and of volumes and videos (N, C, D, H, K).
        """
        self._of_the_form()
        form = self.form
        depth = () if form.stack is None else (form.depth,)
        return {"phase": ArrayType((count, form.channels, *depth, height, width // 2 + 1))}

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw phases, all angles alike."""
        shape = self.parameters(count, height, width)["phase"].shape
        drawn = rng.random(shape, np.float32) * np.float32(2 * np.pi) - np.float32(np.pi)
        return {"phase": drawn}

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the inverse transform, (N, P, H, W), in [0, 1]."""
        phase, form = parameters["phase"], self.form
        phase = _of_a_real_picture(phase, height, width)
        magnitudes = self.at_size(height, width).astype(phase.dtype)
        op = phase.op
        parts = (op.Cos(phase) * magnitudes, op.Sin(phase) * magnitudes)
        if form.stack is None:
            planes = inverse_real_fft(op.Concat(*parts, axis=3), height, width)
        else:
            slices = inverse_fft_of_slices(op.Concat(*parts, axis=4))
            planes = inverse_real_fft(slices, height, width)
            planes = planes.reshape(planes.shape[0], form.planes, height, width)
        return valid(planes, True, form)

    def parameters_of(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the `phase` of pictures, whose magnitudes are not kept."""
        count, _, height, width = pictures.shape
        colors, form = colors_of(pictures, decorrelate=True, form=self.form), self.form
        axes: tuple[int, ...] = (-2, -1)
        if form.stack is not None:
            colors, axes = colors.reshape(count, form.channels, -1, height, width), (-3, -2, -1)
        phase = np.angle(np.fft.rfftn(colors, axes=axes))
        for column in _own_mirrors(width):
            # Of two mirrored rows the difference is taken: half of it each.
            phase[..., column] /= 2
        return {"phase": phase.astype(np.float32)}

    def at_size(self, height: int, width: int) -> np.ndarray:
        """Return the magnitudes of a picture of that size.

        Args:
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            (3, H, K) float64, or as many channels as the form has, of volumes and videos
            (C, D, H, K); that of the mean is 0, a picture's mean being grey.

        Raises:
            InputError: those of volumes or videos are given, and of another size.
        """
        columns, form = width // 2 + 1, self.form
        sizes = (height, width) if form.stack is None else (form.depth, height, width)
        along = [np.fft.fftfreq(size) for size in sizes[:-1]]
        given = self._of_the_form()
        if given is None:
            frequency = np.hypot(along[-1][:, None], np.fft.rfftfreq(width)[None, :])
            if form.stack is not None:
                frequency = np.hypot(along[0][:, None, None], frequency)
            repeats = (form.channels, *[1] * frequency.ndim)
            found = np.tile(1 / np.maximum(frequency, 1 / max(sizes)), repeats)
        elif given.shape[1:] == (*sizes[:-1], columns):
            found = given.astype(np.float64)
        elif form.stack is None:
            found = _resized(given.astype(np.float64), height, columns)
        else:
            wanted = (form.channels, *sizes[:-1], columns)
            raise InputError(
                f"the magnitudes are of the shape {given.shape}, and those of "
                f"{form.sizes_in_words((height, width))} are {wanted}"
            )
        for column in _own_mirrors(width):
            there = mirrored = found[..., column]
            for axis, size in enumerate(sizes[:-1], 1):
                mirrored = mirrored.take((-np.arange(size)) % size, axis)
            found[..., column] = (there + mirrored) / 2
        found.reshape(form.channels, -1)[:, 0] = 0
        if self.contrast:
            # Parseval: columns within stand for their mirrors as well.
            twice = np.full(columns, 2.0)
            twice[0] = 1
            if width % 2 == 0:
                twice[-1] = 1
            power = (found**2 * twice).sum() / form.channels / np.prod(sizes, dtype=float) ** 2
            # A picture of one pixel has nothing but its mean.
            found *= self.contrast / np.sqrt(max(power, np.finfo(np.float64).tiny))
        return found


def spectrum(
    photos: Photo | Sequence[Photo],
    size: int | tuple[int, int] | None = None,
    *,
    form: Form = RGB,
) -> np.ndarray:
    """Measure the magnitudes that photographs have, for `Maco`.

    Their colours are taken before the sigmoid and decorrelated, as those of a parameterization are,
    and the magnitudes of their spectra are averaged.

    Args:
        photos: A folder of pictures, or what `Model.activations` takes: paths, arrays (H, W, 3) or
            (N, H, W, 3). A file `.npy` is a spectrum that was kept, and is read.
        size: Height and width in pixels to which each is cut and scaled, one number for both; by
            default 224.
        form: What the pictures are, such as a model's `form`; by default RGB. Of others than RGB
            they are arrays, or files `.npy` in a folder or list.

    Returns:
        (3, H, K) float32, K = W // 2 + 1; of other forms (C, H, K), of volumes and videos
        (C, D, H, K).

    Raises:
        InputError: there are no photos, or one cannot be read.
    """
    of_kind("form", form, Form, "model.form")
    if isinstance(photos, str | os.PathLike):
        path = Path(photos)
        if path.suffix == ".npy":
            return _checked(_kept(path))
        if path.is_dir():
            photos = pictures_in(path, arrays=not form.is_rgb)
    height, width = height_and_width("size", 224 if size is None else size)
    listed: list[Any] = list(cast(Sequence[Any], photos)) if are_several(photos) else [photos]
    total: Any = 0.0
    count = 0
    for photo in listed:
        # One after the other: a folder may hold more than the memory does.
        if form.is_rgb:
            (array,) = as_photos(photo)
            planes = as_batch(fitted_to(array, height, width))
        else:
            planes = fitted(as_planes(photo, form), (height, width))
        colors = colors_of(planes, decorrelate=True, form=form)
        axes: tuple[int, ...] = (-2, -1)
        if form.stack is not None:
            colors = colors.reshape(len(colors), form.channels, -1, height, width)
            axes = (-3, -2, -1)
        total = total + np.abs(np.fft.rfftn(colors, axes=axes)).sum(0)
        count += len(colors)
    return np.asarray(total / count, np.float32)


def _of_a_real_picture(phase: Tensor, height: int, width: int) -> Tensor:
    """Append phases that a real picture can have.

    The first column, and of an even width the last, are their own mirrors: of rows k and −k one is
    minus the other, and what is its own mirror is 0. Of stacks it is rows of all slices.
    """
    axis, last_axis = phase.rank - 2, phase.rank - 1
    if axis == 2:
        mirrored = np.eye(height)[(-np.arange(height)) % height]
        own = phase.builder.constant(np.eye(height) - mirrored, phase.dtype)

        def odd(columns: Tensor) -> Tensor:
            return own @ columns
    else:
        depth = phase.shape[2]
        slices, rows = ((-np.arange(size)) % size for size in (depth, height))

        def odd(columns: Tensor) -> Tensor:
            op, constant = columns.op, columns.builder.constant
            there = op.Gather(columns, constant(slices, np.int64), axis=2)
            return columns - op.Gather(there, constant(rows, np.int64), axis=3)

    columns = width // 2 + 1
    parts = [odd(phase[..., :1])]
    last = columns - 1 if width % 2 == 0 else columns
    if last > 1:
        parts.append(phase[..., 1:last])
    if width % 2 == 0:
        parts.append(odd(phase[..., last:]))
    return parts[0] if len(parts) == 1 else phase.op.Concat(*parts, axis=last_axis)


def _own_mirrors(width: int) -> set[int]:
    """The columns of a spectrum of which row −k is the conjugate of row k."""
    return {0, width // 2} if width % 2 == 0 else {0}


def _resized(magnitudes: np.ndarray, height: int, columns: int) -> np.ndarray:
    """Magnitudes (3, H, K) at other frequencies, linearly between those that are known."""
    known_rows, known_columns = magnitudes.shape[1:]
    order = np.argsort(np.fft.fftfreq(known_rows))
    at_rows = np.fft.fftfreq(known_rows)[order]
    # Whether a width was even cannot be told from K; half of it is the highest frequency or next.
    at_columns = np.linspace(0, 0.5, known_columns)
    rows, wanted = np.fft.fftfreq(height), np.linspace(0, 0.5, columns)

    def along(axis: int, at: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.apply_along_axis(lambda line: np.interp(at, known, line), axis, values)

    sorted_rows = magnitudes[:, order]
    return along(2, wanted, at_columns, along(1, rows, at_rows, sorted_rows))


def _kept(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    return array


def _checked(magnitudes: npt.ArrayLike) -> np.ndarray:
    """Magnitudes as an array.

    Raises:
        InputError: they are none.
    """
    try:
        volumes = np.ndim(magnitudes) == 4
    except ValueError:  # lists of several lengths
        volumes = False
    words = "(C, D, H, K)" if volumes else "(3, H, K)"
    given = numbers("magnitudes", magnitudes, words)
    if given.min() < 0 or not given.reshape(len(given), -1)[:, 1:].any():
        raise InputError(
            f"magnitudes must be {words}, K = W // 2 + 1, at least 0 and some of them above it, "
            f"not an array of shape {given.shape}"
        )
    return given
