"""On the CPU a climber for each core: cores that wait for each other at every node do less."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np

from .cache import GraphCache
from .climbing import Arrays
from .compiled_climber import CompiledClimber
from .identity import has_identity
from .optimizers import GraphOptimizer
from .session import Provider

if TYPE_CHECKING:
    from .composition import Composition


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def can_divide(composition: Composition, optimizer: GraphOptimizer) -> bool:
    """Whether there is more than one climber to make of an ascent on the CPU."""
    divisible = composition.batch > 1 and composition.separable and has_identity(optimizer)
    return divisible and not (composition.uniform and cores() == 1)


class SideBySide:
    """Compiled climbers that make their steps at the same time, each with one core.

    Pictures of one objective are divided evenly. Of several objectives each picture has a climber:
    so its graph, and with it the last bit of its numbers, is the same whatever the others are.
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
        batch = composition.batch
        count = min(cores(), batch) if composition.uniform else batch
        ends = [batch * (index + 1) // count for index in range(count)]
        self._slices = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        self._climbers = [
            CompiledClimber(
                composition.part(part.start, part.stop),
                {name: array[part] for name, array in parameters.items()},
                optimizer,
                provider,
                cache,
                threads=1,
                # The last one has the most pictures.
                copies=0 if index else count,
            )
            for index, part in enumerate(reversed(self._slices))
        ][::-1]
        self._workers = ThreadPoolExecutor(min(cores(), count), "onnxscope")
        self.redirected = 0

    @property
    def moved(self) -> bool:
        """Whether any picture had a gradient in any step."""
        return any(climber.moved for climber in self._climbers)

    @property
    def provider(self) -> Provider:
        """Where the steps run."""
        return self._climbers[0].provider

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step (see `Climber`)."""
        before = [climber.redirected for climber in self._climbers]
        running = [
            self._workers.submit(
                climber.step, {name: array[part] for name, array in data.items()}, redirect=redirect
            )
            for climber, part in zip(self._climbers, self._slices, strict=True)
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
        after = [climber.redirected for climber in self._climbers]
        self.redirected += before != after
        return np.concatenate(values), all(map(_went_well, running))

    def _take_back(self, running: list[Future[tuple[np.ndarray, bool]]]) -> None:
        """Take back what went well, so that all pictures have made as many steps."""
        for climber, future in zip(self._climbers, running, strict=True):
            if _went_well(future):
                climber.take_back()

    def images(self) -> np.ndarray:
        """The pictures as they are now."""
        return np.concatenate([climber.images() for climber in self._climbers])

    def rescued(self) -> tuple[int, np.ndarray]:
        """The pictures after a failure (see `Climber`)."""
        rescued = [climber.rescued() for climber in self._climbers]
        return rescued[0][0], np.concatenate([images for _, images in rescued])


def _went_well(step: Future[tuple[np.ndarray, bool]]) -> bool:
    return step.exception() is None and step.result()[1]
