"""`invert` and `caricatures`: what layers from the first to the last keep of a photograph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..ascent.optimizers import Adam, Optimizer
from ..errors import LayerError
from ..network.model import Model
from ..network.photos import sizes_of
from ..objectives.algebra import Objective
from ..objectives.penalties import total_variation
from ..objectives.photos import caricature, inversion
from ..pictures.display import seen
from ..pictures.rendering import render
from ..plain import real, texts
from ..planes import kept, kept_in_form
from ..transforms.geometric import jitter, pad
from .gallery import Gallery, titled
from .layers import usual_layers
from .scales import opened

if TYPE_CHECKING:
    from ..ascent.loop import Callback
    from ..images import Photo
    from ..transforms.base import Transform

_SMOOTH = 0.03
"""The weight of the total variation, of a mean over pixels, beside a relative distance of 1."""


def invert(
    model: Model | str,
    photo: Photo,
    layers: Sequence[str] | str | None = None,
    *,
    smooth: float = _SMOOTH,
    size: int | tuple[int, ...] | None = None,
    steps: int = 256,
    seed: int = 0,
    provider: str = "auto",
    optimizer: Optimizer | None = None,
    callback: Callback | None = None,
    cache: bool = True,
) -> Gallery:
    """Show what layers keep of a photograph: pictures that are to them the same as it.

    As in Mahendran & Vedaldi, *Understanding Deep Image Representations by Inverting Them* (2015):
    from noise, each picture comes as near to the photo at its layer as it can, and is smooth where
    the layer leaves it open. What the first layers keep is the photo; what is lost deeper on
    differs.

    Args:
        model: As for `render`.
        photo: As for `onnxscope.difference`.
        layers: Names of layers, a picture each; by default five from the first to the last.
        smooth: The weight of the total variation, as a mean over pixels, at least 0.
        size: As for `render`.
        steps: How many steps each picture climbs.
        seed: As for `render`.
        provider: As for `render`.
        optimizer: By default Adam with its paper's memory, which gets nearer than `Adam()` where
            nothing is random; `LBFGS()` does so in fewer steps, each of which runs the network
            twice or more.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The photo and the pictures in a row, with the distance ‖a − b‖ / ‖b‖ that is left.

    Raises:
        OnnxscopeError: an argument is of another kind, the photo cannot be read, or see `render`.
    """
    smooth = real("smooth", smooth)
    model = opened(model, callback, steps=steps, seed=seed, provider=provider, cache=cache)
    _, height, width = sizes_of(model, size)
    weight = smooth / (height * width)

    def of(layer: str, array: np.ndarray) -> Objective:
        near = inversion(layer, array)
        return near - weight * total_variation() if smooth else near

    return _of_photo(
        model,
        photo,
        layers,
        of,
        ("What layers keep", "what is left of the distance ‖a − b‖ / ‖b‖ to the photo"),
        _distances,
        transforms=(),
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
        optimizer=Adam(beta1=0.9, beta2=0.999) if optimizer is None else optimizer,
        callback=callback,
        cache=cache,
    )


def caricatures(
    model: Model | str,
    photo: Photo,
    layers: Sequence[str] | str | None = None,
    *,
    cosine: float = 1.0,
    size: int | tuple[int, ...] | None = None,
    steps: int = 256,
    seed: int = 0,
    provider: str = "auto",
    callback: Callback | None = None,
    cache: bool = True,
) -> Gallery:
    """Exaggerate what layers see in a photograph.

    As in Lucid's notebook *Activation Atlas: class activation caricatures* and Carter et al.,
    *Activation Atlas* (2019): from noise, each picture moves its layer as far as it can in the
    direction that the photo has there, mean(a·b) · max(0.1, cos(a, b))^cosine.

    Args:
        model: As for `render`.
        photo: As for `onnxscope.caricature`.
        layers: As for `invert`.
        cosine: The power of the cosine, at least 0: how exactly the direction is kept.
        size: As for `render`.
        steps: How many steps each picture climbs.
        seed: As for `render`.
        provider: As for `render`.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The photo and the pictures in a row, with the cosine of both at the layer.

    Raises:
        OnnxscopeError: an argument is of another kind, the photo cannot be read, or see `render`.
    """
    model = opened(model, callback, steps=steps, seed=seed, provider=provider, cache=cache)
    return _of_photo(
        model,
        photo,
        layers,
        lambda layer, array: caricature(layer, array, cosine=cosine),
        ("Caricatures", "what layers see in the photo, exaggerated; with the cosine to the photo"),
        _cosines,
        transforms=(pad(8), jitter(16)) if model.form.is_rgb else None,
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
        callback=callback,
        cache=cache,
    )


def _of_photo(
    model: Model,
    photo: Photo,
    layers: Sequence[str] | str | None,
    objective: Callable[[str, np.ndarray], Objective],
    words: tuple[str, str],
    measure: Callable[[np.ndarray, np.ndarray], str],
    *,
    transforms: Sequence[Transform] | None,
    size: int | tuple[int, ...] | None,
    steps: int,
    seed: int,
    provider: str,
    callback: Callback | None,
    cache: bool,
    optimizer: Optimizer | None = None,
) -> Gallery:
    """A picture for each layer, all from the same start."""
    names = (
        usual_layers(model)
        if layers is None
        else texts("layers", layers, "names of layers", LayerError)
    )
    if not names:
        raise LayerError("layers names none; expected at least one, such as 'mixed4a'")
    for name in names:
        model.names.find(name)
    array = kept(photo)
    depth, height, width = sizes_of(model, size)
    form = model.form.with_depth(depth)
    # A picture of another form is refused before any work.
    fitted = form.as_arrays(kept_in_form(array, form, (height, width)))
    picture = render(
        model,
        [objective(name, array) for name in names],
        same_start=True,
        transforms=transforms,
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
        optimizer=optimizer,
        # What a layer keeps of a photo is a matter of the objective's own gradient.
        leak=0,
        callback=callback,
        cache=cache,
    )
    names = tuple(names)[: len(picture)]
    captions = []
    for name, image in zip(names, picture.images, strict=True):
        both = [
            model.activations(one, [name], picture.provider.name)[name].reshape(-1)
            for one in (image[None], fitted)
        ]
        captions.append((name, measure(*(one.astype(np.float64) for one in both))))
    title, below = words
    return Gallery(
        picture,
        titled(title, model.name),
        below,
        tuple(captions),
        len(names) + 1,
        before=((seen(fitted, form)[0], "photo"),),
    )


def _distances(here: np.ndarray, there: np.ndarray) -> str:
    left = float(np.linalg.norm(here - there)) / max(float(np.linalg.norm(there)), 1e-12)
    return f"{left:.2f} left"


def _cosines(here: np.ndarray, there: np.ndarray) -> str:
    lengths = float(np.linalg.norm(here)) * float(np.linalg.norm(there))
    return f"cosine {float(here @ there) / max(lengths, 1e-12):.2f}"
