"""The slopes of one operator by differences, along lines on which one of its inputs moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, OperatorError
from .differences import derivative, independent_spacing, rounding_noise
from .forward import is_real
from .operator_values import Values, weigh

Cotangents = Mapping[int, np.ndarray]
Gradients = Mapping[int, np.ndarray]

# Beside a value that hardly changes its rounding is no error either.
_FLOOR = 1e-3
# Jumps of a slope that are smaller, as a part of the slopes' size, are taken for curvature.
_JUMP = 1e-4


class Line:
    """The outputs along a line through the point, in which one input moves."""

    def __init__(self, values: Values, point: Gradients, position: int, move: np.ndarray) -> None:
        self.position, self.move = position, move
        self.values, self._point = values, point
        self._known: dict[float, list[np.ndarray]] = {}

    def at(self, t: float) -> list[np.ndarray]:
        """Return the outputs, `t` moves away from the point.

        Raises:
            OperatorError: their size is another there.
        """
        if t not in self._known:
            x = self._point[self.position] + t * self.move
            outputs = self.values({**self._point, self.position: x})
            here = outputs if t == 0 else self.at(0.0)
            shapes = [[array.shape for array in each] for each in (outputs, here)]
            if shapes[0] != shapes[1]:
                raise OperatorError(
                    f"the size of the output depends on the values of input {self.position}: make "
                    f"it a constant (constant=[{self.position}])"
                )
            self._known[t] = outputs
        return self._known[t]

    def weighed(self, cotangents: Cotangents) -> Callable[[float], float]:
        """Return the function whose slope the gradient is to give."""

        def function(t: float) -> float:
            outputs = self.at(t)
            return weigh(list(cotangents.values()), [outputs[number] for number in cotangents])

        return function

    def steps(self) -> list[float]:
        """Return the steps that do not leave the operator's domain, such as Acosh's, from 1 on.

        Raises:
            InputError: there are fewer than two.
        """
        found = [step for step in self.values.steps if self._is_finite(step)]
        if len(found) < 2:
            raise InputError(
                f"the output is not finite just beside input {self.position}, so that there are no "
                "differences: give inputs further inside of the operator's domain"
            )
        return found

    def _is_finite(self, step: float) -> bool:
        outputs = [*self.at(step), *self.at(-step)]
        return all(np.isfinite(array).all() for array in outputs if is_real(array))

    def size(self, cotangents: Cotangents, step: float) -> float:
        """Return how large slopes are here: of sums of random signs, the root of the squares."""
        after, middle, before = (self.at(t) for t in (step, 0.0, -step))
        moved = sum(
            np.sum(np.square(c * (after[n] - before[n]) / (2 * step)))
            for n, c in cotangents.items()
        )
        still = sum(np.sum(np.square(c * middle[n])) for n, c in cotangents.items())
        return max(math.sqrt(moved), _FLOOR * math.sqrt(still))


@dataclass(frozen=True)
class Slope:
    """What differences say of one line and one cotangent."""

    line: Line
    number: int
    slope: float
    uncertainty: float
    size: float
    kink: bool


def slope_along(line: Line, number: int, cotangents: Cotangents) -> Slope:
    """Take differences along a line.

    Args:
        line: The line.
        number: Of the cotangents.
        cotangents: What the outputs are weighed with.

    Raises:
        InputError: the line leaves the operator's domain just beside the point.
    """
    function, epsilon, steps = line.weighed(cotangents), line.values.epsilon, line.steps()
    size = line.size(cotangents, steps[1])
    noise = rounding_noise(function, independent_spacing(epsilon), epsilon)
    found = derivative(function, steps, noise, size)
    kink = found.kink or _jumps(function, steps, noise, size)
    return Slope(line, number, found.slope, found.uncertainty, size, kink)


def _jumps(
    function: Callable[[float], float], steps: Sequence[float], noise: float, size: float
) -> bool:
    """Whether the slopes of the two sides stay apart, if by less than `derivative` takes for it.

    That asks for a hundredth, and one element of many on a kink is less.
    """
    last = steps[-1]
    wide = next((step for step in reversed(steps) if step >= 8 * last), steps[0])
    near, far = (
        abs(function(step) - 2 * function(0.0) + function(-step)) / step for step in (last, wide)
    )
    return near > max(_JUMP * size, 16 * noise / last, far / 2)
