"""`morph`: from one unit to another, in pictures that go over into each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import LayerError
from ..network.model import Model
from ..objectives.algebra import Objective
from ..objectives.batches import alignment, interpolate
from ..pictures.rendering import render
from .gallery import Gallery, titled
from .layers import check_comparison, compared_at
from .scales import opened, reached, wanted

if TYPE_CHECKING:
    from ..ascent.loop import Callback


def morph(
    model: Model | str,
    start: Objective | str,
    stop: Objective | str,
    count: int = 6,
    *,
    layer: str | None = None,
    strength: float = 1.0,
    size: int | tuple[int, ...] | None = None,
    steps: int = 256,
    seed: int = 0,
    provider: str = "auto",
    callback: Callback | None = None,
    cache: bool = True,
) -> Gallery:
    """Go from one unit to another, in pictures whose parts stay at their places.

    As in Olah, Mordvintsev & Schubert, *Feature Visualization* (2017), picture n of N is for
    (1 − w) · start + w · stop with w = n / (N − 1), each divided by what it reaches in a short
    ascent, so that both count alike. Of this is subtracted how far neighbouring pictures are from
    each other at a layer (see `onnxscope.alignment`), as a part of that layer's mean square.

    Args:
        model: As for `render`.
        start: The first picture's, such as `"mixed4a:11"`.
        stop: The last picture's.
        count: How many pictures, at least 2. They are made together.
        layer: Where they are kept alike; by default as for `diversify`, that of
            `start`.
        strength: How much, at least 0; at 0 each goes its own way.
        size: As for `render`.
        steps: How many steps to climb.
        seed: As for `render`.
        provider: As for `render`.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The pictures in a row; `save_animation` goes through them.

    Raises:
        InputError: an argument is of another kind.
        TargetError: a target compares pictures, looks at no layer, or stays at 0.
        OnnxscopeError: see `render`.
    """
    count, strength = check_comparison(count, strength, layer)
    model = opened(model, callback, steps=steps, seed=seed, provider=provider, cache=cache)
    ends = wanted(model, start), wanted(model, stop)
    layer = compared_at(model, ends[0], layer)
    scales, alone = reached(model, ends, size=size, seed=seed, provider=provider, cache=cache)
    first, last = (1 / scale * end for end, scale in zip(ends, scales, strict=True))
    objective = interpolate(first, last, count)
    if strength:
        found = model.activations(alone.images, [layer], alone.provider.name)[layer]
        square = float(np.mean(found.astype(np.float64) ** 2))
        if square <= 0:
            raise LayerError(f"{layer} is 0 on pictures of {start}: keep them alike at another one")
        objective = objective - strength / square * alignment(layer)
    picture = render(
        model,
        objective,
        batch=count,
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
        callback=callback,
        cache=cache,
    )
    parts = [round(100 * at / (count - 1)) for at in range(count)]
    return Gallery(
        picture,
        titled(f"From {start} to {stop}", model.name),
        f"each weighed by what it reaches alone; kept alike at {layer}" if strength else "",
        (
            (str(start),),
            *((f"{100 - part} % and {part} %",) for part in parts[1:-1]),
            (str(stop),),
        ),
        count,
    )
