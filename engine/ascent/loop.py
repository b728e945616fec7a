"""Gradient ascent: a seeded NumPy loop around one graph that ONNX Runtime runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..cache import GraphCache
from ..errors import InputError, ModelError, OnnxscopeError, StepError
from ..network.finite import why_not_finite
from ..runtime.session import Provider
from .climbers import Climber, make_climber
from .interrupts import DeferredInterrupt
from .optimizers import Optimizer
from .streams import Streams

if TYPE_CHECKING:
    from ..network.model import Model
    from .composition import Composition

_RISE = 0.01
"""The part of its value by which a picture has to rise, that it is said to rise."""

_ADVICE = "fewer steps or a smaller learning rate may keep it finite"


@dataclass(frozen=True)
class Progress:
    """What a callback gets after every step.

    Attributes:
        step: How many steps are done, from 1.
        steps: How many are planned.
        value: The objective: a number, or (N,) for several pictures. It belongs to the picture
            before the step, as transformed in it.
        run: Where the pictures are made in several runs, one behind the other: which one this is,
            from 1. Steps are counted in each anew.
        runs: How many runs there are.
        done: How many steps are done in all runs, those of first stretches included.
        total: How many of them are planned.
    """

    step: int
    steps: int
    value: float | np.ndarray
    _image: Callable[[], np.ndarray] = field(repr=False)
    run: int = 1
    runs: int = 1
    done: int = 0
    total: int = 0

    def image(self) -> np.ndarray:
        """Compute the pictures as they are now: (N, H, W, 3) float32 in [0, 1]."""
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
        redirected: In how many steps each picture's gradient was redirected, (N,) int64.
        moved: Whether each picture had a gradient of the objective's own in any step, (N,) bool.
        importance: How large the gradients of each pixel were, the sum of their magnitudes over
            colours and steps, (N, H, W) float32.
        stopped: Whether the callback ended it early.
        failure: What ended it early, where it failed after some good steps.
    """

    images: np.ndarray
    values: np.ndarray
    snapshots: dict[int, np.ndarray]
    provider: Provider
    interrupted: bool
    redirected: np.ndarray
    moved: np.ndarray
    importance: np.ndarray
    stopped: bool = False
    failure: OnnxscopeError | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing ended it early."""
        return not (self.interrupted or self.stopped or self.failure)

    def part(self, start: int, stop: int) -> Ascent:
        """Return what it gave for some of the pictures: those from `start` to before `stop`."""
        some = slice(start, stop)
        return replace(
            self,
            images=self.images[some],
            values=self.values[:, some],
            snapshots={step: images[some] for step, images in self.snapshots.items()},
            redirected=self.redirected[some],
            moved=self.moved[some],
            importance=self.importance[some],
        )


def ascend(
    composition: Composition,
    *,
    steps: int,
    seed: int,
    optimizer: Optimizer,
    provider: str | Provider,
    redirect_steps: int,
    snapshots: Collection[int] = (),
    callback: Callback | None = None,
    cache: GraphCache | None = None,
    numbers: Sequence[int] | None = None,
    run: tuple[int, int] = (1, 1),
    before: int = 0,
    total: int | None = None,
    patience: int | None = None,
) -> Ascent:
    """Climb from a random start.

    Everything random of a picture comes from one generator: first the start, then each step's
    transforms.

    Args:
        composition: What to climb.
        steps: How many steps.
        seed: Of the generators.
        optimizer: The update rule; its state is forgotten first.
        provider: See `onnxscope.render`.
        redirect_steps: In this many first steps, a picture without any gradient gets the redirected
            one.
        snapshots: Steps after which the pictures are kept.
        callback: Called after each step; returning `False` ends the ascent.
        cache: Where finished graphs are kept.
        numbers: Which of the seed's pictures each one is; by default the first ones, in order.
        run: Which of how many runs this is, for the callback.
        before: How many steps were made in runs before, for the callback.
        total: How many steps all runs make, for the callback; by default those of this one.
        patience: How many steps without progress end the ascent (see `stalled`); `None` for never.

    Returns:
        The pictures reached, also where Ctrl-C, the callback or a failure ended it early; Ctrl-C
        does so at the end of a step.

    Raises:
        OnnxscopeError: it failed before the first step was made: the graph or its run, or the
            objective or its gradient is not finite.
    """
    streams = Streams(composition, seed, numbers)
    model = composition.model
    climber = make_climber(composition, streams.parameters(), optimizer, provider, cache)
    values: list[np.ndarray] = []
    kept: dict[int, np.ndarray] = {}
    interrupted = stopped = False
    failure: OnnxscopeError | None = None
    try:
        with DeferredInterrupt() as interrupt:
            for step in range(1, steps + 1):
                try:
                    values.append(
                        _step(climber, streams, step, model, redirect=step <= redirect_steps)
                    )
                except OnnxscopeError as error:
                    failure = error
                    break
                if step in snapshots:
                    kept[step] = climber.images()
                if callback is not None:
                    value = values[-1]
                    shown = float(value[0]) if value.size == 1 else value
                    counts = *run, before + step, before + steps if total is None else total
                    if callback(Progress(step, steps, shown, climber.images, *counts)) is False:
                        stopped = True
                        break
                if patience is not None and stalled(values, patience):
                    break
                if interrupt.requested and step < steps:
                    interrupted = True
                    break
    except KeyboardInterrupt:
        interrupted = True
    if failure is None:
        images, importance = climber.images(), climber.importance()
    elif not values:
        raise failure
    else:
        count, images, importance = _rescued(climber, failure)
        del values[count:]
    return Ascent(
        images,
        np.array(values, np.float32).reshape(len(values), composition.batch),
        {step: images for step, images in kept.items() if step <= len(values)},
        climber.provider,
        interrupted,
        climber.redirected,
        climber.moved,
        importance,
        stopped,
        failure,
    )


def stalled(values: Sequence[np.ndarray], patience: int) -> bool:
    """Return whether no picture rises any more.

    A picture rises where its mean value in the last `patience` steps is more than a hundredth above
    that in as many steps before them: transforms are random, so that single values say little.

    Args:
        values: The objective before each step, (N,) each.
        patience: How many steps a mean is taken over.
    """
    if len(values) < 2 * patience:
        return False
    earlier = np.mean(values[-2 * patience : -patience], axis=0)
    later = np.mean(values[-patience:], axis=0)
    return bool((later - earlier <= _RISE * np.abs(earlier)).all())


def _step(
    climber: Climber, streams: Streams, step: int, model: Model, *, redirect: bool
) -> np.ndarray:
    """Make one step and give the objective before it, (N,).

    Raises:
        OnnxscopeError: the step failed; the pictures are as they were.
    """
    try:
        data = streams.data()
    except OnnxscopeError as error:
        raise InputError(f"step {step} failed: {error}") from error
    try:
        value, finite = climber.step(data, redirect=redirect)
    except OnnxscopeError as error:
        if blamed := streams.blame(data):
            raise InputError(f"step {step} failed: {blamed}") from error
        # On the CPU a picture that is not a number makes some operators stop.
        not_a_number = isinstance(error, ModelError) and climber.provider.name == "cpu"
        advice = f"; {_ADVICE}" if not_a_number else ""
        kind = StepError if isinstance(error, ModelError) else InputError
        raise kind(f"step {step} failed: {error}{advice}") from error
    # Adding zero turns the −0 of a negated unit that is off into 0.
    value = value + 0.0
    if not finite and (blamed := streams.blame(data)):
        raise InputError(f"step {step} failed: {blamed}")
    if not finite:
        # What is wrong from the start, no smaller step mends.
        advice = why_not_finite(model) if step == 1 else _ADVICE
        raise StepError(
            f"the objective or its gradient is not finite at step {step} (value "
            f"{np.array2string(value, precision=4)}); {advice}"
        )
    return value


def _rescued(climber: Climber, failure: OnnxscopeError) -> tuple[int, np.ndarray, np.ndarray]:
    """How many steps there are of the last good pictures, these, and their importance.

    Raises:
        OnnxscopeError: `failure`, where it left nothing to be had.
    """
    try:
        count, images, importance = climber.rescued()
    except OnnxscopeError:
        raise failure from None
    if not count:
        raise failure
    return count, images, importance
