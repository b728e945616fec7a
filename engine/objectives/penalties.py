"""Penalties on the picture: what a picture shall have little of.

They are subtracted, as in `channel("mixed4a", 11) - 0.25 * total_variation()`, and are Lucid's
(`optvis/objectives.py`, "input"), so that the weights of its notebooks mean the same here: 0.25 for
the total variation and 0.05 for the L1 norm around grey (Olah et al., *Feature Visualization*,
2017). All look at the picture before the transforms, RGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.tensor import Tensor
from ..plain import real
from .algebra import OBJECTIVES, Leaf, Objective
from .seen import Seen

_EPSILON = 1e-6
"""Added under the root of the L2 norm, which has no derivative at 0; Lucid's."""


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
        down = abs(image[:, :, 1:] - image[:, :, :-1]).sum((1, 2, 3))
        right = abs(image[:, :, :, 1:] - image[:, :, :, :-1]).sum((1, 2, 3))
        return down + right


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
