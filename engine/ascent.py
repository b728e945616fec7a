"""Gradient ascent: a seeded NumPy loop around one graph that ONNX Runtime runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from .climbers import make_climber
from .errors import ModelError
from .interrupts import DeferredInterrupt
from .optimizers import Optimizer
from .session import Provider
from .step import Composition

_ADVICE = "fewer steps or a smaller learning rate may keep it finite"


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
        moved: Whether any picture had a gradient in any step.
    """

    images: np.ndarray
    values: np.ndarray
    snapshots: dict[int, np.ndarray]
    provider: Provider
    interrupted: bool
    redirected: int
    moved: bool


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
    rng = np.random.default_rng(seed)
    climber = make_climber(composition, composition.parameters(rng), optimizer, provider)
    values: list[np.ndarray] = []
    kept: dict[int, np.ndarray] = {}
    interrupted = False
    try:
        with DeferredInterrupt() as interrupt:
            for step in range(1, steps + 1):
                data = composition.random_data(rng)
                try:
                    value, finite = climber.step(data, redirect=step <= redirect_steps)
                except ModelError as error:
                    # A picture that is not a number makes some operators stop.
                    raise ModelError(f"step {step} failed: {error}; {_ADVICE}") from error
                # Adding zero turns the −0 of a negated unit that is off into 0.
                value = value + 0.0
                if not (finite and np.isfinite(value).all()):
                    raise ModelError(
                        f"the objective or its gradient is not finite at step {step} (value "
                        f"{np.array2string(value, precision=4)}); {_ADVICE}"
                    )
                values.append(value)
                if step in snapshots:
                    kept[step] = climber.images()
                if callback is not None:
                    shown = float(value[0]) if value.size == 1 else value
                    if callback(Progress(step, steps, shown, climber.images)) is False:
                        break
                if interrupt.requested and step < steps:
                    interrupted = True
                    break
    except KeyboardInterrupt:
        interrupted = True
    return Ascent(
        climber.images(),
        np.array(values, np.float32).reshape(len(values), composition.batch),
        kept,
        climber.provider,
        interrupted,
        climber.redirected,
        climber.moved,
    )
