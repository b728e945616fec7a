"""`score`: in how far units' pictures can be trusted, by photographs of the user's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, TargetError, nearest
from ..images import as_photos, as_uint8
from ..network.loading import load
from ..network.model import Model
from ..network.photos import in_colour
from ..objectives.algebra import Objective
from ..objectives.making import channel
from ..pictures.arguments import Climbing, check_climbing
from ..pictures.picture import Picture
from ..pictures.rendering import render
from ..plain import shown
from ..runtime.session import choose_provider
from .collecting import examples, measure_of, unit_of
from .collection import Examples
from .measuring import Aim, aims_of
from .scorer import BEST, Scorer
from .second_eye import SecondEye
from .unit_score import Score

if TYPE_CHECKING:
    from ..ascent.loop import Callback, Progress
    from ..images import Photo
    from .collecting import Looked

_ON_CPU, _ON_DEVICE = 8, 32
"""How many units are rendered and scored before their scores are given."""


def score(
    model: Model | str,
    target: str,
    photos: Examples | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    picture: Picture | Photo | None = None,
    *,
    eye: Model | str | None = None,
    steps: int = 256,
    size: int | tuple[int, int] | None = None,
    seed: int = 0,
    provider: str = "auto",
    photo_callback: Callable[[Looked], object] | None = None,
    callback: Callback | None = None,
    cache: bool = True,
) -> Score:
    """Say in how far a unit's picture can be trusted.

    Three numbers: whether the picture is more to the unit than any photo; whether another network
    finds it like the photos that the unit looks for; and whether it travels through the layers as
    they do (Geirhos et al., 2024). What they say is about these photos: there should be hundreds,
    and some that excite the unit.

    Args:
        model: A model, or what `onnxscope.load` takes.
        target: A unit, such as `"fire5:11"`, or a class.
        photos: Folders and files, as `onnxscope.examples` takes them, or what that found, with at
            least four photos of each unit.
        picture: What is scored, such as `render` gives it, its first picture; or a file, or an
            array (H, W, 3), float in [0, 1] or uint8. By default the unit's channel is rendered.
        eye: The other network, or what `onnxscope.load` takes.
        steps: How many steps a picture climbs that is rendered.
        size: Height and width, by default the model's usual size.
        seed: Of all that is random.
        provider: See `onnxscope.render`.
        photo_callback: Told how far it is with the photographs.
        callback: Called after each step of a picture that is rendered.
        cache: As for `onnxscope.render`.

    Returns:
        The numbers.

    Raises:
        TargetError: the target is no unit, or several.
        InputError: there are too few photos, the examples are of another model or size, or the
            picture is of another size.
        KeyboardInterrupt: Ctrl-C came, or the callback ended it, before the picture was made.
        OnnxscopeError: see `onnxscope.render` and `onnxscope.examples`.
    """
    opened = in_colour(model if isinstance(model, Model) else load(model))
    aim = unit_of(opened, target)
    (found,) = scores(
        opened,
        target,
        photos,
        None if picture is None else {_name(aim, aim.units[0]): picture},
        eye=eye,
        steps=steps,
        size=size,
        seed=seed,
        provider=provider,
        photo_callback=photo_callback,
        callback=callback,
        cache=cache,
    )
    return found


def scores(
    model: Model | str,
    targets: str | Sequence[str],
    photos: Examples | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    pictures: Mapping[str, Picture | Photo] | None = None,
    *,
    eye: Model | str | None = None,
    steps: int = 256,
    size: int | tuple[int, int] | None = None,
    seed: int = 0,
    provider: str = "auto",
    photo_callback: Callable[[Looked], object] | None = None,
    callback: Callback | None = None,
    cache: bool = True,
) -> Iterator[Score]:
    """Say in how far pictures of many units can be trusted, each as `score` does.

    Pictures are made several at once, and photographs are computed once for several units.

    Args:
        model: A model, or what `onnxscope.load` takes.
        targets: One or several: a layer, which means all of its units, `"fire5:0-15"`, classes.
        photos: See `score`.
        pictures: By unit, such as `"fire5:11"`, what is scored, as for `score`. The channels of
            other units are rendered.
        eye: See `score`.
        steps: See `score`.
        size: See `score`.
        seed: See `score`.
        provider: See `onnxscope.render`.
        photo_callback: Told how far it is with the photographs.
        callback: Called after each step of pictures that are rendered; `done` and `total` count
            the steps of all of them.
        cache: As for `onnxscope.render`.

    Returns:
        An iterator over the numbers, layer by layer. It renders and scores some units before it
        gives the first of them; arguments are checked, and photographs looked at, at once.

    Raises:
        TargetError: a target is no unit.
        InputError: there are too few photos, the examples are of another model or size, or a
            picture is of another size, or of none of these units.
        KeyboardInterrupt: Ctrl-C came, or the callback ended it, while pictures were made.
        OnnxscopeError: see `onnxscope.render` and `onnxscope.examples`.
    """
    # Also where all pictures are given, which needs none of them.
    climbing = check_climbing(
        steps=steps, seed=seed, provider=provider, callback=callback, cache=cache
    )
    opened = in_colour(model if isinstance(model, Model) else load(model))
    aims = aims_of(opened, targets)
    for aim in aims:
        if not aim.layer:
            raise TargetError(
                f"scores are of units, such as LAYER:UNIT or a class, not {aim.title}"
            )
    given = _given(pictures, aims)
    other = eye if isinstance(eye, Model) or eye is None else load(eye)
    if isinstance(photos, Examples):
        found = photos
    else:
        found = examples(
            opened,
            targets,
            photos,
            count=BEST,
            quantiles=(),
            size=size,
            provider=climbing.provider,
            seed=climbing.seed,
            callback=photo_callback,
        )
    measure_of(found, opened, size)
    for picture in given.values():
        if picture.shape[:2] != found.size:
            raise InputError(
                f"the picture is {picture.shape[0]}×{picture.shape[1]} and the photos were looked "
                f"at in {found.size[0]}×{found.size[1]}: give size to one of both"
            )
    seen = None if other is None else SecondEye(other, climbing.provider)
    scorers = [Scorer(opened, found, aim, seen, climbing.seed, climbing.provider) for aim in aims]
    at_once = _ON_CPU if choose_provider(climbing.provider).name == "cpu" else _ON_DEVICE

    total = sum(len(aim.units) for aim in aims) - len(given)
    rendered = _Rendered(opened, found.size, climbing, total)

    def each() -> Iterator[Score]:
        for scorer, aim in zip(scorers, aims, strict=True):
            for start in range(0, len(aim.units), at_once):
                units = aim.units[start : start + at_once]
                missing = [unit for unit in units if _name(aim, unit) not in given]
                made = rendered.channels(aim.layer, missing)
                shots = [made[u] if u in made else given[_name(aim, u)] for u in units]
                yield from scorer.of(units, shots)

    return each()


class _Rendered:
    """Renders channels for scores, some at a time."""

    def __init__(self, model: Model, size: tuple[int, int], climbing: Climbing, total: int) -> None:
        """Take note of how.

        Args:
            model: The network.
            size: Height and width.
            climbing: How pictures are climbed.
            total: How many there will be.
        """
        self._model = model
        self._size = size
        self._climbing = climbing
        self._done, self._total = 0, total

    def channels(self, layer: str, units: Sequence[int]) -> dict[int, np.ndarray]:
        """Return by unit the channel's picture, (H, W, 3) uint8, as it is when it is alone.

        Raises:
            KeyboardInterrupt: Ctrl-C came, or the callback ended it, before all were made.
            OnnxscopeError: see `onnxscope.render`.
        """
        if not units:
            return {}
        wanted: list[Objective] = [channel(layer, unit) for unit in units]
        picture = render(
            self._model,
            wanted,
            size=self._size,
            steps=self._climbing.steps,
            seed=self._climbing.seed,
            same_start=True,
            provider=self._climbing.provider,
            callback=self._among_all(len(units)),
            cache=self._climbing.cache,
            progress=False,
        )
        if picture.interrupted or len(picture.images) < len(units):
            raise KeyboardInterrupt
        self._done += len(units)
        return dict(zip(units, map(as_uint8, picture.images), strict=True))

    def _among_all(self, count: int) -> Callback | None:
        """The callback, told of these pictures as a part of all."""
        callback, steps = self._climbing.callback, self._climbing.steps
        if callback is None:
            return None

        def told(progress: Progress) -> object:
            share = count * progress.done / progress.total
            done = round(steps * (self._done + share))
            return callback(replace(progress, done=done, total=steps * self._total))

        return told


def _name(aim: Aim, unit: int) -> str:
    return f"{aim.title}:{unit}"


def _given(
    pictures: Mapping[str, Picture | Photo] | None, aims: Sequence[Aim]
) -> dict[str, np.ndarray]:
    """Pictures by unit, each (H, W, 3) uint8, as a file holds it."""
    if pictures is None:
        return {}
    if not isinstance(pictures, Mapping):
        raise InputError(
            f"pictures must be a dict such as {{'fire5:11': …}}, not {shown(pictures)}"
        )
    names = [_name(aim, unit) for aim in aims for unit in aim.units]
    found = {}
    for name, picture in pictures.items():
        if name not in names:
            raise InputError(
                f"a picture is given of {shown(name)}, which is none of the units that are scored"
                f"{nearest(str(name), names)}"
            )
        found[name] = _one_picture(picture)
    return found


def _one_picture(given: Picture | Photo) -> np.ndarray:
    """A picture as (H, W, 3) uint8, as a file holds it."""
    found = as_photos(given.images if isinstance(given, Picture) else given)
    if not found:
        raise InputError("there is no picture to score")
    return found[0] if found[0].dtype == np.uint8 else as_uint8(found[0])
