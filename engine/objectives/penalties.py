"""Penalties on the picture: what a picture shall have little of.

They are subtracted, as in `channel("fire5", 11) - 0.02 * total_variation()`, and are Lucid's
(`optvis/objectives.py`, "input"), so that the weights of its notebooks mean the same here: 0.25 for
the total variation and 0.05 for the L1 norm around grey (Olah et al., *Feature Visualization*,
2017). SqueezeNet's channels are much smaller: to fire5:11 0.02 leaves a picture the contrast that
it has without, 0.25 hardly any. All look at the picture before the transforms, RGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..graph.tensor import Tensor
from ..plain import real, whole
from .algebra import OBJECTIVES, Leaf, Objective
from .seen import Seen

_EPSILON = 1e-6
"""Added under the root of the L2 norm, which has no derivative at 0; Lucid's."""

_MIDDLE, _SIDE = 1.0, 0.5
"""The weights of a slight blur, before they are divided by their sum; Lucid's."""


def total_variation() -> Objective:
    """Sum up how much neighbouring pixels differ (Mahendran & Vedaldi 2015, here with exponent 1).

    Of each picture Σ |x[c, i+1, j] − x[c, i, j]| + Σ |x[c, i, j+1] − x[c, i, j]|, over all colours
    c, rows i and columns j.

    Returns:
        A penalty, from 0 to the number of neighbours in three colours.
    """
    return TotalVariation()


def l1(constant: float = 0.5) -> Objective:
    """Sum up how far the picture is from a grey: of each picture Σ |x − constant|.

    Args:
        constant: The grey, from black at 0 to white at 1. Lucid's default is black.

    Raises:
        InputError: it is no number.
    """
    return L1(constant)


def l2(constant: float = 0.5) -> Objective:
    """Take the distance of the picture from a grey: of each √(10⁻⁶ + Σ (x − constant)²).

    Args:
        constant: The grey, from black at 0 to white at 1. Lucid's default is black.

    Raises:
        InputError: it is no number.
    """
    return L2(constant)


def linf(constant: float = 0.5) -> Objective:
    """Take the largest distance of a pixel from a grey: of each picture max |x − constant|.

    The limit of the norms of Mahendran & Vedaldi (2015), who take the sixth power.

    Args:
        constant: The grey, from black at 0 to white at 1.

    Returns:
        A penalty, whose gradient goes to that one pixel and colour alone.

    Raises:
        InputError: it is no number.
    """
    return LInf(constant)


def sharpness() -> Objective:
    """Measure what a slight blur would take away: subtracted k times, each step blurs by k.

    Its gradient at a pixel is x − blur(x), as with Lucid's `blur_input_each_step` (after Nguyen et
    al. 2015): plain ascent goes from x to (1 − k) x + k blur(x). It is ½ Σ x (x − blur(x)), a sum
    of squared differences of neighbours. The blur is over 3×3 pixels, the middle one twice as heavy
    as the others; at the border the pixels that are missing count as the pixel itself.

    Returns:
        A penalty, at least 0.
    """
    return Sharpness()


def boundary(width: int = 20, constant: float = 0.5) -> Objective:
    """Measure how much there is at the picture's border: variation, and colours that are not grey.

    Σ (blur(x) − x)² + 0.8 (x − constant)² over the pixels that are less than `width` from a border,
    with a blur over 5×5 pixels: minus Lucid's `penalize_boundary_complexity`.

    Args:
        width: Of the border, in pixels.
        constant: The grey, from black at 0 to white at 1.

    Returns:
        A penalty, at least 0.

    Raises:
        InputError: an argument is of another kind.
    """
    return Boundary(width, constant)


@dataclass(frozen=True)
class _OfPicture(Leaf):
    """A leaf that reads no layer."""

    def layers(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    @property
    def sees_picture(self) -> bool:
        """Yes."""
        return True


@dataclass(frozen=True)
class _AroundGrey(_OfPicture):
    """A leaf that measures how far the picture is from a grey."""

    constant: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "constant", real("the constant of a penalty", self.constant))


@OBJECTIVES.add("total_variation")
@dataclass(frozen=True)
class TotalVariation(_OfPicture):
    """The sum of the differences of neighbouring pixels (see `total_variation`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,); a picture of one pixel has no neighbours, and no variation."""
        image = seen.image
        height, width = image.shape[2:]
        found = []
        if height > 1:
            found.append(abs(image[:, :, 1:] - image[:, :, :-1]).sum((1, 2, 3)))
        if width > 1:
            found.append(abs(image[:, :, :, 1:] - image[:, :, :, :-1]).sum((1, 2, 3)))
        if not found:
            return (image * 0).sum((1, 2, 3))
        return found[0] if len(found) == 1 else found[0] + found[1]


@OBJECTIVES.add("l1")
@dataclass(frozen=True)
class L1(_AroundGrey):
    """The L1 distance of the picture from a grey (see `l1`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        return abs(seen.image - self.constant).sum((1, 2, 3))


@OBJECTIVES.add("l2")
@dataclass(frozen=True)
class L2(_AroundGrey):
    """The L2 distance of the picture from a grey (see `l2`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        return (((seen.image - self.constant) ** 2).sum((1, 2, 3)) + _EPSILON).sqrt()


@OBJECTIVES.add("linf")
@dataclass(frozen=True)
class LInf(_AroundGrey):
    """The largest distance of a pixel from a grey (see `linf`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        distances = abs(seen.image - self.constant)
        axes = distances.builder.constant([1, 2, 3], np.int64)
        return distances.op.ReduceMax(distances, axes, keepdims=0)


@OBJECTIVES.add("sharpness")
@dataclass(frozen=True)
class Sharpness(_OfPicture):
    """What a slight blur would take away (see `sharpness`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        image = seen.image
        # ½ Σ weight · (x − neighbour)² over all pairs has the gradient Σ weight · (x − neighbour)
        # at each pixel, which is x − blur(x) where the weights are those of the blur.
        total = None
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            squares = _differences(image, down, right)
            if squares is not None:
                total = squares if total is None else total + squares
        if total is None:
            return (image * 0).sum((1, 2, 3))
        return total * (0.5 * _SIDE / (8 * _SIDE + _MIDDLE))


@OBJECTIVES.add("boundary")
@dataclass(frozen=True)
class Boundary(_OfPicture):
    """Variation and colours at the picture's border (see `boundary`)."""

    width: int = 20
    constant: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", whole("the width of a boundary", self.width, 1))
        object.__setattr__(self, "constant", real("the constant of a penalty", self.constant))

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        image = seen.image
        height, width = image.shape[2:]
        kernel = np.full((5, 5), _SIDE)
        kernel[1:-1, 1:-1] = _MIDDLE
        planes = image.shape[1]
        kernels = image.builder.constant(np.tile(kernel, (planes, 1, 1, 1)), image.dtype)
        summed = image.op.Conv(image, kernels, group=planes, pads=[2, 2, 2, 2])
        blurred = summed / _sums(height, width)
        border = np.ones((height, width))
        border[self.width : -self.width, self.width : -self.width] = 0
        measured = (blurred - image) ** 2 + 0.8 * (image - self.constant) ** 2
        return (measured * border).sum((1, 2, 3))


def _differences(image: Tensor, down: int, right: int) -> Tensor | None:
    """Append Σ (x − neighbour)² over pixels that have that neighbour, (N,); `None` if none has."""
    height, width = image.shape[2:]
    if height <= down or width <= abs(right):
        return None
    left = image[:, :, : height - down, max(-right, 0) : width - max(right, 0)]
    other = image[:, :, down:, max(right, 0) : width - max(-right, 0)]
    return ((left - other) ** 2).sum((1, 2, 3))


def _sums(height: int, width: int) -> np.ndarray:
    """What the kernel over 5×5 pixels sums up to at every pixel, less at the border, (H, W)."""

    def neighbours(size: int, reach: int) -> np.ndarray:
        at = np.arange(size)
        counted: np.ndarray = np.minimum(at, reach) + np.minimum(size - 1 - at, reach) + 1
        return counted

    # The kernel is one of ½ over 5×5, and another ½ over the inner 3×3.
    inner, outer = (np.outer(neighbours(height, at), neighbours(width, at)) for at in (1, 2))
    total: np.ndarray = (_MIDDLE - _SIDE) * inner + _SIDE * outer
    return total
