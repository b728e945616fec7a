"""Transforms that move pixels, one class each, and the functions that make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from ..plain import real, reals, shown, whole
from .base import TRANSFORMS
from .warp import Geometric


def _alone(value: Any) -> Any:
    """Read pixels as older recipes have them, as in `{"jitter": [8.0]}`."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _set(step: Geometric, **values: object) -> None:
    """Set fields of a frozen dataclass to their checked values."""
    for name, value in values.items():
        object.__setattr__(step, name, value)


def _diagonal(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Matrices (N, 3, 3) that multiply coordinates by `x` and `y`, (N,) each."""
    matrices = np.tile(np.eye(3), (len(x), 1, 1))
    matrices[:, 0, 0], matrices[:, 1, 1] = x, y
    return matrices


@TRANSFORMS.add("pad", older=_alone)
@dataclass(frozen=True)
class Pad(Geometric):
    """A margin of a constant colour around the picture (see `pad`).

    Attributes:
        pixels: Its width.
        color: All three channels of it, in [0, 1].
    """

    pixels: int
    color: float = 0.5

    def __post_init__(self) -> None:
        pixels = whole("the pixels of pad", self.pixels, 0)
        color = real("the color of pad", self.color)
        if not 0 <= color <= 1:
            raise InputError(f"the color of pad must be in [0, 1], not {color:g}")
        _set(self, pixels=pixels, color=color)

    @property
    def room(self) -> int:
        """The room that it adds: twice the margin."""
        return 2 * self.pixels

    @property
    def background(self) -> float:
        """The colour of the margin."""
        return self.color

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Give matrices that move nothing: the centre stays where it is."""
        return np.tile(np.eye(3), (count, 1, 1))


@TRANSFORMS.add("jitter", older=_alone)
@dataclass(frozen=True)
class Jitter(Geometric):
    """A smaller window anywhere in the picture (see `jitter`).

    Attributes:
        pixels: How much smaller its height and width are.
    """

    pixels: int

    def __post_init__(self) -> None:
        _set(self, pixels=whole("the pixels of jitter", self.pixels, 0))

    @property
    def room(self) -> int:
        """The pixels that the window is smaller by, negative."""
        return -self.pixels

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Draw shifts by whole pixels, as Lucid crops."""
        matrices = np.tile(np.eye(3), (count, 1, 1))
        shift = rng.integers(0, self.pixels, (count, 2), endpoint=True)
        matrices[:, :2, 2] = shift - self.pixels / 2
        return matrices


@TRANSFORMS.add("scale")
@dataclass(frozen=True)
class Scale(Geometric):
    """The picture magnified around its middle (see `scale`).

    Attributes:
        factors: What is drawn from, one as likely as another.
    """

    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        factors = reals("scale", self.factors, "[0.9, 1, 1.1]")
        if min(factors) <= 0:
            raise InputError(f"scale takes positive factors, not {min(factors):g}")
        _set(self, factors=factors)

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Draw magnifications."""
        back = 1 / rng.choice(np.array(self.factors), count)
        return _diagonal(back, back)


@TRANSFORMS.add("rotate")
@dataclass(frozen=True)
class Rotate(Geometric):
    """The picture turned around its middle (see `rotate`).

    Attributes:
        degrees: What is drawn from, clockwise, one as likely as another.
    """

    degrees: tuple[float, ...]

    def __post_init__(self) -> None:
        _set(self, degrees=reals("rotate", self.degrees, "[-5, 0, 5]"))

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Draw rotations."""
        angle = np.deg2rad(rng.choice(np.array(self.degrees), count))
        matrices = _diagonal(np.cos(angle), np.cos(angle))
        matrices[:, 0, 1], matrices[:, 1, 0] = np.sin(angle), -np.sin(angle)
        return matrices


@TRANSFORMS.add("flip")
@dataclass(frozen=True)
class Flip(Geometric):
    """The picture or its mirror image (see `flip`).

    Attributes:
        horizontal: Whether left and right may be exchanged.
        vertical: Whether top and bottom may be exchanged.
    """

    horizontal: bool = True
    vertical: bool = False

    def __post_init__(self) -> None:
        for name in ("horizontal", "vertical"):
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise InputError(f"{name} of flip must be true or false, not {shown(value)}")
            _set(self, **{name: bool(value)})
        if not self.horizontal and not self.vertical:
            raise InputError("flip must be horizontal, vertical or both, and is given neither")

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Draw for each direction whether it is mirrored."""
        as_is = np.ones(count)
        x = 1 - 2 * rng.integers(0, 2, count) if self.horizontal else as_is
        y = 1 - 2 * rng.integers(0, 2, count) if self.vertical else as_is
        return _diagonal(x, y)


@TRANSFORMS.add("homography")
@dataclass(frozen=True)
class Homography(Geometric):
    """The picture seen at an angle (see `homography`).

    Attributes:
        strength: How far corners move at most, in halves of height and width, in [0, 0.6].
    """

    projective: ClassVar[bool] = True

    strength: float

    def __post_init__(self) -> None:
        strength = real("the strength of homography", self.strength)
        # From two thirds on, the corners may be those of no convex quadrilateral, which is no view
        # of a rectangle.
        if not 0 <= strength <= 0.6:
            raise InputError(f"the strength of homography must be in [0, 0.6], not {strength:g}")
        _set(self, strength=strength)

    def matrix(self, rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
        """Draw where the four corners go, and give what takes them back."""
        corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
        corners *= (width / 2, height / 2)
        moved = corners * (1 - rng.uniform(0, self.strength, (count, 4, 2)))
        return through_corners(moved, corners)


def through_corners(behind: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Compute the homographies that take four points each to four others.

    What OpenCV calls `getPerspectiveTransform`: eight linear equations for eight numbers, the ninth
    of which is 1.

    Args:
        behind: (N, 4, 2), x and y from the centre, which lies within them.
        before: (N, 4, 2) or (4, 2), where they go.

    Returns:
        (N, 3, 3), for coordinates (x, y, 1).
    """
    (x, y), (u, v) = np.moveaxis(behind, -1, 0), np.moveaxis(before + 0 * behind, -1, 0)
    zero, one = np.zeros_like(x), np.ones_like(x)
    for_u = np.stack([x, y, one, zero, zero, zero, -x * u, -y * u], -1)
    for_v = np.stack([zero, zero, zero, x, y, one, -x * v, -y * v], -1)
    equations = np.concatenate([for_u, for_v], -2)
    solved = np.linalg.solve(equations, np.concatenate([u, v], -1)[..., None])[..., 0]
    return np.concatenate([solved, one[:, :1]], -1).reshape(-1, 3, 3)


def pad(pixels: int, color: float = 0.5) -> Pad:
    """Surround the picture with `pixels` of a constant, grey by default.

    The network always sees as many pixels as the picture has, so padding is the room that jitter
    takes its window from, and the colour is what a shrunk or rotated picture leaves around it.

    Raises:
        InputError: `pixels` is negative or no whole number, or `color` is not in [0, 1].
    """
    return Pad(pixels, color)


def jitter(pixels: int) -> Jitter:
    """Take a window that is `pixels` smaller, at random.

    Raises:
        InputError: `pixels` is negative or no whole number.
    """
    return Jitter(pixels)


def scale(factors: Sequence[float]) -> Scale:
    """Magnify by one of `factors`, at random.

    Raises:
        InputError: `factors` are no list of positive numbers.
    """
    return Scale(reals("scale", factors, "[0.9, 1, 1.1]"))


def rotate(degrees: Sequence[float]) -> Rotate:
    """Rotate around the middle by one of `degrees`, clockwise, at random.

    Raises:
        InputError: `degrees` are no list of numbers.
    """
    return Rotate(reals("rotate", degrees, "[-5, 0, 5]"))


def flip(horizontal: bool = True, vertical: bool = False) -> Flip:
    """Mirror the picture at random, in each direction with a probability of 1/2.

    Args:
        horizontal: Whether to exchange left and right.
        vertical: Whether to exchange top and bottom.

    Raises:
        InputError: neither is wanted.
    """
    return Flip(horizontal, vertical)


def homography(strength: float) -> Homography:
    """See the picture at an angle: each corner moves inwards at random.

    As torchvision's `RandomPerspective`, whose `distortion_scale` is `strength`, but by fractions
    of a pixel: a corner moves by up to `strength` times half the height and half the width. What
    lies outside is the colour of `pad`, grey without one.

    Args:
        strength: In [0, 0.6].

    Raises:
        InputError: it is not.
    """
    return Homography(strength)
