"""Derivatives from differences, with an honest account of how far they can be trusted.

A difference over a step h is wrong by what the function bends within h and by what rounding does to
its two values, divided by h. Several steps show the first, a few neighbouring points the second. A
function with kinks, such as a network of ReLUs, has another slope on either side of one: then no
step is small enough, and there is no derivative to be compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Function = Callable[[float], float]

_NEIGHBOURS = 7


@dataclass(frozen=True)
class Difference:
    """A derivative at 0.

    Attributes:
        slope: The derivative.
        uncertainty: About how far it may be off, by curvature and by rounding.
        left: The slope from the left, over the smallest step.
        right: The slope from the right.
        kink: Whether the slopes of the two sides stay apart however small the step.
    """

    slope: float
    uncertainty: float
    left: float
    right: float
    kink: bool


def rounding_noise(function: Function, spacing: float, epsilon: float) -> float:
    """How much rounding scatters the function's values near 0.

    Second differences of equally spaced values contain no slope and, this close, no curvature:
    of independent errors of variance σ² they have the variance 6 σ².

    Args:
        function: Of one number.
        spacing: Of the points, as small as tells them apart.
        epsilon: Of the precision: at least so much of the value is noise.
    """
    values = [function(spacing * point) for point in range(_NEIGHBOURS)]
    bends = [a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    scatter = math.sqrt(sum(bend**2 for bend in bends) / (6 * len(bends)))
    return max(scatter, epsilon * abs(values[0]))


def derivative(
    function: Function, steps: Sequence[float], noise: float, scale: float
) -> Difference:
    """The derivative at 0 by central differences, extrapolated to a step of 0 (Richardson).

    Args:
        function: Of one number.
        steps: Two or more, falling.
        noise: Scatter of the function's values by rounding.
        scale: What size of slope is expected: a jump of less than a ten thousandth is no kink.
    """
    middle = function(0.0)
    sides = [(function(-step), function(step)) for step in steps]
    central = [(b - a) / (2 * step) for (a, b), step in zip(sides, steps, strict=True)]
    best = (math.inf, math.nan)
    for number in range(1, len(steps)):
        ratio = steps[number - 1] / steps[number]
        change = central[number] - central[number - 1]
        slope = central[number] + change / (ratio**2 - 1)
        # The next coarser step tells whether two differences are alike by chance.
        before = central[number - 1] - central[max(number - 2, 0)]
        bending = max(abs(change), abs(before) / ratio**2)
        best = min(best, (bending + noise / steps[number], slope))
    gaps = [abs(a + b - 2 * middle) / step for (a, b), step in zip(sides, steps, strict=True)]
    seen = max(8 * noise / steps[-1], 1e-4 * max(scale, abs(best[1])))
    kink = gaps[-1] > seen and gaps[-1] > gaps[0] / 2
    last, (a, b) = steps[-1], sides[-1]
    return Difference(best[1], best[0], (middle - a) / last, (b - middle) / last, kink)
