"""`dream`: a photograph, in which what a layer or unit sees grows, from coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..ascent.momentum import Momentum
from ..errors import InputError, MemoryShortageError
from ..images import as_uint8, fitted_to
from ..network.model import Model
from ..network.photos import flat
from ..objectives.algebra import Objective
from ..parameterizations.fourier import natural
from ..parameterizations.started import Started
from ..pictures.picture import Picture
from ..pictures.rendering import render
from ..plain import height_and_width, real, whole
from ..planes import in_colours, kept, kept_in_form
from ..transforms.geometric import jitter, pad, scale
from ..transforms.glimpses import resize, views
from .scales import opened, wanted

if TYPE_CHECKING:
    from ..ascent.loop import Callback, Progress
    from ..images import Photo
    from ..transforms.base import Transform

_JITTER = 32
_LEAST = 64
"""No octave is smaller, in pixels, but for the last."""

_WINDOWS = 4
"""How many windows of a large picture are seen in each step."""

_LEAST_TILE = 96

_RATE = 0.009
"""The root mean square of a step, in the units of a spectrum."""


def dream(
    model: Model | str,
    photo: Photo,
    target: Objective | str,
    *,
    octaves: int = 4,
    ratio: float = 1.4,
    strength: float = 1.0,
    tile: int | None = None,
    size: int | tuple[int, ...] | None = None,
    steps: int = 20,
    seed: int = 0,
    provider: str = "auto",
    callback: Callback | None = None,
    cache: bool = True,
) -> Picture:
    """Let a network dream over a photograph: what a layer or unit sees in it becomes more.

    As in Mordvintsev, Olah & Tyka, *Inceptionism: Going Deeper into Neural Networks* (2015), "deep
    dream": the photo is climbed in several sizes, the smallest first, along gradients of one size;
    what was changed in one is enlarged, and added to the photo in the next. So patterns come about
    in all sizes, and the photo stays below them. In each step the picture is moved at random.

    Args:
        model: As for `render`.
        photo: A path, an image of Pillow's, or (H, W, 3), uint8 or float in [0, 1].
        target: What there shall be more of: a layer (the mean of its squares), a unit, a class, or
            any objective.
        octaves: In how many sizes it is climbed.
        ratio: How many times as large each is as the one before, above 1.
        strength: How far each step goes, above 0; at 1 the photo is still recognised.
        tile: What the network sees at a time, in pixels of the longer side: windows at random
            places, in as many more steps as cover the picture. By default all of it, or as much as
            there is memory for.
        size: Of the picture, as for `render`; by default the photo's own.
        steps: How many steps in each size.
        seed: As for `render`.
        provider: As for `render`.
        callback: As for `render`; each size is a run of its own.
        cache: As for `render`.

    Returns:
        The picture in its last size. Its recipe starts from the size before, which it holds; its
        values are those of the last size.

    Raises:
        InputError: an argument is of another kind, or the photo cannot be read.
        OnnxscopeError: see `render`.
    """
    octaves, steps = whole("octaves", octaves, 1, 20), whole("steps", steps, 1)
    ratio, strength = real("ratio", ratio), real("strength", strength)
    if ratio <= 1:
        raise InputError(f"ratio must be above 1, not {ratio:g}")
    if strength <= 0:
        raise InputError(f"strength must be above 0, not {strength:g}")
    tile = None if tile is None else whole("tile", tile, 16)
    model = flat(opened(model, callback, steps=steps, seed=seed, provider=provider, cache=cache))
    objective = wanted(model, target)
    array, form = kept(photo), model.form
    given = None if size is None else height_and_width("size", size)
    if form.is_rgb:
        array = in_colours(array)
        array = array if given is None else fitted_to(array, *given)
    else:
        height, width = given or array.shape[:2]
        array = form.as_arrays(kept_in_form(array, form, (height, width)))[0]
    sizes = list(_sizes(array.shape[0], array.shape[1], octaves, ratio))
    changed: np.ndarray | None = None
    for run, octave in enumerate(sizes, 1):
        base = _resized(array, octave)
        if changed is not None:
            base = np.clip(base + _resized(changed, octave), 0, 1)
        picture = _climbed(
            model,
            objective,
            as_uint8(base) if form.is_rgb else base,
            tile,
            strength,
            steps=steps,
            seed=seed,
            provider=provider,
            callback=_counted(callback, run, len(sizes)),
            cache=cache,
        )
        if picture.interrupted or len(picture.values) < 1:
            break
        changed = picture.images[0] - _resized(array, octave)
    return picture


def _sizes(height: int, width: int, octaves: int, ratio: float) -> Iterator[tuple[int, int]]:
    """The sizes, the smallest first; such as would be tiny are left out."""
    for number in range(octaves - 1, -1, -1):
        part = ratio**-number
        octave = max(round(height * part), 1), max(round(width * part), 1)
        if number == 0 or min(octave) >= _LEAST:
            yield octave


def _climbed(
    model: Model,
    objective: Objective,
    photo: np.ndarray,
    tile: int | None,
    strength: float,
    *,
    steps: int,
    seed: int,
    provider: str,
    callback: Callback | None,
    cache: bool,
) -> Picture:
    """Climb in one size; where there is not memory for all of the picture, by windows of it."""
    height, width = photo.shape[:2]
    while True:
        transforms, share = _seen(model, height, width, tile)
        try:
            return render(
                model,
                objective,
                size=(height, width),
                # Each pixel is seen as often as if all of the picture were.
                steps=math.ceil(steps / share),
                parameterization=Started(natural(), photo),
                transforms=transforms,
                # The root mean square is over all pixels, those that are not seen among them.
                optimizer=Momentum(_RATE * strength * math.sqrt(share), beta=0.5),
                redirect_steps=0,
                seed=seed,
                provider=provider,
                callback=callback,
                cache=cache,
            )
        except MemoryShortageError:
            half = (tile or max(height, width)) // 2
            if half < _LEAST_TILE or model.fixed_size is not None:
                raise
            tile = half


def _seen(
    model: Model, height: int, width: int, tile: int | None
) -> tuple[Sequence[Transform], float]:
    """What the network sees of a picture in a step, and which share of it that is, at most 1."""
    longest = max(model.fixed_size) if model.fixed_size is not None else tile
    part = 1.0 if longest is None else min(1.0, longest / max(height, width))
    window = max(round(part * height), 1), max(round(part * width), 1)
    shown = window if model.fixed_size is None else model.fixed_size
    moved = min(_JITTER, *(side // 2 for side in shown))
    if part == 1:
        whole_one: list[Transform] = [pad(-(-moved // 2)), jitter(moved)]
        if shown != (height, width):
            whole_one.insert(0, resize(*shown))
        return whole_one, 1.0
    # The window's middle is anywhere in a square around the picture, so that pixels at the border
    # are seen half as often as others at the least.
    square = max(height, width)
    seen: list[Transform] = [
        views(_WINDOWS),
        pad(-(-square // 2)),
        jitter(square),
        scale([1 / part]),
        resize(*shown),
    ]
    return seen, min(1.0, _WINDOWS * window[0] * window[1] / square**2)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image (H, W, C) in another size, float; a difference keeps its sign."""
    given = image / np.float32(255) if image.dtype == np.uint8 else image
    if given.shape[:2] == size:
        return given.astype(np.float32)
    height, width = size
    channels = [
        Image.fromarray(np.ascontiguousarray(given[..., channel], np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for channel in range(given.shape[2])
    ]
    return np.stack([np.asarray(channel) for channel in channels], -1)


def _counted(callback: Callback | None, run: int, runs: int) -> Callback | None:
    """A callback that is told which of the sizes this is."""
    if callback is None:
        return None

    def called(progress: Progress) -> object:
        return callback(replace(progress, run=run, runs=runs))

    return called
