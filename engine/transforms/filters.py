"""What changes colours and sharpness of a picture at random, before the network sees it."""

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


@TRANSFORMS.add("blur")
@dataclass(frozen=True)
class Blur(Transform):
    """A Gaussian blur of random width (see `blur`).

    Attributes:
        most: Its standard deviation at most, in pixels.
    """

    most: float

    def __post_init__(self) -> None:
        most = real("the most of blur", self.most)
        if not 0 <= most <= 64:
            raise InputError(f"the most of blur must be in [0, 64] pixels, not {most:g}")
        object.__setattr__(self, "most", most)

    @property
    def _reach(self) -> int:
        """How many pixels on each side are mixed."""
        return int(np.ceil(3 * self.most))

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `rows` (N, 1, H, H) and `columns` (N, 1, W, W): what mixes them."""
        return {
            "rows": ArrayType((count, 1, height, height)),
            "columns": ArrayType((count, 1, width, width)),
        }

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw the width, from 0 to the most, and give the matrices of the blur."""
        sd = np.maximum(rng.uniform(0, self.most, (count, 1, 1, 1)), 1e-3)
        return {
            "rows": self._mixing(sd, height),
            "columns": self._mixing(sd, width).transpose(0, 1, 3, 2),
        }

    def _mixing(self, sd: np.ndarray, size: int) -> np.ndarray:
        """Matrices (N, 1, size, size) whose rows are normal around the diagonal, of the sum 1."""
        apart = np.arange(size)[:, None] - np.arange(size)
        weights = np.exp(-0.5 * (apart / sd) ** 2) * (np.abs(apart) <= self._reach)
        normal: np.ndarray = (weights / weights.sum(-1, keepdims=True)).astype(np.float32)
        return normal

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append the blurred pictures, (N, 3, H, W)."""
        return data["rows"] @ (image @ data["columns"])


@TRANSFORMS.add("recolor")
@dataclass(frozen=True)
class Recolor(InForm, Transform):
    """Brightness and contrast of each channel, changed at random (see `recolor`).

    Attributes:
        brightness: What is added at most, to either side.
        contrast: By how much a colour's distance from grey changes at most, as a part of it.
    """

    brightness: float = 0.1
    contrast: float = 0.1

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast"):
            number = real(f"the {name} of recolor", getattr(self, name))
            if not 0 <= number <= 1:
                raise InputError(f"the {name} of recolor must be in [0, 1], not {number:g}")
            object.__setattr__(self, name, number)

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `factor` and `shift`, (N, P, 1, 1), P = 3 for RGB."""
        planes = self.form.planes
        return {name: ArrayType((count, planes, 1, 1)) for name in ("factor", "shift")}

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw both for each channel of each picture, the same for all of its slices."""
        drawn = rng.uniform(-1, 1, (2, count, self.form.channels, 1, 1))
        factor, shift = np.repeat(drawn, self.form.depth, axis=2)
        return {
            "factor": (1 + self.contrast * factor).astype(np.float32),
            "shift": (self.brightness * shift).astype(np.float32),
        }

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append the pictures, (N, P, H, W), which may leave [0, 1]."""
        return (image - 0.5) * data["factor"] + (data["shift"] + 0.5)


def blur(most: float) -> Blur:
    """Blur the picture by a normal distribution of random width, another in each step.

    What lies outside the picture counts for nothing. With it high frequencies are worth less, as in
    early feature visualization (Nguyen, Yosinski & Clune 2015).

    Args:
        most: Its standard deviation at most, in pixels, in [0, 64].

    Raises:
        InputError: it is not.
    """
    return Blur(most)


def recolor(brightness: float = 0.1, contrast: float = 0.1) -> Recolor:
    """Change brightness and contrast at random, of each colour or channel by itself.

    A colour x becomes ½ + f (x − ½) + s, with f in 1 ± `contrast` and s in ± `brightness`. What the
    network sees is not clipped to [0, 1].

    Args:
        brightness: In [0, 1].
        contrast: In [0, 1].

    Raises:
        InputError: one is not.
    """
    return Recolor(brightness, contrast)
