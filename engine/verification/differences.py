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
# What part of the slopes' size is a jump between the two sides.
_JUMP = 1e-2
# So many finer steps are taken where the differences have not come to their limit, unless noise is
# more than so much of the slopes' size there.
_MORE_STEPS, _NOISY = 2, 1e-3
# So many times the usual bend the scatter of noise hardly ever is.
_RARE = 5.0


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


def independent_spacing(epsilon: float) -> float:
    """Return how far apart points are whose values round independently, for inputs of about 1.

    Closer than √ε / 16 most sums round alike, and further away what the function bends shows.

    Args:
        epsilon: Of the precision.
    """
    return math.sqrt(epsilon) / 16


def rounding_noise(function: Function, spacing: float, epsilon: float) -> float:
    """Return how much rounding scatters the function's values near 0.

    Second differences of equally spaced values contain no slope and, this close, no curvature:
    of independent errors of variance σ² they have the variance 6 σ².

    Args:
        function: Of one number.
        spacing: Of the points: so far apart that they round independently, and no further (see
            `independent_spacing`).
        epsilon: Of the precision: at least so much of the value is noise.
    """
    values = [function(spacing * point) for point in range(_NEIGHBOURS)]
    bends = [a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    scatter = math.sqrt(sum(bend**2 for bend in bends) / (6 * len(bends)))
    # A kink among the points is no noise: it bends them once, and noise each time.
    usual = sorted(abs(bend) for bend in bends)[len(bends) // 2]
    if scatter > _RARE * usual:
        scatter = usual
    return max(scatter, epsilon * abs(values[0]))


def derivative(
    function: Function, given: Sequence[float], noise: float, scale: float
) -> Difference:
    """Return the derivative at 0 by central differences, extrapolated to a step of 0 (Richardson).

    Steps are taken until the uncertainty is a millionth of the scale; finer ones than are given
    where the differences are still on their way to a limit.

    Args:
        function: Of one number.
        given: Steps, two or more, falling.
        noise: Scatter of the function's values by rounding.
        scale: What size of slope is expected: a jump of less than a hundredth of it is no kink.
    """
    middle = function(0.0)
    plain: list[float] = []
    gaps: list[float] = []
    left = right = math.nan
    steps = list(given)
    for number, step in enumerate(steps):  # which grows where finer steps are needed
        before, after = function(-step), function(step)
        left, right = (middle - before) / step, (after - middle) / step
        plain.append((after - before) / (2 * step))
        gaps.append(abs(right - left))
        if number:
            settled = max(abs(plain[-1] - plain[-2]), gaps[-1]) + noise / step
            if settled < 1e-6 * max(scale, abs(plain[-1])):
                break
        # On a kink the two sides stay apart, and finer steps tell nothing.
        together = gaps[-1] < _JUMP * max(scale, abs(plain[-1]))
        if together and len(given) <= number + 1 < len(given) + _MORE_STEPS:
            steps += _finer(plain, steps, noise, scale)
    # Of two steps the finer one counts for more, and so does its noise.
    slopes = [
        (fine + (fine - coarse) / ((wide / narrow) ** 2 - 1), 1.5 * noise / narrow)
        for coarse, fine, wide, narrow in zip(plain, plain[1:], steps, steps[1:], strict=False)
    ]
    slopes.append((plain[-1], noise / steps[len(plain) - 1]))
    last = steps[len(gaps) - 1]
    unsettled = _unsettled(plain, steps, noise)
    best = (math.inf, math.nan)
    for number, (slope, scatter) in enumerate(slopes):
        # Finer steps tell what a step misses, but for their noise; of the finest, the two sides
        # tell: a kink within it parts them by twice as much as it moves their mean.
        finer = [abs(slope - other) - 2 * rough for other, rough in slopes[number + 1 :]]
        missed = max(0.0, *finer) if finer else gaps[-1] + last * scale
        best = min(best, (max(missed, unsettled) + scatter, slope))
    apart = max(8 * noise / last, _JUMP * max(scale, abs(best[1])))
    # What bends has sides that come together as the step shrinks.
    shrunk = [gap for gap, step in zip(gaps, steps, strict=False) if step >= 8 * last]
    kink = bool(shrunk) and gaps[-1] > max(apart, shrunk[-1] / 2)
    return Difference(best[1], best[0], left, right, kink)


def _finer(
    plain: Sequence[float], steps: Sequence[float], noise: float, scale: float
) -> list[float]:
    """The next finer step, where it tells more."""
    step = steps[-1] * steps[-1] / steps[-2]
    worth = _unsettled(plain, steps, noise) > 0 and noise / step < _NOISY * scale
    return [step] if worth else []


def _unsettled(plain: Sequence[float], steps: Sequence[float], noise: float) -> float:
    """How far differences may be from their limit that come to it slower than smooth ones do.

    Those of a smooth function have errors of the order h². Beside √|x|·x the errors have √h, which
    neither the two sides show, since the function is odd, nor an extrapolation for h².
    """
    if len(plain) < 3:
        return 0.0
    before, last = (
        abs(plain[i] - plain[i - 1]) - 2 * (noise / steps[i] + noise / steps[i - 1])
        for i in (len(plain) - 2, len(plain) - 1)
    )
    slowest = (steps[len(plain) - 1] / steps[len(plain) - 2]) ** 1.5
    return last if last > max(slowest * before, 0.0) else 0.0
