"""Gradient ascent: a seeded NumPy loop around one graph that ONNX Runtime runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from .errors import ModelError
from .images import as_pictures
from .interrupts import DeferredInterrupt
from .optimizers import Optimizer
from .rules import rules_for
from .rules.redirected import redirected_relu
from .session import Provider, Session, open_for, open_session
from .step import Composition

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Progress:
    """What a callback gets after every step.

    Attributes:
        step: How many steps are done, from 1.
        steps: How many are planned.
        value: The objective: a number, or (N,) for several pictures. It belongs to the picture
            before the step, as transformed in it.
    """

    step: int
    steps: int
    value: float | np.ndarray
    _image: Callable[[], np.ndarray] = field(repr=False)

    def image(self) -> np.ndarray:
        """The pictures as they are now: (N, H, W, 3) float32 in [0, 1]; computed when called."""
        return self._image()


Callback = Callable[[Progress], object]


@dataclass(frozen=True)
class Ascent:
    """What an ascent gives.

    Attributes:
        images: (N, H, W, 3) float32 in [0, 1].
        values: (steps, N) float32, the objective before each step.
        snapshots: Pictures after certain steps, likewise (N, H, W, 3), by step.
        provider: Where it ran.
        interrupted: Whether Ctrl-C ended it early.
        redirected: In how many steps the gradient was redirected for some picture.
    """

    images: np.ndarray
    values: np.ndarray
    snapshots: dict[int, np.ndarray]
    provider: Provider
    interrupted: bool
    redirected: int


def ascend(
    composition: Composition,
    *,
    steps: int,
    seed: int,
    optimizer: Optimizer,
    provider: str,
    redirect_steps: int,
    snapshots: Collection[int] = (),
    callback: Callback | None = None,
) -> Ascent:
    """Climb from a random start.

    Everything random comes from one generator: first the start, then each step's transforms.

    Args:
        composition: What to climb.
        steps: How many steps.
        seed: Of the generator.
        optimizer: The update rule; its state is forgotten first.
        provider: See `onnxscope.render`.
        redirect_steps: In this many first steps, a picture without any gradient gets the redirected
            one.
        snapshots: Steps after which the pictures are kept.
        callback: Called after each step; returning `False` ends the ascent.

    Returns:
        The pictures reached, also where Ctrl-C or the callback ended it early; Ctrl-C does so at
        the end of a step.

    Raises:
        ModelError: the objective or its gradient is no longer finite.
    """
    gradients = _Gradients(composition, provider)
    rng = np.random.default_rng(seed)
    parameters = composition.parameters(rng)
    optimizer.reset()
    values: list[np.ndarray] = []
    kept: dict[int, np.ndarray] = {}
    interrupted = False
    redirected = 0
    try:
        with DeferredInterrupt() as interrupt:
            for step in range(1, steps + 1):
                feeds = parameters | composition.random_data(rng)
                value, gradient = gradients(feeds)
                dead = _without_gradient(gradient) if step <= redirect_steps else None
                if dead is not None and dead.any():
                    gradient = gradients.redirected(feeds, gradient, dead)
                    redirected += 1
                if not np.isfinite(value).all() or not _finite(gradient):
                    raise ModelError(
                        f"the objective or its gradient is not finite at step {step}: "
                        f"value {np.array2string(value, precision=4)}"
                    )
                optimizer.update(parameters, gradient)
                values.append(value)
                if step in snapshots:
                    kept[step] = gradients.images(parameters)
                if callback is not None:
                    shown = float(value[0]) if value.size == 1 else value
                    progress = Progress(step, steps, shown, lambda: gradients.images(parameters))
                    if callback(progress) is False:
                        break
                if interrupt.requested and step < steps:
                    interrupted = True
                    break
    except KeyboardInterrupt:
        interrupted = True
    return Ascent(
        gradients.images(parameters),
        np.array(values, np.float32).reshape(len(values), composition.batch),
        kept,
        gradients.provider,
        interrupted,
        redirected,
    )


class _Gradients:
    """The sessions of one ascent; those that most ascents do not need open when asked for."""

    def __init__(self, composition: Composition, provider: str) -> None:
        self._composition = composition
        self._step = open_for(
            lambda chosen: composition.gradient_graph(rules_for(chosen)), provider
        )
        self._redirected: Session | None = None
        self._image: Session | None = None

    @property
    def provider(self) -> Provider:
        return self._step.provider

    def __call__(self, feeds: Arrays) -> tuple[np.ndarray, Arrays]:
        outputs = self._step.run(feeds)
        return outputs["value"], _by_parameter(outputs)

    def redirected(self, feeds: Arrays, gradient: Arrays, dead: np.ndarray) -> Arrays:
        """The gradient, where `dead` (N,) replaced by the redirected one."""
        if self._redirected is None:
            rules = rules_for(self.provider.name) | redirected_relu()
            graph = self._composition.gradient_graph(rules)
            self._redirected = open_session(graph, self.provider)
        other = _by_parameter(self._redirected.run(feeds))
        return {
            name: np.where(dead.reshape(-1, *([1] * (array.ndim - 1))), other[name], array)
            for name, array in gradient.items()
        }

    def images(self, parameters: Arrays) -> np.ndarray:
        if self._image is None:
            self._image = open_session(self._composition.image_graph(), self.provider)
        return as_pictures(self._image.run(parameters)["image"])


def _by_parameter(outputs: Arrays) -> Arrays:
    return {n.removeprefix("grad_"): a for n, a in outputs.items() if n.startswith("grad_")}


def _without_gradient(gradient: Arrays) -> np.ndarray:
    """Which pictures have no gradient at all: (N,) truth values."""
    alive = [array.reshape(len(array), -1).any(axis=1) for array in gradient.values()]
    dead: np.ndarray = ~np.logical_or.reduce(alive)
    return dead


def _finite(gradient: Arrays) -> bool:
    # The sum of finite numbers of this size is finite, and one pass is cheaper than a mask.
    return all(np.isfinite(array.sum(dtype=np.float64)) for array in gradient.values())
