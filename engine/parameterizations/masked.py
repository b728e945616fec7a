"""A part of a picture that is made, the rest of it a photograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..declarations import ArrayTypes
from ..errors import InputError
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..images import as_batch, as_photos, as_uint8, checked_photo, fitted_to, means_over_shares
from ..plain import numbers
from .base import PARAMETERIZATIONS, Parameterization, Within
from .fourier import Fourier

if TYPE_CHECKING:
    from ..images import Photo


@PARAMETERIZATIONS.add("masked")
@dataclass(frozen=True, eq=False)
class Masked(ByContent, Within):
    """A picture that is only made where a mask is (see `within`).

    Attributes:
        of: What makes it.
        picture: (H, W, 3) uint8, what it is elsewhere.
        mask: (rows, columns) in [0, 1].
    """

    of: Parameterization
    picture: np.ndarray
    mask: np.ndarray

    def __post_init__(self) -> None:
        self.check_maker()
        object.__setattr__(
            self, "picture", checked_photo("the picture around a mask", self.picture)
        )
        mask = numbers("a mask", self.mask, "(rows, columns)")
        if mask.min() < 0 or mask.max() > 1 or not mask.any():
            raise InputError("a mask must hold numbers in [0, 1], some of them above 0")
        object.__setattr__(self, "mask", mask)

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare those of what makes it."""
        return self.of.parameters(count, height, width)

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the mixture of both by the mask, (N, 3, H, W), in [0, 1]."""
        made = self.of.image(parameters, height, width)
        mask = means_over_shares(self.mask, height, width)
        rest: np.ndarray = as_batch(fitted_to(self.picture, height, width)) * (1 - mask)
        weighted: Tensor = made * mask
        return weighted + rest


def within(photo: Photo, mask: npt.ArrayLike, of: Parameterization | None = None) -> Masked:
    """Make a part of a picture; the rest of it stays a photograph.

    Args:
        photo: As `start` takes it.
        mask: (rows, columns) in [0, 1]: 1 where the picture is made, 0 where it is the photo, and a
            mixture between. Where it is of another size than the picture, each pixel gets the mean
            over its share of it.
        of: What makes the part, such as `start(photo)`, so that it begins as the photo; by default
            `Fourier()`.

    Raises:
        InputError: an argument is of another kind.
    """
    (array,) = as_photos(photo)
    array = array if array.dtype == np.uint8 else as_uint8(array)
    return Masked(
        Fourier() if of is None else of, array, numbers("a mask", mask, "(rows, columns)")
    )
