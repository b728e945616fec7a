"""What says how pictures are climbed, checked before any work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..ascent.loop import Callback
from ..ascent.optimizers import Adam, Optimizer, planned
from ..plain import a_function, flag, listed, of_kind, whole
from ..runtime.session import check_provider


@dataclass(frozen=True)
class Climbing:
    """How pictures are climbed, whatever they are of.

    Attributes:
        steps: How many steps to climb.
        seed: Of everything random.
        batch: How many pictures to make.
        provider: The name of one, or `auto`.
        optimizer: The update rule, which knows how many steps were planned.
        snapshots: Steps after which pictures are kept.
        callback: Called after each step.
        cache: Whether finished graphs are kept on disk.
    """

    steps: int
    seed: int
    batch: int
    provider: str
    optimizer: Optimizer
    snapshots: frozenset[int]
    callback: Callback | None
    cache: bool


def check_climbing(
    *,
    steps: int,
    seed: int,
    provider: str,
    callback: Callback | None,
    cache: bool,
    batch: int = 1,
    optimizer: Optimizer | None = None,
    snapshots: Collection[int] = (),
) -> Climbing:
    """Check what `render` and its like are given of an ascent.

    Raises:
        InputError: an argument is of another kind, or out of its range.
        ProviderError: this build of ONNX Runtime has no provider of that name.
    """
    if optimizer is None:
        optimizer = Adam()
    of_kind("optimizer", optimizer, Optimizer, "Adam(0.05)")
    if callback is not None:
        a_function("callback", callback, "one argument, a Progress", takes=1)
    provider = check_provider(provider)
    cache = flag("cache", cache)
    steps, seed = whole("steps", steps, 1), whole("seed", seed, 0, None)
    kept = listed("snapshots", snapshots, "steps, such as (1, 32, 128)")
    return Climbing(
        steps,
        seed,
        whole("batch", batch, 1),
        provider,
        # What an ascent that is ended early was planned for is part of its recipe.
        planned(optimizer, steps),
        frozenset(whole("each step of snapshots", step, 1) for step in kept),
        callback,
        cache,
    )
