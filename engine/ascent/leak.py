"""Gradients that leak through ReLUs that are off, in the first part of an ascent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from ..plain import real, whole
from .optimizers import SearchingOptimizer

if TYPE_CHECKING:
    from .optimizers import Optimizer

_SLOPE = 0.1
_PART = 0.25
"""In what part of the steps a gradient leaks: by then subjects are there."""


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
            raise InputError(f"leak must be in (0, 1], or 0 for none, not {slope:g}")
        object.__setattr__(self, "slope", slope)
        object.__setattr__(self, "steps", whole("leak_steps", self.steps, 0))

    def at(self, step: int) -> float:
        """Return the part that is let through in a step, which is counted from 1."""
        return self.slope if step <= self.steps else 0.0


def fitting_slope(rules: object, optimizer: Optimizer, parameterization: object) -> float:
    """Return what part of the gradient leaks where nothing is said of it: a tenth, or 0 for none.

    None does in an ascent by rules that were asked for, with an optimizer that needs the
    objective's own gradient, and from a picture, in which a subject is there already.

    Args:
        rules: Gradient rules that were asked for; `None` for the standard ones.
        optimizer: The update rule.
        parameterization: What the picture is made of.
    """
    exact = rules is not None or isinstance(optimizer, SearchingOptimizer)
    return 0.0 if exact or begins_as_a_picture(parameterization) else _SLOPE


def begins_as_a_picture(parameterization: object) -> bool:
    """Return whether an ascent starts from a picture, be it in a part of what is made."""
    made = parameterization
    while made is not None and not getattr(made, "begins_as_a_picture", False):
        made = getattr(made, "of", None)
    return made is not None


def leak_of(slope: float, leak_steps: int | None, steps: int) -> Leak | None:
    """Return how a gradient leaks in an ascent of so many steps; `None` where it does in none.

    Args:
        slope: The part that is let through; 0 for none.
        leak_steps: In how many first steps; `None` for a quarter of them.
        steps: The length of the ascent.

    Raises:
        InputError: one of them is out of its range, or there are steps without a leak for them.
    """
    slope = real("leak", slope)
    if slope == 0:
        if leak_steps is not None:
            raise InputError("leak_steps is for a gradient that leaks; give leak=…, such as 0.1")
        return None
    leak = Leak(slope, round(steps * _PART) if leak_steps is None else leak_steps)
    return leak if leak.steps else None


def leak_asked_for(
    slope: float | None,
    leak_steps: int | None,
    steps: int,
    *,
    rules: object,
    optimizer: Optimizer,
    parameterization: object,
) -> Leak | None:
    """Return how a gradient leaks where what is not said is what fits; `None` where it does not.

    Args:
        slope: As for `leak_of`; `None` for what `fitting_slope` gives of the rest.
        leak_steps: As for `leak_of`.
        steps: As for `leak_of`.
        rules: As for `fitting_slope`.
        optimizer: As for `fitting_slope`.
        parameterization: As for `fitting_slope`.

    Raises:
        InputError: as `leak_of` does.
    """
    if slope is None:
        slope = fitting_slope(rules, optimizer, parameterization)
    return leak_of(slope, leak_steps, steps)
