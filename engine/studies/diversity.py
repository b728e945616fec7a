"""`diversify`: several pictures of one unit that differ as much as they can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..network.model import Model
from ..objectives.algebra import Objective
from ..objectives.batches import diversity
from ..pictures.rendering import render
from .gallery import Gallery, titled
from .layers import check_comparison, compared_at
from .page import number
from .scales import opened, reached, wanted

if TYPE_CHECKING:
    from ..ascent.loop import Callback

_COLUMNS = 5


def diversify(
    model: Model | str,
    target: Objective | str,
    count: int = 4,
    *,
    layer: str | None = None,
    strength: float = 0.3,
    size: int | tuple[int, ...] | None = None,
    steps: int = 256,
    seed: int = 0,
    provider: str = "auto",
    callback: Callback | None = None,
    cache: bool = True,
) -> Gallery:
    """Make several pictures of one unit that differ: the facets of what it looks for.

    As in Olah, Mordvintsev & Schubert, *Feature Visualization* (2017), of the objective the cosines
    of the pictures' Gram matrices at a layer are subtracted (see `onnxscope.diversity`). Their
    weight is `strength` times what the unit reaches in a short ascent, divided among the other
    pictures, so that at 1 pictures with one texture would lose as much as that; it stands in the
    recipe.

    Args:
        model: As for `render`.
        target: What each picture is for, such as `"mixed4a:11"`.
        count: How many pictures, at least 2. They are made together.
        layer: Where their textures are compared; by default the target's own, or where that has no
            cells, as of a class, the one three quarters of the way.
        strength: How much they shall differ, at least 0.
        size: As for `render`.
        steps: How many steps to climb.
        seed: As for `render`.
        provider: As for `render`.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The pictures, with each one's value and its largest cosine with another.

    Raises:
        InputError: an argument is of another kind.
        TargetError: the target compares pictures, looks at no layer, or stays at 0.
        OnnxscopeError: see `render`.
    """
    count, strength = check_comparison(count, strength, layer)
    model = opened(model, callback, steps=steps, seed=seed, provider=provider, cache=cache)
    each = wanted(model, target)
    layer = compared_at(model, each, layer)
    whole_one = each
    if strength:
        (scale,), _ = reached(model, [each], size=size, seed=seed, provider=provider, cache=cache)
        whole_one = each - strength * scale / (count - 1) * diversity(layer)
    picture = render(
        model,
        whole_one,
        batch=count,
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
        callback=callback,
        cache=cache,
    )
    alike = gram_cosines(model, layer, picture.images, picture.provider.name)
    apart = alike[~np.eye(count, dtype=bool)]
    most = (alike - 2 * np.eye(count)).max(1)
    return Gallery(
        picture,
        titled(f"{count} pictures for {target}", model.name),
        f"as different as they can be: the mean cosine of their Gram matrices at {layer} is "
        f"{apart.mean():.2f}",
        tuple(
            (f"picture {at}", f"nearest other: {number(float(most[at]))}") for at in range(count)
        ),
        min(count, _COLUMNS),
    )


def gram_cosines(model: Model, layer: str, images: np.ndarray, provider: str = "cpu") -> np.ndarray:
    """Compute how alike the textures of pictures are.

    Args:
        model: The network.
        layer: Where, (N, C, H, W) or tokens (N, C, L).
        images: (N, H, W, 3) in [0, 1].
        provider: Where to compute.

    Returns:
        The cosines of their Gram matrices, (N, N).
    """
    parts = [model.activations(one[None], [layer], provider)[layer] for one in images]
    flat = np.concatenate(parts).astype(np.float64).reshape(len(images), parts[0].shape[1], -1)
    grams = (flat @ flat.transpose(0, 2, 1)).reshape(len(images), -1)
    grams /= np.maximum(np.linalg.norm(grams, axis=1, keepdims=True), 1e-12)
    return np.asarray(grams @ grams.T)
