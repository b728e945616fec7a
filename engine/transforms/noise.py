"""Noise on the picture, before the network sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..errors import InputError
from ..forms import InForm
from ..graph.tensor import Tensor
from ..plain import real
from .base import TRANSFORMS, Transform


@TRANSFORMS.add("noise")
@dataclass(frozen=True)
class Noise(InForm, Transform):
    """Normal noise, new in each step (see `noise`).

    Attributes:
        sd: Its standard deviation, in units of a picture in [0, 1].
    """

    sd: float

    def __post_init__(self) -> None:
        sd = real("the sd of noise", self.sd)
        if sd < 0:
            raise InputError(f"the sd of noise must be at least 0, not {sd:g}")
        object.__setattr__(self, "sd", sd)

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `noise`: (N, 3, H, W), or as many planes as the form has."""
        return {"noise": ArrayType((count, self.form.planes, height, width))}

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw `noise`, of mean zero."""
        drawn = rng.standard_normal((count, self.form.planes, height, width), np.float32)
        return {"noise": drawn * np.float32(self.sd)}

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append the sum of pictures and noise, (N, P, H, W), which may leave [0, 1]."""
        return image + data["noise"]


def noise(sd: float) -> Noise:
    """Add normal noise to the picture, another in each step and in each pixel.

    The gradient is then that of a smoothed network, as in *SmoothGrad* (Smilkov et al., 2017), with
    one sample a step. What the network sees is not clipped to [0, 1].

    Args:
        sd: The standard deviation, in units of a picture in [0, 1]; SmoothGrad uses 0.1 to 0.2.

    Raises:
        InputError: it is negative.
    """
    return Noise(sd)
