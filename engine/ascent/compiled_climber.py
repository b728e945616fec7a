"""An ascent whose gradient and update are one graph, with its state where the graph runs.

The host sends the random data and reads the value.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ..cache import GraphCache
from ..errors import OnnxscopeError
from ..runtime.bound_session import BoundSession
from ..runtime.creation import Cuda
from ..runtime.memory import Use
from ..runtime.session import Provider, Session
from .climbing import Arrays, Viewer, choose, has_moved, is_finite, open_checked, with_prefix
from .graphs import Graphs
from .optimizers import GraphOptimizer

if TYPE_CHECKING:
    from .composition import Composition

_SECONDS_BETWEEN_COPIES = 1.0


class CompiledSessions:
    """The sessions of a compiled ascent, which climbers of equal graphs share.

    Attributes:
        step: Of the step.
        viewer: From parameters to pictures.
        optimizer: The update rule.
        pixels: How many there are: pictures, rows and columns.
    """

    def __init__(
        self,
        composition: Composition,
        optimizer: GraphOptimizer,
        provider: str | Provider,
        cache: GraphCache | None = None,
        threads: int | None = None,
        use: Use | None = None,
        *,
        capture: bool = True,
    ) -> None:
        """Open that of the step; the others are opened when they are needed.

        Args:
            composition: What to climb.
            optimizer: The update rule.
            provider: See `onnxscope.render`.
            cache: Where finished graphs are kept.
            threads: How many threads of the CPU to take; by default all.
            use: How they will be run; `None` where the memory is known to suffice.
            capture: Whether CUDA may replay whole steps (see `Cuda`).

        Raises:
            MemoryShortageError: the memory does not suffice.
        """
        self.optimizer = optimizer
        self.pixels = composition.batch, composition.height, composition.width
        self.results = ("value", "largest", *(("reached",) if composition.sees_both else ()))
        self._graphs = Graphs(composition, cache)
        self._threads = threads
        self._batch = composition.batch
        self._tf32 = composition.precision != "float32"
        cuda = Cuda(tf32=self._tf32, graphs=capture)
        self.step = open_checked(
            lambda name: self._graphs.step(name, optimizer), use, provider, cuda, threads
        )
        self.viewer = Viewer(self._graphs, self.step.provider)
        self._redirecting: Session | None = None
        self._opening = Lock()

    @property
    def redirecting(self) -> Session:
        """The session of the step with redirected ReLUs.

        Raises:
            MemoryShortageError: the memory does not suffice.
        """
        with self._opening:
            if self._redirecting is None:
                self._redirecting = open_checked(
                    lambda name: self._graphs.step(name, self.optimizer, redirected=True),
                    Use.whole(self._batch),
                    self.step.provider,
                    Cuda(tf32=self._tf32),
                    self._threads,
                )
            return self._redirecting

    def viewer_on_host(self) -> Viewer:
        """Return what makes pictures of parameters, without the device."""
        return Viewer(self._graphs, Provider("cpu"))


class CompiledClimber:
    """Gradient and update in one graph; the state stays where the graph runs."""

    def __init__(self, sessions: CompiledSessions, parameters: Arrays) -> None:
        """Bind the state.

        Args:
            sessions: Of graphs for as many pictures.
            parameters: Where to start.
        """
        self.redirected = np.zeros(sessions.pixels[0], np.int64)
        self.moved = np.zeros(sessions.pixels[0], bool)
        self._sessions = sessions
        self._names = list(parameters)
        self._count = 0
        state = dict(parameters)
        for slot in sessions.optimizer.slots:
            state |= {f"{slot}.{n}": np.zeros_like(a) for n, a in parameters.items()}
        state["importance"] = np.zeros(sessions.pixels, np.float32)
        self._bound = BoundSession(sessions.step, state, sessions.results)
        self._copied = 0, dict(parameters), state["importance"]
        self._copied_at = time.monotonic()

    @property
    def provider(self) -> Provider:
        """Where the step runs."""
        return self._bound.provider

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step (see `Climber`)."""
        numbers = self._sessions.optimizer.numbers(self._count + 1)
        feeds = dict(data)
        for name, number in numbers.items():
            feeds[f"schedule.{name}"] = np.array(number, np.float32)
        outputs = self._bound.run(feeds)
        self._count += 1
        value, largest = outputs["value"], outputs["largest"]
        if not is_finite(value, largest):
            self.take_back()
            return value, False
        self.moved |= has_moved(largest, data)
        # A penalty on the picture has a gradient where the network has none.
        reached = outputs.get("reached", largest)
        if redirect and not reached.all():
            try:
                self._redirect(feeds, reached == 0)
            except OnnxscopeError:
                self.take_back()
                raise
        if self.provider.name != "cpu":
            self._copy_at_times()
        return value, True

    def take_back(self) -> None:
        """Return to the state before the last step, once."""
        self._bound.take_back()
        self._count -= 1

    def _copy_at_times(self) -> None:
        """Keep the pictures on the host, now and then: a device that fails may take them along."""
        if time.monotonic() - self._copied_at >= _SECONDS_BETWEEN_COPIES:
            self._copied = self._count, self._parameters(), self.importance()
            self._copied_at = time.monotonic()

    def _parameters(self) -> Arrays:
        state = self._bound.state()
        return {name: state[name] for name in self._names}

    def _redirect(self, feeds: Arrays, dead: np.ndarray) -> None:
        """Make the step again for the dead pictures, from the state before it."""
        outputs = self._sessions.redirecting.run({**self._bound.previous_state(), **feeds})
        self._bound.set_state(choose(dead, with_prefix("next.", outputs), self._bound.state()))
        self.redirected += dead

    def images(self) -> np.ndarray:
        """Return the pictures as they are now."""
        return self._sessions.viewer.of(self._parameters())

    def importance(self) -> np.ndarray:
        """Return how large the gradients of all steps were (see `Climber`)."""
        return self._bound.state()["importance"]

    def rescued(self) -> tuple[int, np.ndarray, np.ndarray]:
        """Return what there is after a failure (see `Climber`)."""
        try:
            count, parameters, importance = self._count, self._parameters(), self.importance()
        except OnnxscopeError:
            count, parameters, importance = self._copied
        return count, self._sessions.viewer_on_host().of(parameters), importance
