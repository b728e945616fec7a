"""What a transparent picture is seen in front of: another picture in each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..errors import InputError
from ..forms import InForm, mixing
from ..graph.tensor import Tensor
from ..plain import real
from .base import TRANSFORMS, Transform, views_of

_WAVES = 8
"""How many waves there are along each side at most, in halves: none is shorter than 2/7 of it."""


@TRANSFORMS.add("backdrop")
@dataclass(frozen=True)
class Backdrop(InForm, Transform):
    """A random picture of low frequencies behind a transparent one (see `backdrop`).

    Attributes:
        sd: Standard deviation of its decorrelated colours, before the sigmoid.
        decay: Amplitudes fall with frequency to this power.
    """

    takes_opacity: ClassVar[bool] = True

    sd: float = 1.0
    decay: float = 1.5

    def __post_init__(self) -> None:
        for name in ("sd", "decay"):
            number = real(f"the {name} of a backdrop", getattr(self, name))
            if number < 0:
                raise InputError(f"the {name} of a backdrop must be at least 0, not {number:g}")
            object.__setattr__(self, name, number)

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `waves`: (N, C, 8, 8), the amplitudes of cosines along rows and columns."""
        return {"waves": ArrayType((count, self.form.channels, _WAVES, _WAVES))}

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw `waves`, and mix the colours as those of natural pictures are."""
        channels = self.form.channels
        drawn = rng.standard_normal((count, channels, _WAVES, _WAVES))
        numbers = np.arange(_WAVES)
        frequency = np.maximum(np.hypot(numbers[:, None], numbers), 1)
        # The mean square of a cosine is a half, of the constant one.
        share = np.where(numbers == 0, 1, 0.5)
        scale = frequency**-self.decay
        scale *= self.sd / np.sqrt((scale**2 * np.outer(share, share)).sum())
        mixed = np.einsum("dc,nchw->ndhw", mixing(self.form), drawn * scale)
        return {"waves": mixed.astype(np.float32)}

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append pictures (N, C, H, W) with the backdrop behind them, of (N, C + 1, H, W).

        What has no opacity, such as a photograph that pictures are compared with, stays as it is.
        """
        channels = self.form.channels
        if image.shape[1] == channels:
            return image
        height, width = image.shape[2:]
        builder, dtype = image.builder, image.dtype
        rows = builder.constant(_cosines(height), dtype)
        behind = image.op.Sigmoid(rows @ (data["waves"] @ _cosines(width).T.astype(dtype)))
        colors, opacity = image[:, :channels], image[:, channels:]
        return behind + opacity * (colors - behind)


def _cosines(size: int) -> np.ndarray:
    """(size, 8): the longest waves that a side has, at the middles of its pixels."""
    at = (np.arange(size) + 0.5) / size
    waves: np.ndarray = np.cos(np.pi * at[:, None] * np.arange(_WAVES))
    return waves


def backdrop(sd: float = 1.0, decay: float = 1.5) -> Backdrop:
    """Put a random smooth picture behind a transparent one, another in each step.

    `render` does so where none is given, with `transparent()`; its place is before all others but
    `views`. Where the picture is opaque the network sees nothing of it (Mordvintsev et al.,
    *Differentiable Image Parameterizations*, 2018).

    Args:
        sd: The standard deviation of its decorrelated colours, before the sigmoid: how far its
            colours go.
        decay: To which power amplitudes fall with frequency; with 0 all of the 8×8 longest waves
            are alike.

    Raises:
        InputError: one is negative.
    """
    return Backdrop(sd, decay)


def with_backdrop(transforms: Sequence[Transform]) -> tuple[Transform, ...]:
    """Return the transforms of a transparent picture: a backdrop first, or behind `views`.

    Raises:
        InputError: there is one elsewhere, or more than one.
    """
    there = [n for n, transform in enumerate(transforms) if isinstance(transform, Backdrop)]
    place = 1 if transforms and views_of(transforms[0]) > 1 else 0
    if there == [place]:
        return tuple(transforms)
    if there:
        raise InputError("there is one backdrop, before all other transforms but views")
    return (*transforms[:place], Backdrop(), *transforms[place:])


def check_no_backdrop(transforms: Sequence[Transform]) -> None:
    """See that opaque pictures have none behind them.

    Raises:
        InputError: they have.
    """
    if any(isinstance(transform, Backdrop) for transform in transforms):
        raise InputError(
            "a backdrop is seen behind transparent pictures: give parameterization=transparent() "
            "as well, or leave it out"
        )
