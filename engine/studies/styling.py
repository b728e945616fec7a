"""`stylize`: what is on one photograph, in the textures of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, LayerError
from ..images import fitted_to
from ..network.model import Model
from ..network.photos import sizes_of
from ..objectives.photos import inversion
from ..objectives.photos import style as style_of
from ..parameterizations.fourier import natural
from ..parameterizations.started import Started
from ..pictures.picture import Picture
from ..pictures.rendering import render
from ..plain import real, text, texts
from ..planes import in_colours, kept, kept_in_form
from .layers import usual_layers
from .scales import opened

if TYPE_CHECKING:
    from ..ascent.loop import Callback
    from ..images import Photo

_LONGEST = 384
"""Of the picture's longer side, in pixels, where no size is given."""

_SPACED = 6


def stylize(
    model: Model | str,
    photo: Photo,
    style: Photo,
    *,
    content: str | None = None,
    styles: Sequence[str] | str | None = None,
    strength: float = 1.0,
    size: int | tuple[int, ...] | None = None,
    steps: int = 200,
    seed: int = 0,
    provider: str = "auto",
    callback: Callback | None = None,
    cache: bool = True,
) -> Picture:
    """Paint one photograph in the textures of another.

    As in Gatys, Ecker & Bethge, *Image Style Transfer Using Convolutional Neural Networks* (2016):
    from the photo, the picture comes nearer to the Gram matrices of the other one at several layers
    (see `onnxscope.style`) and stays near the photo at one (see `onnxscope.inversion`); both are
    relative distances, so that they count alike in any network.

    Args:
        model: As for `render`.
        photo: What is to be seen: a path, an image of Pillow's, or (H, W, 3), uint8 or float in
            [0, 1].
        style: How: likewise; its middle is cut and scaled to the picture's size.
        content: The layer where the photo is kept; by default one in the middle.
        styles: The layers whose textures are taken over; by default five from the first on.
        strength: How much the textures count beside the photo, at least 0.
        size: As for `render`; by default the photo's shape, 384 pixels at the longer side at most.
        steps: How many steps to climb.
        seed: As for `render`.
        provider: As for `render`.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The picture. Its recipe holds both photographs.

    Raises:
        InputError: an argument is of another kind, or a photo cannot be read.
        LayerError: there is no such layer.
        OnnxscopeError: see `render`.
    """
    strength = real("strength", strength)
    if strength < 0:
        raise InputError(f"strength must be at least 0, not {strength:g}")
    if content is not None:
        text("content", content, "the name of a layer", LayerError)
    model = opened(model, callback, steps=steps, seed=seed, provider=provider, cache=cache)
    names: Sequence[str]
    if styles is None:
        names = usual_layers(model, _SPACED)[: _SPACED - 1]
    else:
        names = texts("styles", styles, "names of layers", LayerError)
    if content is None:
        content = usual_layers(model, _SPACED)[-3:][0]
    array, other = kept(photo), kept(style)
    if size is None:
        rows, columns = array.shape[1:3] if model.form.stack else array.shape[:2]
        size = model.fixed_size or _at_most(rows, columns)
    _, height, width = sizes_of(model, size)
    # A recipe holds no more of a photo than is seen.
    array, other = (_fitted(one, model, (height, width)) for one in (array, other))
    return render(
        model,
        inversion(content, array) - strength * style_of(names, other),
        size=size,
        steps=steps,
        parameterization=Started(natural(), array),
        transforms=(),
        seed=seed,
        provider=provider,
        callback=callback,
        cache=cache,
    )


def _fitted(photo: np.ndarray, model: Model, size: tuple[int, int]) -> np.ndarray:
    """The middle of a photo in a size, as it is kept."""
    form = model.form
    if form.is_rgb:
        return fitted_to(in_colours(photo), *size)
    depth = len(photo) if form.stack else None
    arrays: np.ndarray = form.as_arrays(kept_in_form(photo, form.with_depth(depth), size))
    return np.asarray(arrays[0])


def _at_most(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, _LONGEST / max(height, width))
    return max(round(height * scale), 1), max(round(width * scale), 1)
