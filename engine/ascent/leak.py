"""Gradients that leak through ReLUs that are off, in the first part of an ascent."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..plain import real, whole


@dataclass(frozen=True)
class Leak:
    """How much of the gradient passes units that are off, and for how long.

    A unit of a ReLU that is off has no gradient: only those that see a part of a subject already
    can make more of it. With a tenth of the gradient let through (Lucent does it in all steps),
    whole subjects appear, where else there is a mosaic of parts. That gradient is not the
    objective's, so that the value stays behind; in later steps it is the objective's alone.

    Attributes:
        slope: The part that is let through, in (0, 1].
        steps: In how many first steps.
    """

    slope: float
    steps: int

    def __post_init__(self) -> None:
        slope = real("leak", self.slope)
        if not 0 < slope <= 1:
            raise InputError(f"leak must be in (0, 1], or None, not {slope:g}")
        object.__setattr__(self, "slope", slope)
        object.__setattr__(self, "steps", whole("leak_steps", self.steps, 0))

    def at(self, step: int) -> float:
        """Return the part that is let through in a step, which is counted from 1."""
        return self.slope if step <= self.steps else 0.0
