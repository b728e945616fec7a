"""How the size of steps changes along an ascent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ..plain import whole
from ..registry import Registry


class Schedule(ABC):
    """What an optimizer's learning rate is multiplied by in each step."""

    @abstractmethod
    def factor(self, step: int) -> float:
        """Return the factor of a step, which is counted from 1."""

    @abstractmethod
    def planned(self, steps: int) -> Schedule:
        """Return the same for an ascent of so many steps; what has its own number keeps it."""


SCHEDULES: Registry[Schedule] = Registry(
    "schedule",
    Schedule,
    homes={"ascent.schedules": ("constant",), "ascent.falling": ("cosine", "linear")},
)
"""The schedules that recipes know."""


@SCHEDULES.add("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """Steps of the same size throughout.

    Attributes:
        warmup: In how many first steps the factor rises, in equal parts, up to 1.
    """

    warmup: int = 0

    def __post_init__(self) -> None:
        set_warmup(self, self.warmup)

    def factor(self, step: int) -> float:
        """Return 1, or less while it warms up."""
        return risen(step, self.warmup)

    def planned(self, steps: int) -> Schedule:  # noqa: ARG002 (it is the same for all)
        """Return the same: it does not depend on the length of the ascent."""
        return self


def risen(step: int, warmup: int) -> float:
    """Return the factor of a step while it warms up, 1 from step `warmup` on."""
    return min(step / warmup, 1.0) if warmup else 1.0


def set_warmup(schedule: Schedule, steps: object) -> None:
    """Set a frozen schedule's `warmup`.

    Raises:
        InputError: it is no whole number of steps.
    """
    object.__setattr__(schedule, "warmup", whole("warmup", steps, 0))
