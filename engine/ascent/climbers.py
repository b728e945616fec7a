"""One step of an ascent, in several ways with the same result.

On the host: a gradient graph, and the optimizer in NumPy. Compiled: gradient and update are one
graph, whose state stays on the device. Side by side: several compiled ones, a core of the CPU for
each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..cache import GraphCache
from ..runtime.memory import Use
from ..runtime.session import Provider, choose_provider
from .climbing import Arrays
from .compiled_climber import CompiledClimber, CompiledSessions
from .host_climber import HostClimber
from .optimizers import GraphOptimizer, Optimizer

if TYPE_CHECKING:
    from .composition import Composition


class Climber(Protocol):
    """The state of an ascent."""

    @property
    def redirected(self) -> np.ndarray:
        """The number of steps in which each picture's gradient was redirected, (N,) int64."""

    @property
    def moved(self) -> np.ndarray:
        """Whether each picture had a gradient of the objective's own in any step, (N,) bool."""

    @property
    def provider(self) -> Provider:
        """Where it runs."""

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step; one that fails, or is not finite, leaves the state as it was.

        Args:
            data: The transforms' random data.
            redirect: Whether pictures without any gradient get the redirected one.

        Returns:
            The objective before the step (N,), and whether it and its gradient were finite.
        """

    def images(self) -> np.ndarray:
        """Return the pictures as they are now, (N, H, W, 3) float32 in [0, 1]."""

    def importance(self) -> np.ndarray:
        """Return how large each pixel's gradients were, in all colours and steps, (N, H, W)."""

    def rescued(self) -> tuple[int, np.ndarray, np.ndarray]:
        """Return what there is after a step that failed, if need be without the device.

        Returns:
            How many steps it has behind it, perhaps fewer than were made, pictures and importance.
        """


def make_climber(
    composition: Composition,
    parameters: Arrays,
    optimizer: Optimizer,
    provider: str | Provider,
    cache: GraphCache | None = None,
) -> Climber:
    """Return the fastest climber that can be had.

    Where the optimizer can be compiled, that is the compiled one, on the CPU one for each core as
    long as there are pictures for it: cores that wait for each other at every node do less.

    Args:
        composition: What to climb.
        parameters: Where to start.
        optimizer: The update rule.
        provider: See `onnxscope.render`.
        cache: Where finished graphs are kept.

    Raises:
        MemoryShortageError: there is not enough memory for so many pictures.
    """
    if not isinstance(optimizer, GraphOptimizer):
        return HostClimber(composition, parameters, optimizer, provider, cache)
    chosen = choose_provider(provider) if isinstance(provider, str) else provider
    if chosen.name == "cpu" and composition.batch > 1:
        # Imported here: one picture alone does without Python's threads.
        from .side_by_side import SideBySide, can_divide

        if can_divide(composition, optimizer):
            return SideBySide(composition, parameters, optimizer, chosen, cache)
    sessions = CompiledSessions(
        composition, optimizer, provider, cache, use=Use.whole(composition.batch)
    )
    return CompiledClimber(sessions, parameters)
