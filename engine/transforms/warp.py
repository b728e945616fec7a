"""Geometric transforms joined: robustness against them is what rules out noise.

All neighbouring ones become a single warp with one bilinear resampling, which blurs less and costs
less than a resampling each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..errors import InputError
from ..graph.tensor import Tensor
from .base import Transform

_HORIZON = 1e-4
"""The least third coordinate that a warp divides by: what lies behind it is never seen."""


class Geometric(Transform):
    """A transform that moves pixels and mixes none: a step of a warp (see `Warp`).

    Attributes:
        projective: Whether lines that were parallel may meet: matrices whose third row is not
            (0, 0, 1).
    """

    projective: ClassVar[bool] = False

    @abstractmethod
    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Draw matrices (count, 3, 3) from a pixel behind the step to the one before it.

        Coordinates are pixels (x, y, 1) from the centre, x to the right and y down. Where a matrix
        is projective, its third coordinate is positive for all that is to be seen.
        """

    @property
    def room(self) -> int:
        """The pixels by which height and width grow, all around; negative where they shrink."""
        return 0

    @property
    def background(self) -> float | None:
        """The colour around the picture, in [0, 1]; `None` where the step has none."""
        return None

    @property
    def output(self) -> tuple[int, int] | None:
        """The height and width behind it; `None` where they stay."""
        return None

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare the random data of one step (see `Warp`)."""
        return Warp((self,)).inputs(count, height, width)

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw the random data of one step (see `Warp`)."""
        return Warp((self,)).draw(rng, count, height, width)

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append the step as a warp of its own."""
        return Warp((self,)).apply(image, data)


@dataclass(frozen=True)
class Warp(Transform):
    """Geometric transforms as one map of the plane and one bilinear resampling.

    Attributes:
        steps: From the picture to the network.
    """

    steps: tuple[Geometric, ...]

    def __post_init__(self) -> None:
        room = sum(step.room for step in self.steps if step.room > 0)
        taken = -sum(step.room for step in self.steps if step.room < 0)
        if taken > room:
            raise InputError(
                f"jitter takes {taken:g} pixels from a picture padded by {room:g} in all; "
                f"pad({int(np.ceil(taken / 2))}) keeps its size"
            )
        if len(self._backgrounds) > 1:
            colors = " and ".join(f"{color:g}" for color in sorted(self._backgrounds))
            raise InputError(
                "pads that no other transform parts become one margin, and must have one color, "
                f"not {colors}"
            )

    @property
    def _backgrounds(self) -> set[float]:
        return {step.background for step in self.steps if step.background is not None}

    @property
    def color(self) -> float:
        """The colour around the picture, in [0, 1]."""
        return next(iter(self._backgrounds), 0.5)

    @property
    def output(self) -> tuple[int, int] | None:
        """The height and width behind the last step; `None` where they stay."""
        sizes = [step.output for step in self.steps if step.output is not None]
        return sizes[-1] if sizes else None

    @property
    def projective(self) -> bool:
        """Whether some step is."""
        return any(step.projective for step in self.steps)

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `matrix`: (N, 3, 2), or (N, 3, 3) where the warp is projective."""
        return {"matrix": ArrayType((count, 3, 3 if self.projective else 2))}

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw `matrix`: from the window's normalised coordinates to the picture's."""
        back = np.tile(np.eye(3), (count, 1, 1))
        pixels = seen = np.diag([width / 2, height / 2, 1.0])
        for step in self.steps:
            # The last step is the first one back: from the network's window to the picture.
            back = back @ _checked(step, step.matrix(rng, count, height, width), count)
            if step.output is not None:
                height, width = step.output
                seen = np.diag([width / 2, height / 2, 1.0])
        normalized = np.linalg.inv(pixels) @ back @ seen
        rows = normalized if self.projective else normalized[:, :2]
        return {"matrix": rows.transpose(0, 2, 1).astype(np.float32)}

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append pictures (N, 3, H, W) as seen through the window, of the same size or `output`."""
        batch, _, *sides = image.shape
        height, width = self.output or sides
        columns = (np.arange(width) * 2 + 1) / width - 1
        rows = (np.arange(height) * 2 + 1) / height - 1
        x, y = np.meshgrid(columns, rows)
        window = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
        grid = image.builder.constant(window, np.float32) @ data["matrix"]
        if self.projective:
            # Behind the horizon the division would show the picture once more, upside down.
            depth = image.op.Max(grid[..., 2:], image.builder.constant(_HORIZON, np.float32))
            grid = grid[..., :2] / depth
        grid = grid.reshape(batch, height, width, 2)
        # Zeros outside are this colour, and the picture's edge blends into it.
        return image.op.GridSample(image - self.color, grid) + self.color


def _checked(step: Geometric, matrix: np.ndarray, count: int) -> np.ndarray:
    """See that a step's matrices, perhaps of the user's own making, are what the warp takes."""
    name = type(step).__name__
    if np.shape(matrix) != (count, 3, 3):
        raise InputError(
            f"the matrices of {name} must be of shape {(count, 3, 3)}, not {np.shape(matrix)}"
        )
    if not step.projective and (matrix[:, 2] != (0, 0, 1)).any():
        raise InputError(f"a matrix of {name} is not affine: let its class say projective = True")
    return matrix
