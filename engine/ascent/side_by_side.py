"""On the CPU each core makes pictures of its own, and few at once.

Cores that wait for each other at every node do less, and so do those that fetch what they have
computed from far away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np

from ..cache import GraphCache
from ..identity import has_identity
from ..runtime.cores import cores
from ..runtime.memory import Use
from ..runtime.session import Provider
from .climbing import Arrays
from .compiled_climber import CompiledClimber, CompiledSessions
from .graphs import Graphs
from .optimizers import GraphOptimizer

if TYPE_CHECKING:
    from .composition import Composition

# Bytes that a core computes with at once. Measured on two cores with 1 MiB of L2 each: of 6 to 60
# MiB a picture, two in one graph take 0 to 15 % longer than one by one, eight up to 50 %; of 2 MiB
# and less, one by one takes up to 60 % longer, since a node then costs more than what it computes.
_NEAR = 8 * 2**20


def can_divide(composition: Composition, optimizer: GraphOptimizer) -> bool:
    """Return whether there is more than one climber to make of an ascent on the CPU."""
    return composition.batch > 1 and composition.separable and has_identity(optimizer)


class SideBySide:
    """Compiled climbers, of which as many make their steps at the same time as there are cores.

    Of one objective each takes so few pictures that what it computes of them stays near the core;
    they share their sessions. Of several objectives each picture has a climber and sessions of its
    own: so its graph, and with it the last bit of its numbers, is the same whatever the others are.
    """

    def __init__(
        self,
        composition: Composition,
        parameters: Arrays,
        optimizer: GraphOptimizer,
        provider: str | Provider,
        cache: GraphCache | None = None,
    ) -> None:
        """Divide the pictures.

        Args:
            composition: What to climb; `separable`.
            parameters: Where to start.
            optimizer: The update rule.
            provider: The CPU.
            cache: Where finished graphs are kept.

        Raises:
            MemoryShortageError: the memory does not suffice.
        """
        batch, uniform = composition.batch, composition.uniform
        workers = min(cores(), batch)
        count = _parts(composition, optimizer, workers, cache) if uniform else batch
        ends = [batch * (index + 1) // count for index in range(count)]
        self._slices = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        # Of the random data, which each view of a picture has for itself.
        views = composition.views
        self._rows = [slice(part.start * views, part.stop * views) for part in self._slices]
        use: Use | None = _use(self._slices, workers, uniform=uniform)
        opened: dict[int, CompiledSessions] = {}
        self._climbers: list[CompiledClimber] = []
        # The last one has the most pictures.
        for part in reversed(self._slices):
            size = part.stop - part.start
            if size not in opened or not uniform:
                some = composition.part(part.start, part.stop)
                opened[size] = CompiledSessions(some, optimizer, provider, cache, 1, use)
                use = None
            own = {name: array[part] for name, array in parameters.items()}
            self._climbers.insert(0, CompiledClimber(opened[size], own))
        self._workers = ThreadPoolExecutor(workers, "onnxscope")

    @property
    def redirected(self) -> np.ndarray:
        """The number of steps in which each picture's gradient was redirected, (N,) int64."""
        return np.concatenate([climber.redirected for climber in self._climbers])

    @property
    def moved(self) -> np.ndarray:
        """Whether each picture had a gradient of the objective's own in any step, (N,) bool."""
        return np.concatenate([climber.moved for climber in self._climbers])

    @property
    def provider(self) -> Provider:
        """Where the steps run."""
        return self._climbers[0].provider

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step (see `Climber`)."""
        running = [
            self._workers.submit(
                climber.step, {name: array[part] for name, array in data.items()}, redirect=redirect
            )
            for climber, part in zip(self._climbers, self._rows, strict=True)
        ]
        try:
            wait(running)
        except KeyboardInterrupt:
            wait(running)
            self._take_back(running)
            raise
        if not all(map(_went_well, running)):
            self._take_back(running)
        values = [future.result()[0] for future in running]
        return np.concatenate(values), all(map(_went_well, running))

    def _take_back(self, running: list[Future[tuple[np.ndarray, bool]]]) -> None:
        """Take back what went well, so that all pictures have made as many steps."""
        for climber, future in zip(self._climbers, running, strict=True):
            if _went_well(future):
                climber.take_back()

    def images(self) -> np.ndarray:
        """Return the pictures as they are now."""
        return np.concatenate([climber.images() for climber in self._climbers])

    def importance(self) -> np.ndarray:
        """Return how large the gradients of all steps were (see `Climber`)."""
        return np.concatenate([climber.importance() for climber in self._climbers])

    def rescued(self) -> tuple[int, np.ndarray, np.ndarray]:
        """Return what there is after a failure (see `Climber`)."""
        rescued = [climber.rescued() for climber in self._climbers]
        images = np.concatenate([images for _, images, _ in rescued])
        return rescued[0][0], images, np.concatenate([maps for _, _, maps in rescued])


def _went_well(step: Future[tuple[np.ndarray, bool]]) -> bool:
    return step.exception() is None and step.result()[1]


def _parts(
    composition: Composition, optimizer: GraphOptimizer, workers: int, cache: GraphCache | None
) -> int:
    """Into how many parts to divide the pictures of one objective."""
    batch = composition.batch
    if batch == workers:
        return batch
    alone = Graphs(composition.part(0, 1), cache).step("cpu", optimizer).footprint.each
    together = max(min(_NEAR // max(alone, 1), -(-batch // workers)), 1)
    rounds = -(-batch // (together * workers))
    return min(rounds * workers, batch)


def _use(slices: Sequence[slice], workers: int, *, uniform: bool) -> Use:
    """How the graphs of the parts are run."""
    sizes = [part.stop - part.start for part in slices]
    if not uniform:
        return Use(sum(sizes), sum(sizes), sessions=len(sizes))
    return Use(sum(sizes), sum(sorted(sizes)[-workers:]), sessions=len(set(sizes)))
