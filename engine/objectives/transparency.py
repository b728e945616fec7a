"""How opaque a transparent picture is."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.tensor import Tensor
from .algebra import OBJECTIVES, Leaf, Objective
from .own_objectives import Each
from .seen import Seen


def opacity() -> Objective:
    """Take the mean opacity of a transparent picture over its pixels.

    `channel("fire8", 5) * (1 - opacity())` is what `render` climbs with `transparent()`
    (Mordvintsev et al., *Differentiable Image Parameterizations*, 2018).

    Returns:
        From 0, where nothing of the picture is to be seen, to 1, where it is opaque.
    """
    return Opacity()


@OBJECTIVES.add("opacity")
@dataclass(frozen=True)
class Opacity(Leaf):
    """The mean opacity of the picture (see `opacity`)."""

    def layers(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    @property
    def sees_picture(self) -> bool:
        """Yes."""
        return True

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        return seen.opacity.mean((1, 2, 3))


def sparing(objective: Objective) -> Objective:
    """Return an objective that leaves transparent what it does not need: times 1 − `opacity()`.

    One that names the opacity itself is returned as it is.
    """
    if isinstance(objective, Each):
        return Each(tuple(map(sparing, objective.objectives)))
    left = [objective]
    while left:
        part = left.pop()
        if isinstance(part, Opacity):
            return objective
        left.extend(part.parts())
    return objective * (1 - Opacity())
