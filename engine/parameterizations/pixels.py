"""A picture as its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..forms import InForm
from ..graph.tensor import Tensor
from ..plain import settle
from .base import PARAMETERIZATIONS, check_sd, normal
from .colors import colors_of, valid


@PARAMETERIZATIONS.add("pixels")
@dataclass(frozen=True)
class Pixels(InForm):
    """A picture as its pixels.

    Attributes:
        sd: Standard deviation of the normal start.
        decorrelate: Whether the three colours of a pixel are decorrelated or plain RGB.
    """

    sd: float = 0.01
    decorrelate: bool = True

    def __post_init__(self) -> None:
        settle(self)
        check_sd(self.sd)

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `pixels`: (N, 3, H, W), or as many planes as the form has."""
        return {"pixels": ArrayType((count, self.form.planes, height, width))}

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw normal `pixels`."""
        return {"pixels": normal(rng, self.sd, (count, self.form.planes, height, width))}

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the pixels, (N, 3, H, W), in [0, 1]."""
        return valid(self.colors(parameters, height, width), self.decorrelate, self.form)

    def colors(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Return the pixels, (N, 3, H, W), as colours of any size."""
        return parameters["pixels"]

    def parameters_of(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the `pixels` of pictures."""
        colors = colors_of(pictures, self.decorrelate, self.form)
        return {"pixels": colors.astype(np.float32)}
