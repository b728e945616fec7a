"""The point at which a network is compared, beside it where that is on a kink, and slopes there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError, OutOfTimeError
from .budget import Budget
from .differences import Difference, Function, derivative, independent_spacing, rounding_noise
from .faults import Arrays
from .forward import Forward
from .subjects import VALUE, Subject

# How many random points are tried to find one where something slopes.
_DRAWS = 8

# How often a point on a kink is moved, and how far.
_MOVES = 3
_MOVE = 1e-3

Direction = tuple[str, np.ndarray]
"""An input, and where it is moved."""


@dataclass(frozen=True)
class Place:
    """A point, and what differences say of the network there.

    Attributes:
        point: The inputs.
        directions: Those for which there was time.
        slopes: By direction.
    """

    point: Arrays
    directions: Sequence[Direction]
    slopes: list[Difference]

    @property
    def kink(self) -> bool:
        """Whether it is on one."""
        return any(slope.kink for slope in self.slopes)


class Places:
    """What differences say of a subject, for which the time is shared."""

    def __init__(
        self,
        subject: Subject,
        gradient: Callable[[Arrays], Arrays],
        forward: Forward,
        scales: Mapping[str, float],
        rng: np.random.Generator,
        budget: Budget,
        limits: list[str],
    ) -> None:
        """Take what is compared.

        Args:
            subject: What is differentiated.
            gradient: By the rules, at a point: where it is zero, another point tells more.
            forward: The network in the highest precision.
            scales: The size of each input's elements.
            rng: For points and directions.
            budget: The time that there is.
            limits: To which is added what is done without.
        """
        self._subject = subject
        self._gradient = gradient
        self._forward = forward
        self._scales = scales
        self._rng = rng
        self._budget = budget
        self._limits = limits

    def find(self, count: int) -> tuple[Place, bool]:
        """Take differences at the point, or beside it where that is on a kink.

        Args:
            count: In how many directions for each input.

        Returns:
            The place, and whether it is beside the point.

        Raises:
            OutOfTimeError: there is no time for any direction.
        """
        subject = self._subject
        start = self._start()
        directions = [
            (name, self._rng.standard_normal(start[name].shape) * self._scales[name])
            for _ in range(count)
            for name in subject.wrt
        ]
        place = self._place(start, directions)
        moves = 0
        while place.kink and moves < _MOVES:
            moves += 1
            point = start | {
                name: beside(self._rng, start[name], _MOVE * moves, scale)
                for name, scale in self._scales.items()
            }
            try:
                place = self._place(point, directions)
            except OutOfTimeError:
                self._limits.append("no other point beside the kink, for want of time")
                return place, moves > 1
        return place, moves > 0

    def _start(self) -> Arrays:
        """The point, another random one where the gradient is zero throughout: a unit is off."""
        point, redraw = self._subject.point, self._subject.redraw
        for _ in range(_DRAWS):
            if redraw is None or any(np.any(array) for array in self._gradient(point).values()):
                break
            point = self._subject.point | redraw(self._rng)
        return point

    def _place(self, point: Arrays, directions: Sequence[Direction]) -> Place:
        """Differences in all directions, or those for which there is time.

        Raises:
            OutOfTimeError: there is none for any.
        """
        slopes: list[Difference] = []
        self._budget.begin("computing the gradient")
        rough = self._gradient(point)
        noise: dict[str, float] = {}
        try:
            for number, (name, direction) in enumerate(directions):
                self._budget.begin(f"differences, direction {number + 1} of {len(directions)}")
                slopes.append(self._slope(point, name, direction, rough, noise))
        except OutOfTimeError:
            if not slopes:
                raise
            self._limits.append(fewer(len(slopes), len(directions)))
        return Place(point, directions[: len(slopes)], slopes)

    def _slope(
        self,
        point: Arrays,
        name: str,
        direction: np.ndarray,
        rough: Arrays,
        noise: dict[str, float],
    ) -> Difference:
        """The slope in one direction; `noise` keeps what is known of an input's rounding."""
        function = self._along(point, name, direction)
        if name not in noise:
            epsilon = self._forward.epsilon
            noise[name] = rounding_noise(function, independent_spacing(epsilon), epsilon)
        scale = self._scales[name] * finite_length(rough[name])
        return derivative(function, self._forward.steps, noise[name], scale)

    def _along(self, point: Arrays, name: str, direction: np.ndarray) -> Function:
        cotangent = self._subject.cotangent.astype(np.float64)
        start = np.asarray(point[name], np.float64)

        def function(t: float) -> float:
            value = self._forward.run(point | {name: start + t * direction}, [VALUE])[VALUE]
            if value.shape != cotangent.shape:
                raise ModelError(
                    f"{self._subject.target} has another shape, {value.shape} instead of "
                    f"{cotangent.shape}, where {name!r} is moved a little: it has no slope there"
                )
            return float(np.vdot(cotangent, np.asarray(value, np.float64)))

        return function


def beside(
    rng: np.random.Generator, array: np.ndarray, relative: float, scale: float
) -> np.ndarray:
    """Return an array whose elements differ by some part of themselves, or of `scale` if larger."""
    exact = np.asarray(array, np.float64)
    size = np.maximum(np.abs(exact), scale)
    moved = exact + relative * size * rng.uniform(-1, 1, exact.shape)
    return np.asarray(moved).astype(array.dtype)


def finite_length(array: np.ndarray) -> float:
    """Return the length, 0 where it is not a number: what is not finite lends no uncertainty."""
    length = float(np.linalg.norm(array))
    return length if np.isfinite(length) else 0.0


def fewer(done: int, wanted: int) -> str:
    """Return what is done without, where there is time for fewer directions."""
    return f"{done} of {wanted} directions, for want of time"
