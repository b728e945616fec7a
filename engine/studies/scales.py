"""What an objective reaches by itself: the scale by which terms of different units are weighed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ascent.loop import Callback
from ..errors import TargetError
from ..network.loading import load
from ..network.model import Model
from ..objectives.algebra import Objective, check_objective
from ..objectives.targets import resolve
from ..pictures.arguments import check_climbing
from ..pictures.picture import Picture
from ..pictures.rendering import render

STEPS = 32
"""How far the ascents go that find a scale: there values are some half of what they come to."""

_LAST = 8
"""Of so many last steps the largest value counts, since each sees another random transform."""


def opened(
    model: Model | str,
    callback: Callback | None,
    *,
    steps: int,
    seed: int,
    provider: str,
    cache: bool,
) -> Model:
    """Return a model as it is, or load it; and check how it is climbed, before any work.

    Raises:
        OnnxscopeError: it cannot be loaded, or an argument is not right.
    """
    check_climbing(steps=steps, seed=seed, provider=provider, callback=callback, cache=cache)
    return model if isinstance(model, Model) else load(model, cache=cache)


def wanted(model: Model, target: Objective | str) -> Objective:
    """Return what a target means.

    Raises:
        TargetError: it compares pictures, which a study does itself.
        OnnxscopeError: it means nothing in the model.
    """
    found = resolve(model, target) if isinstance(target, str) else check_objective(target)
    if found.mixes_pictures:
        raise TargetError(
            f"{found} compares pictures; expected the objective of each, such as 'a:1'"
        )
    return found


def reached(
    model: Model,
    objectives: Sequence[Objective],
    *,
    size: int | tuple[int, ...] | None,
    seed: int,
    provider: str,
    cache: bool,
) -> tuple[list[float], Picture]:
    """Climb each objective by itself for a short while.

    Args:
        model: The network.
        objectives: None of which compares pictures.
        size: As for `render`.
        seed: As for `render`.
        provider: As for `render`.
        cache: As for `render`.

    Returns:
        What each reached, or where that is below 0, by how much it rose; and the pictures.

    Raises:
        TargetError: one did not rise.
        KeyboardInterrupt: it was interrupted.
    """
    picture = render(
        model,
        list(objectives),
        same_start=True,
        size=size,
        steps=STEPS,
        seed=seed,
        provider=provider,
        cache=cache,
        progress=False,
    )
    if picture.interrupted:
        raise KeyboardInterrupt
    values = picture.values.reshape(len(picture.values), -1)
    scales = []
    for objective, way in zip(objectives, values.T, strict=True):
        last = float(way[-_LAST:].max())
        scale = last if last > 0 else last - float(way[0])
        if not (np.isfinite(scale) and scale > 0):
            raise TargetError(
                f"{objective} stayed at {last:.3g} in {STEPS} steps, so that it cannot be weighed "
                "against anything: try another seed, or a unit that is not dead"
            )
        scales.append(scale)
    return scales, picture
