"""Windows of a picture, many of them in a step, and the size in which the network sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..declarations import ArrayTypes
from ..errors import InputError
from ..graph.tensor import Tensor
from ..plain import real, whole
from .base import TRANSFORMS, Transform
from .warp import Geometric


@TRANSFORMS.add("views")
@dataclass(frozen=True)
class Views(Transform):
    """Each picture seen several times in a step (see `views`).

    Attributes:
        count: How many times.
    """

    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", whole("the count of views", self.count, 1))

    @property
    def views(self) -> int:
        """How many pictures it makes of one."""
        return self.count

    def inputs(self, count: int, height: int, width: int) -> ArrayTypes:
        """Declare nothing."""
        return {}

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """Draw nothing."""
        return {}

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Append each of pictures (N, 3, H, W) `count` times in a row, (N · count, 3, H, W)."""
        if self.count == 1:
            return image
        pictures, *rest = image.shape
        apart = image.reshape(pictures, 1, *rest)
        wanted = image.builder.constant([pictures, self.count, *rest], np.int64)
        return image.op.Expand(apart, wanted).reshape(pictures * self.count, *rest)


@TRANSFORMS.add("crop")
@dataclass(frozen=True)
class Crop(Geometric):
    """A window anywhere in the picture, magnified to its size (see `crop`).

    Attributes:
        smallest: Height and width of the window, as a part of the picture's, in (0, 1].
        largest: What they are at most, likewise.
    """

    smallest: float
    largest: float

    def __post_init__(self) -> None:
        smallest = real("the smallest part of crop", self.smallest)
        largest = real("the largest part of crop", self.largest)
        if not 0 < smallest <= largest <= 1:
            raise InputError(
                "crop takes parts with 0 < smallest ≤ largest ≤ 1, not "
                f"smallest={smallest:g} and largest={largest:g}"
            )
        object.__setattr__(self, "smallest", smallest)
        object.__setattr__(self, "largest", largest)

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Draw windows: their size first, then their place."""
        part = rng.uniform(self.smallest, self.largest, count)
        free = (1 - part)[:, None] * (width, height) / 2
        matrices = np.tile(np.eye(3), (count, 1, 1))
        matrices[:, 0, 0] = matrices[:, 1, 1] = part
        matrices[:, :2, 2] = rng.uniform(-1, 1, (count, 2)) * free
        return matrices


@TRANSFORMS.add("resize")
@dataclass(frozen=True)
class Resize(Geometric):
    """The picture in another size, which the network sees (see `resize`).

    Attributes:
        height: In pixels.
        width: In pixels.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        for side in ("height", "width"):
            object.__setattr__(self, side, whole(f"the {side} of resize", getattr(self, side), 1))

    @property
    def output(self) -> tuple[int, int]:
        """The height and width behind it."""
        return self.height, self.width

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Give matrices from the new pixels to the old ones."""
        matrices = np.tile(np.eye(3), (count, 1, 1))
        matrices[:, 0, 0], matrices[:, 1, 1] = width / self.width, height / self.height
        return matrices


def views(count: int) -> Views:
    """See each picture several times in a step, each time by the transforms behind it anew.

    The objective is the mean over all views. Many crops of one picture in a step are what *MACO*
    climbs by: `[views(16), crop(0.2, 0.25), noise(0.08)]`. It is the first of the transforms, and
    takes as many times the work; an objective that compares pictures cannot be seen so.

    Args:
        count: How many times.

    Raises:
        InputError: it is no whole number, or below 1.
    """
    return Views(count)


def crop(smallest: float, largest: float | None = None) -> Crop:
    """See a window of the picture, of random size and place, in the picture's size.

    Args:
        smallest: Its height and width as a part of the picture's, in (0, 1].
        largest: What they are at most; by default `smallest`.

    Raises:
        InputError: they are no such parts.
    """
    return Crop(smallest, smallest if largest is None else largest)


def resize(height: int, width: int | None = None) -> Resize:
    """Show the network the picture in another size, such as the only one that it takes.

    It joins the one resampling of the transforms around it, which is bilinear and smooths nothing:
    behind `crop` a large picture is seen as sharp as it is.

    Args:
        height: In pixels.
        width: In pixels; by default `height`.

    Raises:
        InputError: they are no whole numbers, or below 1.
    """
    return Resize(height, height if width is None else width)
