"""One step of an ascent, in several ways with the same result.

On the host: a gradient graph, and the optimizer in NumPy. Compiled: gradient and update are one
graph, whose state stays on the device; the host sends the random data and reads the value. Side by
side: several compiled ones, a core of the CPU for each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .cache import GraphCache
from .errors import OnnxscopeError
from .identity import has_identity
from .images import as_pictures
from .memory import check_memory
from .optimizers import GraphOptimizer, Optimizer
from .session import BoundSession, Cuda, Provider, Session, choose_provider, open_for
from .stored import Graph, Graphs

if TYPE_CHECKING:
    from .composition import Composition

Arrays = dict[str, np.ndarray]

_SECONDS_BETWEEN_COPIES = 1.0


class Climber(Protocol):
    """The state of an ascent."""

    @property
    def redirected(self) -> int:
        """In how many steps the gradient of some picture was redirected."""

    @property
    def moved(self) -> bool:
        """Whether any picture had a gradient in any step."""

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
        """The pictures as they are now, (N, H, W, 3) float32 in [0, 1]."""

    def rescued(self) -> tuple[int, np.ndarray]:
        """The pictures after a step that failed, from a device that may have failed with it.

        Returns:
            How many steps they have behind them, perhaps fewer than were made, and the pictures.
        """


def make_climber(
    composition: Composition,
    parameters: Arrays,
    optimizer: Optimizer,
    provider: str | Provider,
    cache: GraphCache | None = None,
) -> Climber:
    """The fastest climber that can be had.

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
    divisible = composition.batch > 1 and composition.separable and has_identity(optimizer)
    if chosen.name == "cpu" and divisible and not (composition.uniform and cores() == 1):
        return SideBySide(composition, parameters, optimizer, chosen, cache)
    return CompiledClimber(composition, parameters, optimizer, provider, cache)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class HostClimber:
    """The gradient from a graph, the update in NumPy."""

    def __init__(
        self,
        composition: Composition,
        parameters: Arrays,
        optimizer: Optimizer,
        provider: str | Provider,
        cache: GraphCache | None = None,
    ) -> None:
        self.redirected = 0
        self.moved = False
        self._batch = composition.batch
        self._graphs = Graphs(composition, cache)
        self._parameters = parameters
        self._optimizer = optimizer
        optimizer.reset()
        self._cuda = Cuda(tf32=composition.precision != "float32")
        self._session = _open(self._graphs.gradient, self._batch, provider, self._cuda)
        self._redirecting: Session | None = None
        self._count = 0
        self._picture = _Picture(self._graphs, self._session.provider)

    @property
    def provider(self) -> Provider:
        """Where the gradient is computed."""
        return self._session.provider

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step (see `Climber`)."""
        feeds = {**self._parameters, **data}
        outputs = self._session.run(feeds)
        gradient = _named("grad_", outputs)
        largest = np.max([_largest(array) for array in gradient.values()], axis=0)
        if not _finite(outputs["value"], largest):
            return outputs["value"], False
        self.moved |= bool(largest.any())
        if redirect and not largest.all():
            gradient = _choose(largest == 0, self._redirected(feeds), gradient)
            self.redirected += 1
        self._optimizer.update(self._parameters, gradient)
        self._count += 1
        return outputs["value"], True

    def _redirected(self, feeds: Arrays) -> Arrays:
        if self._redirecting is None:
            self._redirecting = _open(
                lambda name: self._graphs.gradient(name, redirected=True),
                self._batch,
                self.provider,
                self._cuda,
            )
        return _named("grad_", self._redirecting.run(feeds))

    def images(self) -> np.ndarray:
        """The pictures as they are now."""
        return self._picture.of(self._parameters)

    def rescued(self) -> tuple[int, np.ndarray]:
        """The pictures after a failure (see `Climber`)."""
        return self._count, _Picture(self._graphs, Provider("cpu")).of(self._parameters)


class CompiledClimber:
    """Gradient and update in one graph; the state stays where the graph runs."""

    def __init__(
        self,
        composition: Composition,
        parameters: Arrays,
        optimizer: GraphOptimizer,
        provider: str | Provider,
        cache: GraphCache | None = None,
        threads: int | None = None,
        copies: int = 1,
        *,
        capture: bool = True,
    ) -> None:
        """Open the session.

        Args:
            composition: What to climb.
            parameters: Where to start.
            optimizer: The update rule.
            provider: See `onnxscope.render`.
            cache: Where finished graphs are kept.
            threads: How many threads of the CPU to take; by default all.
            copies: For how many climbers like this the memory has to suffice; 0 where that is
                known.
            capture: Whether CUDA may replay whole steps (see `Cuda`).

        Raises:
            MemoryShortageError: it does not.
        """
        self.redirected = 0
        self.moved = False
        self._batch = composition.batch
        self._graphs = Graphs(composition, cache)
        self._threads = threads
        self._tf32 = composition.precision != "float32"
        self._optimizer = optimizer
        self._names = list(parameters)
        self._count = 0
        session = _open(
            lambda name: self._graphs.step(name, optimizer),
            self._batch,
            provider,
            Cuda(tf32=self._tf32, graphs=capture),
            threads,
            copies,
        )
        state = dict(parameters)
        for slot in optimizer.slots:
            state |= {f"{slot}.{n}": np.zeros_like(a) for n, a in parameters.items()}
        self._bound = BoundSession(session, state, ("value", "largest"))
        self._redirecting: Session | None = None
        self._picture = _Picture(self._graphs, session.provider)
        self._copied = 0, dict(parameters)
        self._copied_at = time.monotonic()

    @property
    def provider(self) -> Provider:
        """Where the step runs."""
        return self._bound.provider

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step (see `Climber`)."""
        schedule = self._optimizer.schedule(self._count + 1)
        feeds = dict(data)
        for name, number in schedule.items():
            feeds[f"schedule.{name}"] = np.array(number, np.float32)
        outputs = self._bound.run(feeds)
        self._count += 1
        value, largest = outputs["value"], outputs["largest"]
        if not _finite(value, largest):
            self.take_back()
            return value, False
        self.moved |= bool(largest.any())
        if redirect and not largest.all():
            try:
                self._redirect(feeds, largest == 0)
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
            self._copied = self._count, self._parameters()
            self._copied_at = time.monotonic()

    def _parameters(self) -> Arrays:
        state = self._bound.state()
        return {name: state[name] for name in self._names}

    def _redirect(self, feeds: Arrays, dead: np.ndarray) -> None:
        """Make the step again for the dead pictures, from the state before it."""
        if self._redirecting is None:
            self._redirecting = _open(
                lambda name: self._graphs.step(name, self._optimizer, redirected=True),
                self._batch,
                self.provider,
                Cuda(tf32=self._tf32),
                self._threads,
            )
        outputs = self._redirecting.run({**self._bound.previous_state(), **feeds})
        self._bound.set_state(_choose(dead, _named("next.", outputs), self._bound.state()))
        self.redirected += 1

    def images(self) -> np.ndarray:
        """The pictures as they are now."""
        return self._picture.of(self._parameters())

    def rescued(self) -> tuple[int, np.ndarray]:
        """The pictures after a failure (see `Climber`)."""
        try:
            count, parameters = self._count, self._parameters()
        except OnnxscopeError:
            count, parameters = self._copied
        return count, _Picture(self._graphs, Provider("cpu")).of(parameters)


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


class _Picture:
    """From parameters to pictures; the session opens when a picture is asked for."""

    def __init__(self, graphs: Graphs, provider: Provider) -> None:
        self._graphs = graphs
        self._provider = provider
        self._session: Session | None = None

    def of(self, parameters: Arrays) -> np.ndarray:
        if self._session is None:
            # Made once, so that exactness costs nothing.
            exact = Cuda(tf32=False)
            graph = self._graphs.image()
            self._session = open_for(lambda _: graph.model, self._provider, cuda=exact)
        return as_pictures(self._session.run(parameters)["image"])


def _open(
    build: Callable[[str], Graph],
    batch: int,
    provider: str | Provider,
    cuda: Cuda,
    threads: int | None = None,
    copies: int = 1,
) -> Session:
    """A session of a graph, unless the memory that there is cannot hold it.

    Raises:
        MemoryShortageError: it cannot.
    """

    def checked(name: str) -> bytes:
        graph = build(name)
        check_memory(graph.footprint, batch, name, copies)
        return graph.model

    return open_for(checked, provider, threads, cuda)


def _went_well(step: Future[tuple[np.ndarray, bool]]) -> bool:
    return step.exception() is None and step.result()[1]


def _finite(value: np.ndarray, largest: np.ndarray) -> bool:
    return bool(np.isfinite(value).all() and np.isfinite(largest).all())


def _named(prefix: str, outputs: Mapping[str, np.ndarray]) -> Arrays:
    """The outputs with this prefix, without it."""
    return {n.removeprefix(prefix): a for n, a in outputs.items() if n.startswith(prefix)}


def _largest(array: np.ndarray) -> np.ndarray:
    """For each picture the largest magnitude: (N,); not a number where there is one."""
    result: np.ndarray = np.abs(array.reshape(len(array), -1)).max(axis=1)
    return result


def _choose(
    where: np.ndarray, yes: Mapping[str, np.ndarray], no: Mapping[str, np.ndarray]
) -> Arrays:
    """For each picture one of two arrays."""
    return {
        name: np.where(where.reshape(-1, *([1] * (array.ndim - 1))), yes[name], array)
        for name, array in no.items()
    }
