"""How the size of steps changes along an ascent."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from ..errors import InputError
from ..plain import real, whole
from ..registry import Registry


class Schedule(ABC):
    """What an optimizer's learning rate is multiplied by in each step."""

    @abstractmethod
    def factor(self, step: int) -> float:
        """Return the factor of a step, which is counted from 1."""

    @abstractmethod
    def planned(self, steps: int) -> Schedule:
        """Return the same for an ascent of so many steps; what has its own number keeps it."""


SCHEDULES: Registry[Schedule] = Registry("schedule", Schedule)
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
        _set_whole(self, "warmup", self.warmup)

    def factor(self, step: int) -> float:
        """Return 1, or less while it warms up."""
        return _risen(step, self.warmup)

    def planned(self, steps: int) -> Schedule:  # noqa: ARG002 (it is the same for all)
        """Return the same: it does not depend on the length of the ascent."""
        return self


@dataclass(frozen=True)
class _Falling(Schedule):
    """Steps that become smaller towards the end.

    Attributes:
        warmup: In how many first steps the factor rises, in equal parts, up to 1.
        last: The factor behind the last step, in [0, 1].
        steps: The length of the ascent; `None` for that of the ascent that it is used in. Later
            steps have the factor `last`.
    """

    warmup: int = 0
    last: float = 0.0
    steps: int | None = None

    def __post_init__(self) -> None:
        _set_whole(self, "warmup", self.warmup)
        last = real("last", self.last)
        if not 0 <= last <= 1:
            raise InputError(f"last must be in [0, 1], not {last:g}")
        object.__setattr__(self, "last", last)
        if self.steps is not None:
            object.__setattr__(self, "steps", whole("steps", self.steps, 1))

    def planned(self, steps: int) -> Schedule:
        """Return the same for an ascent of so many steps, unless it has a number of its own."""
        return replace(self, steps=steps) if self.steps is None else self

    def factor(self, step: int) -> float:
        """Return the factor of a step, which is counted from 1.

        Raises:
            InputError: the length of the ascent is not known.
        """
        if self.steps is None:
            raise InputError(
                f"{self} does not know how long the ascent is; give it steps=…, or use its planned"
            )
        falling = max(self.steps - self.warmup, 1)
        done = min(max(step - 1 - self.warmup, 0) / falling, 1.0)
        return _risen(step, self.warmup) * (self.last + (1 - self.last) * self._left(done))

    @abstractmethod
    def _left(self, done: float) -> float:
        """From 1, where nothing is done, to 0, where all is."""


@SCHEDULES.add("cosine")
@dataclass(frozen=True)
class Cosine(_Falling):
    """Steps that fall along half a cosine (Loshchilov and Hutter, *SGDR*, 2017), without restarts.

    Attributes:
        warmup: In how many first steps the factor rises, in equal parts, up to 1.
        last: The factor behind the last step, in [0, 1].
        steps: The length of the ascent; `None` for that of the ascent that it is used in. Later
            steps have the factor `last`.
    """

    def _left(self, done: float) -> float:
        return (1 + math.cos(math.pi * done)) / 2


@SCHEDULES.add("linear")
@dataclass(frozen=True)
class Linear(_Falling):
    """Steps that fall along a straight line.

    Attributes:
        warmup: In how many first steps the factor rises, in equal parts, up to 1.
        last: The factor behind the last step, in [0, 1].
        steps: The length of the ascent; `None` for that of the ascent that it is used in. Later
            steps have the factor `last`.
    """

    def _left(self, done: float) -> float:
        return 1 - done


def _risen(step: int, warmup: int) -> float:
    return min(step / warmup, 1.0) if warmup else 1.0


def _set_whole(schedule: Schedule, name: str, value: object) -> None:
    object.__setattr__(schedule, name, whole(name, value, 0))
