"""Pictures as sums of coarse and fine ones: of each picture's own, or with coarse ones shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..errors import InputError
from ..forms import Form, InForm
from ..graph.tensor import Tensor
from ..plain import flag, real, shown, whole
from .base import PARAMETERIZATIONS, Colored, Parameterization, check_sd, formed, normal
from .colors import colors_of, valid
from .fourier import Fourier


@PARAMETERIZATIONS.add("laplacian")
@dataclass(frozen=True)
class Laplacian(InForm):
    """A picture as a pyramid: the sum of pictures of a half, a quarter, … of its size, magnified.

    Coarse levels have larger gradients than fine ones, as the low frequencies of natural pictures
    are stronger (Lucid's `laplacian_pyramid`, after Burt & Adelson 1983).

    Attributes:
        levels: How many, the picture's own size among them.
        sd: Standard deviation of the normal start of each level.
        decorrelate: Whether colours are decorrelated.
    """

    levels: int = 4
    sd: float = 0.01
    decorrelate: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", whole("levels", self.levels, 1, 16))
        object.__setattr__(self, "sd", real("sd", self.sd))
        object.__setattr__(self, "decorrelate", flag("decorrelate", self.decorrelate))
        check_sd(self.sd)

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `level0`, `level1`, …: (N, P, ⌈H/2ᵏ⌉, ⌈W/2ᵏ⌉), P = 3 for RGB."""
        planes = self.form.planes
        return {
            f"level{level}": ArrayType(
                (count, planes, _part(height, 2**level), _part(width, 2**level))
            )
            for level in range(self.levels)
        }

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw normal levels."""
        types = self.parameters(count, height, width)
        return {name: normal(rng, self.sd, types[name].shape) for name in types}

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the sum of all levels, (N, P, H, W), in [0, 1]."""
        return valid(self.colors(parameters, height, width), self.decorrelate, self.form)

    def colors(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the sum of all levels, (N, P, H, W), as colours of any size."""
        total = parameters["level0"]
        for level in range(1, self.levels):
            total = total + magnified(parameters[f"level{level}"], height, width)
        return total

    def parameters_of(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the levels of pictures: all of them in the finest."""
        count, _, height, width = pictures.shape
        types = self.parameters(count, height, width)
        levels = {name: np.zeros(kind.shape, np.float32) for name, kind in types.items()}
        levels["level0"] = colors_of(pictures, self.decorrelate, self.form).astype(np.float32)
        return levels


@PARAMETERIZATIONS.add("shared")
@dataclass(frozen=True)
class Shared(InForm):
    """Pictures of one batch with a coarse picture in common, to which each adds its own.

    They are then made of alike parts in the same places, which is what makes an interpolation
    between units, or several objectives, comparable (Lucid's `image sharing`, Mordvintsev et al.,
    *Differentiable Image Parameterizations*, 2018). The pictures are made together.

    Attributes:
        of: What each picture's own part is made of.
        cell: How many pixels a cell of the coarse picture is wide and high.
        strength: What the coarse picture is multiplied by: how fast it changes beside the others.
    """

    of: Parameterization = field(default_factory=Fourier)
    cell: int = 8
    strength: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.of, type) or not isinstance(self.of, Colored):
            raise InputError(
                f"shared pictures are of Fourier(), Pixels() or Laplacian(), not {shown(self.of)}"
            )
        object.__setattr__(self, "cell", whole("cell", self.cell, 1))
        strength = real("strength", self.strength)
        if strength <= 0:
            raise InputError(f"strength must be above 0, not {strength:g}")
        object.__setattr__(self, "strength", strength)

    @property
    def mixes_pictures(self) -> bool:
        """Yes: they are made together."""
        return True

    def formed(self, form: Form) -> Shared:
        """Return the same for pictures of that form.

        Raises:
            InputError: what is each picture's own makes RGB alone.
        """
        made = super().formed(form)
        object.__setattr__(made, "of", formed(self.of, form))
        return made

    def parameters(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare those of what is each picture's own, and `shared`, (N, P, ⌈H/cell⌉, ⌈W/cell⌉)."""
        coarse = (count, self.form.planes, _part(height, self.cell), _part(width, self.cell))
        return {**self.of.parameters(count, height, width), "shared": ArrayType(coarse)}

    def initial(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw what is each picture's own; the coarse picture starts grey."""
        shape = self.parameters(count, height, width)["shared"].shape
        own = self.of.initial(rng, count, height, width)
        return {**own, "shared": np.zeros(shape, np.float32)}

    def image(self, parameters: Mapping[str, Tensor], height: int, width: int) -> Tensor:
        """Append the sums of both, (N, P, H, W), in [0, 1]."""
        assert isinstance(self.of, Colored)
        shared = parameters["shared"]
        # Each picture has a copy; the mean moves all of them alike.
        coarse = magnified(shared.mean(0, keepdims=True), height, width)
        own = {name: value for name, value in parameters.items() if name != "shared"}
        colors = self.of.colors(own, height, width) + coarse * self.strength
        return valid(colors, self.of.decorrelate, self.form)


def magnified(coarse: Tensor, height: int, width: int) -> Tensor:
    """Append pictures (N, P, h, w) in another size, linearly between middles of pixels."""
    rows = _between(coarse.shape[2], height)
    columns = _between(coarse.shape[3], width).T
    builder = coarse.builder
    return builder.constant(rows, coarse.dtype) @ (coarse @ columns.astype(coarse.dtype))


def _part(size: int, divisor: int) -> int:
    return -(-size // divisor)


def _between(given: int, wanted: int) -> np.ndarray:
    """(wanted, given): how much of each given pixel is in each wanted one."""
    at = np.clip((np.arange(wanted) + 0.5) * given / wanted - 0.5, 0, given - 1)
    parts: np.ndarray = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(given)))
    return parts
