"""A part of a picture that is made, the rest of it a photograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..declarations import ArrayTypes
from ..errors import InputError
from ..forms import Form, InForm
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..images import means_over_shares
from ..plain import numbers
from ..planes import checked_kept, kept, kept_in_form
from .base import PARAMETERIZATIONS, Parameterization, Within, formed
from .fourier import Fourier

if TYPE_CHECKING:
    from ..images import Photo


@PARAMETERIZATIONS.add("masked")
@dataclass(frozen=True, eq=False)
class Masked(ByContent, Within, InForm):
    """A picture that is only made where a mask is (see `within`).

    Attributes:
        of: What makes it.
        picture: (H, W, 3) uint8, or of the network's form, what it is elsewhere.
        mask: (rows, columns) in [0, 1].
    """

    of: Parameterization
    picture: np.ndarray
    mask: np.ndarray

    def __post_init__(self) -> None:
        self.check_maker()
        object.__setattr__(self, "picture", checked_kept("the picture around a mask", self.picture))
        mask = numbers("a mask", self.mask, "(rows, columns)")
        if mask.min() < 0 or mask.max() > 1 or not mask.any():
            raise InputError("a mask must hold numbers in [0, 1], some of them above 0")
        object.__setattr__(self, "mask", mask)

    def formed(self, form: Form) -> Masked:
        """Return the same for pictures of that form.

        Raises:
            InputError: what makes them makes RGB alone.
        """
        made = super().formed(form)
        object.__setattr__(made, "of", formed(self.of, form))
        return made

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare those of what makes it."""
        return self.of.parameters(count, height, width)

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the mixture of both by the mask, (N, P, H, W), in [0, 1]."""
        made = self.of.image(parameters, height, width)
        mask = means_over_shares(self.mask, height, width)
        around = kept_in_form(self.picture, self.form, (height, width))
        rest: np.ndarray = around * (1 - mask)
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
    return Masked(
        Fourier() if of is None else of, kept(photo), numbers("a mask", mask, "(rows, columns)")
    )
