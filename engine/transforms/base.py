"""What a transform is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from ..declarations import ArrayTypes
from ..graph.tensor import Tensor
from ..registry import Registry, named


@runtime_checkable
class Transform(Protocol):
    """Something that happens to the picture before the network sees it.

    Randomness is data: what is random about a step is drawn by the caller's generator and fed to
    the graph, so that the same seed gives the same picture on any provider. One that has nothing
    random, derived from this class, is `apply` alone.
    """

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare the random data of one step.

        Args:
            count: How many pictures, N.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            Shapes and types by name, such as `{"noise": ((count, 3, height, width), np.float32)}`.
        """
        return {}

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw the random data of one step: what `inputs` declares."""
        return {}

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append the transform of pictures (N, 3, H, W), with the drawn data as graph inputs."""


def views_of(transform: Transform) -> int:
    """Return how many pictures a transform makes of one (see `Views`)."""
    return int(getattr(transform, "views", 1))


def takes_opacity(transform: Transform) -> bool:
    """Return whether a transform makes opaque pictures of transparent ones (see `Backdrop`)."""
    return bool(getattr(transform, "takes_opacity", False))


def size_behind(transform: Transform, height: int, width: int) -> tuple[int, int]:
    """Return height and width of what a transform makes of pictures of a size (see `Resize`)."""
    output: tuple[int, int] | None = getattr(transform, "output", None)
    return (height, width) if output is None else output


TRANSFORMS: Registry[Transform] = Registry(
    "transform",
    Transform,
    argument="transforms",
    foreign=named,
    homes={
        "transforms.backdrops": ("backdrop",),
        "transforms.filters": ("blur", "recolor"),
        "transforms.geometric": ("pad", "jitter", "scale", "rotate", "flip", "homography"),
        "transforms.glimpses": ("views", "crop", "resize"),
        "transforms.noise": ("noise",),
        "transforms.slices": ("jitter_depth",),
    },
)
"""The transforms that recipes know; those of the user's own they can only name."""
