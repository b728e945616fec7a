"""Steps that become smaller towards the end of an ascent."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace

from ..errors import InputError
from ..plain import real, whole
from .schedules import SCHEDULES, Schedule, risen, set_warmup


@dataclass(frozen=True)
class _Falling(Schedule):
    """Steps that become smaller towards the end.

    Attributes:
        warmup: In how many first steps the factor rises, in equal parts, up to 1.
        last: The factor behind the last step, in [0, 1].
        steps: The length of the ascent; `None` for that of the ascent that it is used in. Later
            steps have the factor `last`.
        hold: The part of the ascent, behind the warm-up, in which the factor stays 1 before it
            falls, in [0, 1).
    """

    warmup: int = 0
    last: float = 0.0
    steps: int | None = None
    hold: float = field(default=0.0, metadata={"later": True})

    def __post_init__(self) -> None:
        set_warmup(self, self.warmup)
        last, hold = real("last", self.last), real("hold", self.hold)
        if not 0 <= last <= 1:
            raise InputError(f"last must be in [0, 1], not {last:g}")
        if not 0 <= hold < 1:
            raise InputError(f"hold must be in [0, 1), not {hold:g}")
        object.__setattr__(self, "last", last)
        object.__setattr__(self, "hold", hold)
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
        done = min(max(step - 1 - self.warmup, 0) / max(self.steps - self.warmup, 1), 1.0)
        fallen = max(done - self.hold, 0.0) / (1 - self.hold)
        return risen(step, self.warmup) * (self.last + (1 - self.last) * self._left(fallen))

    @abstractmethod
    def _left(self, fallen: float) -> float:
        """From 1, where it begins to fall, at 0, to 0 at the end, at 1."""


@SCHEDULES.add("cosine")
@dataclass(frozen=True)
class Cosine(_Falling):
    """Steps that fall along half a cosine (Loshchilov and Hutter, *SGDR*, 2017), without restarts.

    Attributes:
        warmup: In how many first steps the factor rises, in equal parts, up to 1.
        last: The factor behind the last step, in [0, 1].
        steps: The length of the ascent; `None` for that of the ascent that it is used in. Later
            steps have the factor `last`.
        hold: The part of the ascent, behind the warm-up, in which the factor stays 1 before it
            falls, in [0, 1).
    """

    def _left(self, fallen: float) -> float:
        return (1 + math.cos(math.pi * fallen)) / 2


@SCHEDULES.add("linear")
@dataclass(frozen=True)
class Linear(_Falling):
    """Steps that fall along a straight line.

    Attributes:
        warmup: In how many first steps the factor rises, in equal parts, up to 1.
        last: The factor behind the last step, in [0, 1].
        steps: The length of the ascent; `None` for that of the ascent that it is used in. Later
            steps have the factor `last`.
        hold: The part of the ascent, behind the warm-up, in which the factor stays 1 before it
            falls, in [0, 1).
    """

    def _left(self, fallen: float) -> float:
        return 1 - fallen
