"""One step of an ascent, in two ways with the same result.

On the host: a gradient graph, and the optimizer in NumPy. Compiled: gradient and update are one
graph, whose state stays on the device; the host sends the random data and reads the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from .images import as_pictures
from .optimizers import GraphOptimizer, Optimizer
from .rules.redirected import redirected_relu
from .session import BoundSession, Provider, Session, open_for
from .step import Composition

Arrays = dict[str, np.ndarray]


class Climber(Protocol):
    """The state of an ascent.

    Attributes:
        redirected: In how many steps the gradient of some picture was redirected.
        moved: Whether any picture had a gradient in any step.
    """

    redirected: int
    moved: bool

    @property
    def provider(self) -> Provider:
        """Where it runs."""

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step.

        Args:
            data: The transforms' random data.
            redirect: Whether pictures without any gradient get the redirected one.

        Returns:
            The objective before the step (N,), and whether its gradient was finite.
        """

    def images(self) -> np.ndarray:
        """The pictures as they are now, (N, H, W, 3) float32 in [0, 1]."""


def make_climber(
    composition: Composition, parameters: Arrays, optimizer: Optimizer, provider: str
) -> Climber:
    """The compiled climber where the optimizer can be compiled, else the one on the host."""
    if isinstance(optimizer, GraphOptimizer):
        return CompiledClimber(composition, parameters, optimizer, provider)
    return HostClimber(composition, parameters, optimizer, provider)


class HostClimber:
    """The gradient from a graph, the update in NumPy."""

    def __init__(
        self, composition: Composition, parameters: Arrays, optimizer: Optimizer, provider: str
    ) -> None:
        self.redirected = 0
        self.moved = False
        self._composition = composition
        self._parameters = parameters
        self._optimizer = optimizer
        optimizer.reset()
        self._session = open_for(
            lambda name: composition.gradient_graph(composition.rules_for(name)), provider
        )
        self._redirecting: Session | None = None
        self._picture = _Picture(composition, self._session.provider)

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
        self.moved |= bool(largest.any())
        if redirect and not largest.all():
            gradient = _choose(largest == 0, self._redirected(feeds), gradient)
            self.redirected += 1
        self._optimizer.update(self._parameters, gradient)
        return outputs["value"], bool(np.isfinite(largest).all())

    def _redirected(self, feeds: Arrays) -> Arrays:
        if self._redirecting is None:
            self._redirecting = open_for(
                lambda name: self._composition.gradient_graph(
                    self._composition.rules_for(name) | redirected_relu()
                ),
                self.provider,
            )
        return _named("grad_", self._redirecting.run(feeds))

    def images(self) -> np.ndarray:
        """The pictures as they are now."""
        return self._picture.of(self._parameters)


class CompiledClimber:
    """Gradient and update in one graph; the state stays where the graph runs."""

    def __init__(
        self,
        composition: Composition,
        parameters: Arrays,
        optimizer: GraphOptimizer,
        provider: str,
    ) -> None:
        self.redirected = 0
        self.moved = False
        self._composition = composition
        self._optimizer = optimizer
        self._names = list(parameters)
        self._count = 0
        session = open_for(
            lambda name: composition.step_graph(composition.rules_for(name), optimizer), provider
        )
        state = dict(parameters)
        for slot in optimizer.slots:
            state |= {f"{slot}.{n}": np.zeros_like(a) for n, a in parameters.items()}
        self._bound = BoundSession(session, state, ("value", "largest"))
        self._redirecting: Session | None = None
        self._picture = _Picture(composition, session.provider)

    @property
    def provider(self) -> Provider:
        """Where the step runs."""
        return self._bound.provider

    def step(self, data: Mapping[str, np.ndarray], *, redirect: bool) -> tuple[np.ndarray, bool]:
        """Make one step (see `Climber`)."""
        self._count += 1
        schedule = self._optimizer.schedule(self._count)
        feeds = dict(data)
        for name, number in schedule.items():
            feeds[f"schedule.{name}"] = np.array(number, np.float32)
        outputs = self._bound.run(feeds)
        largest = outputs["largest"]
        self.moved |= bool(largest.any())
        if redirect and not largest.all():
            self._redirect(feeds, largest == 0)
        return outputs["value"], bool(np.isfinite(largest).all())

    def _redirect(self, feeds: Arrays, dead: np.ndarray) -> None:
        """Make the step again for the dead pictures, from the state before it."""
        if self._redirecting is None:
            self._redirecting = open_for(
                lambda name: self._composition.step_graph(
                    self._composition.rules_for(name) | redirected_relu(), self._optimizer
                ),
                self.provider,
            )
        outputs = self._redirecting.run({**self._bound.previous_state(), **feeds})
        self._bound.set_state(_choose(dead, _named("next.", outputs), self._bound.state()))
        self.redirected += 1

    def images(self) -> np.ndarray:
        """The pictures as they are now."""
        state = self._bound.state()
        return self._picture.of({name: state[name] for name in self._names})


class _Picture:
    """From parameters to pictures; the session opens when a picture is asked for."""

    def __init__(self, composition: Composition, provider: Provider) -> None:
        self._composition = composition
        self._provider = provider
        self._session: Session | None = None

    def of(self, parameters: Arrays) -> np.ndarray:
        if self._session is None:
            self._session = open_for(lambda _: self._composition.image_graph(), self._provider)
        return as_pictures(self._session.run(parameters)["image"])


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
