"""Pictures of which some channels are given and stay as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..declarations import ArrayTypes
from ..errors import InputError
from ..forms import Form, InForm, channels_in_words
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..plain import shown, whole
from ..planes import read_grey
from .base import PARAMETERIZATIONS, Parameterization, Within, formed
from .fourier import Fourier

Channel = npt.ArrayLike | str | os.PathLike[str]
"""What a fixed channel is given as."""


@PARAMETERIZATIONS.add("fixed")
@dataclass(frozen=True, eq=False)
class Fixed(ByContent, Within, InForm):
    """A picture of which only some channels are made (see `fixed`).

    Attributes:
        of: What makes it.
        channels: Those that are given.
        values: (channels, D, H, W) float32 in [0, 1], or uint8; D is 1 where there are no slices,
            and all three are 1 where each channel is one number.
    """

    of: Parameterization
    channels: tuple[int, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        self.check_maker()
        object.__setattr__(self, "channels", tuple(whole("a channel", c, 0) for c in self.channels))
        if not self.channels or np.ndim(self.values) != 4 or len(self.values) != len(self.channels):
            raise InputError("fixed channels must be numbers with as many arrays (D, H, W)")

    def formed(self, form: Form) -> Fixed:
        """Return the same for pictures of that form.

        Raises:
            InputError: what makes them makes RGB alone.
        """
        made = super().formed(form)
        object.__setattr__(made, "of", formed(self.of, form))
        return made

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare those of what makes it.

        Raises:
            InputError: a fixed channel is none of the picture's, or of another size.
        """
        form = self.form
        for channel in self.channels:
            if channel >= form.channels:
                raise InputError(
                    f"there is no channel {channel} to fix; {channels_in_words(form.channels)}"
                )
        if len(self.channels) == form.channels:
            raise InputError("all channels are fixed, and none is left to make")
        if self.values.shape[1:] not in ((1, 1, 1), (form.depth, height, width)):
            depth, *size = self.values.shape[1:]
            given = "×".join(map(str, size if form.stack is None else (depth, *size)))
            raise InputError(
                f"the fixed channels are of {given}, and the picture is of "
                f"{form.sizes_in_words((height, width))}: bring them to its size"
            )
        return self.of.parameters(count, height, width)

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the picture with its fixed channels, (N, P, H, W), in [0, 1]."""
        made = self.of.image(parameters, height, width)
        kept = np.ones((self.form.channels, self.form.depth, 1, 1), np.float32)
        given = np.zeros((self.form.channels, self.form.depth, height, width), np.float32)
        kept[list(self.channels)] = 0
        white = np.float32(255 if self.values.dtype == np.uint8 else 1)
        given[list(self.channels)] = self.values / white
        free: Tensor = made * kept.reshape(-1, 1, 1)
        return free + given.reshape(-1, height, width)


def fixed(
    channels: Mapping[int, Channel],
    of: Parameterization | None = None,
) -> Fixed:
    """Hold some channels of the picture fixed; the others are made around them.

    Args:
        channels: By number from 0, what each is: an array (H, W), or (D, H, W) of volumes and
            videos, float in [0, 1] or unsigned integers of their whole range, of the picture's
            size; a file with one: `.npy`, or a picture, which is read as grey; or one number for
            all of it.
        of: What makes the others; by default `Fourier()`.

    Raises:
        InputError: an array is of another kind, or they are of different sizes.
    """
    if not isinstance(channels, Mapping) or not channels:
        raise InputError(
            f"fixed channels are arrays by number, such as {{3: array}}, not {shown(channels)}"
        )
    numbers = tuple(whole("a fixed channel", channel, 0) for channel in channels)
    arrays = [
        _values(number, given) for number, given in zip(numbers, channels.values(), strict=True)
    ]
    sizes = {array.shape for array in arrays if array.shape != (1, 1, 1)}
    if len(sizes) > 1:
        named = " and ".join("×".join(map(str, shape)) for shape in sorted(sizes))
        raise InputError(f"the fixed channels are of different sizes, {named}")
    if not all(array.dtype == np.uint8 for array in arrays):
        arrays = [_as_float(array) for array in arrays]
    size = next(iter(sizes), (1, 1, 1))
    kept = np.stack([np.broadcast_to(array, size) for array in arrays])
    kept.flags.writeable = False
    return Fixed(Fourier() if of is None else of, numbers, kept)


def _values(channel: int, given: Any) -> np.ndarray:
    """What a channel is, as (D, H, W), uint8 or float32."""
    is_path = isinstance(given, str | os.PathLike)
    array = read_grey(Path(given)) if is_path else np.asarray(given)
    what = f"the fixed channel {channel}"
    if array.ndim == 0 and array.dtype.kind in "fiu":
        array = array.astype(np.float32).reshape(1, 1, 1)
    if array.ndim not in (2, 3) or 0 in array.shape or array.dtype.kind not in "fu":
        raise InputError(
            f"{what} must be an array (H, W), or (D, H, W) of volumes and videos, float in [0, 1] "
            f"or unsigned integers, not {shown(array)}"
        )
    if array.dtype.kind == "f" and not (array.min() >= 0 and array.max() <= 1):
        raise InputError(
            f"{what} must have values in [0, 1], as the picture has before its preprocessing, not "
            f"{array.min():.4g} to {array.max():.4g}"
        )
    if array.dtype != np.uint8:
        array = _as_float(array)
    return array if array.ndim == 3 else array[None]


def _as_float(array: np.ndarray) -> np.ndarray:
    white = np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1
    return (array / np.float32(white)).astype(np.float32)
