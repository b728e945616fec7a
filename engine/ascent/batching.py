"""Many pictures in several runs: how many at once, and all of them as one result.

Pictures do not depend on which others they are made with (see `streams`), so that only time and
memory decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..cache import GraphCache
from ..errors import MemoryShortageError, OnnxscopeError
from ..identity import has_identity
from ..runtime.cores import cores
from ..runtime.session import Provider, choose_provider
from .climbers import make_climber
from .loop import Ascent
from .optimizers import GraphOptimizer, Optimizer
from .streams import Streams

if TYPE_CHECKING:
    from .composition import Composition

# What a measurement has to be worth: less work than this is done before it would have paid.
_LEAST_PICTURE_STEPS = 1024
# How much less time for each picture twice as many have to take.
_GAIN = 0.97
_TIMED_STEPS = 3

Climb = Callable[["Composition", int, tuple[int, int]], Ascent]
"""Makes some of the pictures, given which is the first, and which of how many runs it is."""


def run_size(
    composition: Composition,
    optimizer: Optimizer,
    provider: str | Provider,
    steps: int,
    cache: GraphCache | None,
) -> int:
    """Return how many pictures to make at once, by a short measurement where there is work enough.

    On the CPU nothing is measured. Pictures of one objective are made a few at a time whatever
    their number (see `SideBySide`); those of different ones share nothing: as many as there are
    cores.

    Args:
        composition: All pictures.
        optimizer: The update rule.
        provider: See `onnxscope.render`.
        steps: How many steps each picture will take.
        cache: Where finished graphs are kept.

    Returns:
        The best of 1, 2, 4, …, or all at once where a measurement would not pay, or where the
        pictures cannot be divided.

    Raises:
        MemoryShortageError: not even one fits into memory.
    """
    pictures = composition.batch
    if pictures == 1 or not is_divisible(composition, optimizer):
        return pictures
    chosen = choose_provider(provider) if isinstance(provider, str) else provider
    if chosen.name == "cpu":
        return pictures if composition.uniform else min(cores(), pictures)
    if pictures * steps < _LEAST_PICTURE_STEPS:
        return pictures
    return _fastest(composition, optimizer, provider, cache)


def is_divisible(composition: Composition, optimizer: Optimizer) -> bool:
    """Return whether pictures can be made in several runs: no code of the user's may join them."""
    return (
        composition.separable and isinstance(optimizer, GraphOptimizer) and has_identity(optimizer)
    )


def _fastest(
    composition: Composition,
    optimizer: Optimizer,
    provider: str | Provider,
    cache: GraphCache | None,
) -> int:
    """The size with the least time for a picture; larger ones are tried while they gain."""
    best, least = 1, float("inf")
    size = 1
    while size <= composition.batch:
        try:
            seconds = _seconds(composition.part(0, size), optimizer, provider, cache) / size
        except MemoryShortageError:
            if size == 1:
                raise
            break
        if seconds > least * _GAIN:
            break
        best, least = size, seconds
        size *= 2
    return best


def _seconds(
    composition: Composition,
    optimizer: Optimizer,
    provider: str | Provider,
    cache: GraphCache | None,
) -> float:
    """How long a step takes once it is under way: the shortest of a few."""
    streams = Streams(composition, seed=0)
    climber = make_climber(composition, streams.parameters(), optimizer, provider, cache)
    times = []
    for _ in range(1 + _TIMED_STEPS):
        data = streams.data()
        start = time.perf_counter()
        climber.step(data, redirect=False)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def climb_in_runs(
    composition: Composition, size: int, climb: Climb, *, smaller: bool = False
) -> tuple[Composition, Ascent]:
    """Make all pictures, `size` at once.

    Args:
        composition: All pictures.
        size: How many in a run.
        climb: Makes a run.
        smaller: Make runs of as many as fit where `size` pictures do not fit into memory.

    Returns:
        The pictures that were made, and their ascent as if it were one. Where a run after the first
        ended early, those are the pictures of the runs before it.

    Raises:
        OnnxscopeError: the first run failed before its first step.
    """
    done: list[Ascent] = []
    start = 0
    while start < composition.batch:
        stop = min(start + size, composition.batch)
        run = len(done) + 1, len(done) + -(-(composition.batch - start) // size)
        try:
            ascent = climb(composition.part(start, stop), start, run)
        except MemoryShortageError as error:
            if not (smaller and 0 < error.fitting < stop - start):
                raise
            size = error.fitting
            continue
        except OnnxscopeError as error:
            if not done:
                raise
            return composition.part(0, start), replace(_joined(done), failure=error)
        except KeyboardInterrupt:
            if not done:
                raise
            return composition.part(0, start), replace(_joined(done), interrupted=True)
        if done and not ascent.whole:
            return composition.part(0, start), replace(
                _joined(done),
                interrupted=ascent.interrupted,
                stopped=ascent.stopped,
                failure=ascent.failure,
            )
        done.append(ascent)
        start = stop
        if not ascent.whole:
            return composition.part(0, stop), ascent
    return composition, _joined(done)


def _joined(parts: list[Ascent]) -> Ascent:
    """Ascents of as many steps as one."""
    first = parts[0]
    return Ascent(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.values for part in parts], axis=1),
        {
            step: np.concatenate([part.snapshots[step] for part in parts])
            for step in first.snapshots
        },
        first.provider,
        interrupted=False,
        redirected=np.concatenate([part.redirected for part in parts]),
        moved=np.concatenate([part.moved for part in parts]),
        importance=np.concatenate([part.importance for part in parts]),
    )
