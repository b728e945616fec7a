"""What moves the slices of a volume, or the frames of a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..declarations import ArrayType, ArrayTypes
from ..errors import InputError
from ..forms import InForm
from ..graph.tensor import Tensor
from ..plain import whole
from .base import TRANSFORMS, Transform


@TRANSFORMS.add("jitter_depth")
@dataclass(frozen=True)
class JitterDepth(InForm, Transform):
    """All slices or frames moved along by the same random number (see `jitter_depth`).

    Attributes:
        slices: By how many at most, to either side.
    """

    slices: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "slices", whole("the slices of jitter_depth", self.slices, 0))

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare `order`, (N, 1, D, D): what each slice is made of.

        Raises:
            InputError: the pictures have no slices.
        """
        if self.form.stack is None:
            raise InputError(
                "jitter_depth moves the slices of volumes and the frames of videos; the network "
                f"takes {self.form.words()}: leave it out"
            )
        return {"order": ArrayType((count, 1, self.form.depth, self.form.depth))}

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw by how many slices each picture moves."""
        depth = self.form.depth
        moved = rng.integers(-self.slices, self.slices, count, endpoint=True)
        taken = np.clip(np.arange(depth) + moved[:, None], 0, depth - 1)
        return {"order": np.eye(depth, dtype=np.float32)[taken][:, None]}

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append the pictures with their slices moved, (N, P, H, W)."""
        count, _, height, width = image.shape
        form = self.form
        apart = image.reshape(count, form.channels, form.depth, height * width)
        return (data["order"] @ apart).reshape(count, form.planes, height, width)


def jitter_depth(slices: int) -> JitterDepth:
    """Move all slices of a volume, or all frames of a video, along, at random.

    What `jitter` does in the plane: by whole slices, another number in each step. Where slices
    would come from outside, the outermost is repeated.

    Args:
        slices: By how many at most, to either side.

    Raises:
        InputError: it is negative or no whole number.
    """
    return JitterDepth(slices)
