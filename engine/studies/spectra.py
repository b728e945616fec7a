"""`unit_spectrum`: a unit's pictures and photographs along one axis, its values."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..images import as_batch
from ..network.loading import load
from ..network.model import Model
from ..network.photos import in_colour
from ..objectives.making import before_activation, channel
from ..pictures.arguments import check_climbing
from ..pictures.rendering import render
from ..plain import text
from ..runtime.session import check_provider
from .collecting import examples, measure_of, unit_of
from .collection import Examples
from .looking import Look
from .spectrum_figure import UnitSpectrum

if TYPE_CHECKING:
    from ..ascent.loop import Callback
    from .collecting import Looked

QUANTILES = (0.99, 0.9, 0.75, 0.5, 0.25, 0.1, 0.01)
"""Of the photographs that are shown between the strongest and the weakest."""


def unit_spectrum(
    model: Model | str,
    target: str,
    photos: Examples | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    steps: int = 256,
    size: int | tuple[int, ...] | None = None,
    seed: int = 0,
    provider: str = "auto",
    state: str | os.PathLike[str] | None = None,
    photo_callback: Callable[[Looked], object] | None = None,
    callback: Callback | None = None,
    cache: bool = True,
) -> UnitSpectrum:
    """Show a unit from what it likes least, over photographs by quantile, to what it likes most.

    It is the spectrum of Olah, Mordvintsev & Schubert, *Feature Visualization*, 2017. The values
    are those of the unit's strongest cell before the activation function, so that what a unit
    dislikes is told apart as well.

    Args:
        model: A model, or what `onnxscope.load` takes.
        target: A unit, such as `"fire5:11"`, or a class.
        photos: Folders and files, as `onnxscope.examples` takes them, or what that found, of
            several units at once, with this one among them.
        steps: How many steps both pictures climb.
        size: Height and width of pictures and photos, by default the model's usual size.
        seed: Of all that is random.
        provider: See `onnxscope.render`.
        state: See `onnxscope.examples`.
        photo_callback: Told how far it is with the photographs.
        callback: Called after each step of the pictures, as for `onnxscope.render`.
        cache: As for `onnxscope.render`.

    Returns:
        The pictures, the photographs and the figure.

    Raises:
        TargetError: the target is no unit, or several.
        InputError: there is no picture among the photos, or examples are of another model or
            size, or ranked by relevance.
        LayerError: there are no examples of the unit.
        KeyboardInterrupt: Ctrl-C came before both pictures had begun.
        OnnxscopeError: see `onnxscope.render` and `onnxscope.examples`.
    """
    text("target", target, "a unit such as 'fire5:11'")
    provider = check_provider(provider)
    opened = in_colour(model if isinstance(model, Model) else load(model))
    check_climbing(steps=steps, seed=seed, provider=provider, callback=callback, cache=cache)
    aim = unit_of(opened, target)
    if isinstance(photos, Examples):
        found = photos
    else:
        found = photos_for(
            opened,
            target,
            photos,
            size=size,
            seed=seed,
            provider=provider,
            state=state,
            callback=photo_callback,
        )
    measure = measure_of(found, opened, size)
    one = found.of(aim.title, aim.units[0])
    wanted = channel(aim.layer, aim.units[0])
    picture = render(
        opened,
        [-before_activation(wanted), wanted],
        size=found.size,
        steps=steps,
        seed=seed,
        same_start=True,
        provider=provider,
        callback=callback,
        cache=cache,
        progress=False,
    )
    if len(picture.images) < 2:
        raise KeyboardInterrupt
    look = Look(opened, [aim], measure, found.size, provider, opened.fixed_batch or 1)
    values = look.measured(as_batch(picture.images))[0][:, 0]
    return UnitSpectrum(opened.name, one, measure.words, picture, values)


def photos_for(
    model: Model,
    target: str,
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    size: int | tuple[int, ...] | None = None,
    seed: int = 0,
    provider: str = "auto",
    state: str | os.PathLike[str] | None = None,
    callback: Callable[[Looked], object] | None = None,
) -> Examples:
    """Find the photographs of a spectrum, as `unit_spectrum` does.

    Raises:
        OnnxscopeError: see `unit_spectrum`.
    """
    unit_of(model, target)
    return examples(
        model,
        target,
        photos,
        count=1,
        before_activation=True,
        quantiles=QUANTILES,
        size=size,
        provider=provider,
        seed=seed,
        state=state,
        callback=callback,
    )
