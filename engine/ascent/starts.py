"""The best of several starts: each is climbed for a short stretch, and the highest goes on.

Where an ascent ends depends on where it begins, in deep layers by half of the value; which of some
starts are good shows early.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .loop import Ascent

if TYPE_CHECKING:
    from .composition import Composition

_SHARE = 8
"""The part of its steps that each start is tried for is one by this."""

_LEAST = 16
"""Fewer steps than these tell nothing: some first ones may have redirected gradients."""

Climb = Callable[[Sequence[int], int, int], tuple["Composition", Ascent]]
"""Climbs given which of the seed's pictures, how many steps, and how many were made before."""


@dataclass(frozen=True)
class Chosen:
    """What came of trying starts.

    Attributes:
        numbers: Which of the seed's pictures goes on, for each picture.
        spent: How many steps were made, of each picture.
        ended: What there is where the trial was ended early: the pictures, and their ascent.
    """

    numbers: tuple[int, ...]
    spent: int
    ended: tuple[Composition, Ascent] | None = None


def stretch(steps: int) -> int:
    """Return how many steps each start is climbed for, of an ascent of so many."""
    return min(max(steps // _SHARE, _LEAST), steps)


def choose(batch: int, starts: int, steps: int, climb: Climb, *, same_start: bool) -> Chosen:
    """Try starts for each picture, and take those with the highest values.

    Picture b tries the seed's pictures b·starts to b·starts + starts − 1, so that it tries the same
    ones whichever others are made with it.

    Args:
        batch: How many pictures are made.
        starts: How many starts each one tries.
        steps: How many steps an ascent has.
        climb: Makes a stretch of them.
        same_start: Whether all pictures try the starts of the first one.
    """
    count = stretch(steps)
    tried = [
        tuple(start + starts * picture * (not same_start) for picture in range(batch))
        for start in range(starts)
    ]
    scores = []
    for number, numbers in enumerate(tried):
        made, ascent = climb(numbers, count, number * count)
        if not ascent.whole or made.batch < batch:
            return Chosen(numbers[: made.batch], number * count, (made, ascent))
        scores.append(score(ascent.values))
    best = np.argmax(scores, axis=0)
    chosen = tuple(tried[start][picture] for picture, start in enumerate(best))
    return Chosen(chosen, starts * count)


def score(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last quarter of a stretch, whose transforms are random, (N,).

    Args:
        values: (steps, N).
    """
    result: np.ndarray = values[-max(len(values) // 4, 1) :].mean(axis=0)
    return result
