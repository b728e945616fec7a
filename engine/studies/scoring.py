"""`score`: in how far a unit's picture can be trusted, by photographs of the user's."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..images import as_batch, as_photos, as_uint8
from ..network.loading import load
from ..network.model import Model
from ..network.photos import in_colour, pixels_of
from ..objectives.making import channel
from ..pictures.picture import Picture
from ..pictures.rendering import render
from ..plain import a_function, flag, shown, whole
from ..runtime.session import check_provider
from .collecting import examples, measure_of, unit_of
from .collection import Examples
from .looking import Look
from .measuring import Aim
from .paths import PathLayer, Way, path_similarity
from .second_eye import SecondEye, agreement
from .superstimulus import drawn_views, ratio, values_in_views
from .unit_examples import Place

if TYPE_CHECKING:
    from ..ascent.loop import Callback
    from ..images import Photo
    from .collecting import Looked

BEST, OTHERS, VIEWS = 8, 32, 8
_FEWEST = 4


@dataclass(frozen=True)
class Score:
    """In how far a unit's picture can be trusted.

    Attributes:
        name: The unit, such as `fire5:11`.
        label: The class that it is the score of; empty of others.
        superstimulus: The picture's value over that of the best photo, both the mean over the same
            views: above 1 the picture is more than any photo. `None` where none excites the unit.
        agreement: How much nearer the picture is to the best photos than to random ones in the
            features of another network: 0.5 is chance, 1 always (see `second_eye.agreement`).
            `None` where there was no other.
        path: In how far the picture travels through the layers as such photos do, from 0 to 1 (see
            `paths.path_similarity`); `None` where such photos are nothing special.
        layers: The same by layer.
        value: What the picture is worth, in views.
        best: What the best photo is worth, in views.
        eye: The other network's name; empty where there was none.
        photos: How many of the best photos and of random ones were compared.
    """

    name: str
    label: str
    superstimulus: float | None
    agreement: float | None
    path: float | None
    layers: tuple[PathLayer, ...]
    value: float
    best: float
    eye: str
    photos: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        layers = [asdict(one) | {"similarity": one.similarity} for one in self.layers]
        return asdict(self) | {"layers": layers, "photos": list(self.photos)}


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
        InputError: there are too few photos, the examples are of another model, or the picture is
            of another size.
        KeyboardInterrupt: Ctrl-C came before there was a picture.
        OnnxscopeError: see `onnxscope.render` and `onnxscope.examples`.
    """
    provider, seed = check_provider(provider), whole("seed", seed, 0)
    # Also where a picture is given, which needs none of them.
    steps, cache = whole("steps", steps, 1), flag("cache", cache)
    if callback is not None:
        a_function("callback", callback, "one argument, a Progress", takes=1)
    opened = in_colour(model if isinstance(model, Model) else load(model))
    aim = unit_of(opened, target)
    image = None if picture is None else _one_picture(picture)
    other = eye if isinstance(eye, Model) or eye is None else load(eye)
    if isinstance(photos, Examples):
        found = photos
        if size is not None and pixels_of(opened, size) != found.size:
            raise InputError(f"size is that of the examples, {found.size[0]}×{found.size[1]}")
    else:
        found = examples(
            opened,
            target,
            photos,
            count=BEST,
            quantiles=(),
            size=size,
            provider=provider,
            seed=seed,
            callback=photo_callback,
        )
    measure = measure_of(found, opened)
    one = found.of(aim.title, aim.units[0])
    best = one.most[:BEST]
    others = found.drawn(aim.title, aim.units[0], OTHERS, seed)
    if min(len(best), len(others)) < _FEWEST:
        raise InputError(
            f"scores need {_FEWEST} photos that excite {one.name} and {_FEWEST} others, better "
            f"{BEST} and {OTHERS}; there are {len(best)} and {len(others)}"
        )
    if image is None:
        made = render(
            opened,
            channel(aim.layer, aim.units[0]),
            size=found.size,
            steps=steps,
            seed=seed,
            provider=provider,
            callback=callback,
            cache=cache,
            progress=False,
        )
        if not len(made.images):
            raise KeyboardInterrupt
        image = as_uint8(made.images[0])
    if image.shape[:2] != found.size:
        raise InputError(
            f"the picture is {image.shape[0]}×{image.shape[1]} and the photos were looked at in "
            f"{found.size[0]}×{found.size[1]}: give size to one of both"
        )
    shots = [place.photo() for place in (*best, *others)]
    look = Look(opened, [aim], measure, found.size, provider, opened.fixed_batch or 4)
    views = drawn_views(VIEWS, seed)
    values = values_in_views(look, views, np.stack([image, *shots[: len(best)]]))
    _, (at,) = look.run(as_batch(image))
    fields = _fields(found, aim, int(at[0, 0]), (*best, *others))
    pictures = np.stack([image, *shots])
    way = Way(opened, aim.layer, found.size, provider, seed)
    layers = way.compare(pictures, fields, len(best))
    agreed = None
    if other is not None:
        patches = [_cut(shot, field) for shot, field in zip(pictures, fields, strict=True)]
        features = SecondEye(other, provider).features(patches)
        agreed = agreement(features[0], features[1 : len(best) + 1], features[len(best) + 1 :])
    return Score(
        one.name,
        one.label,
        ratio(values[0], values[1:]),
        agreed,
        path_similarity(layers),
        layers,
        float(values[0]),
        float(values[1:].max()),
        "" if other is None else other.name,
        (len(best), len(others)),
    )


def _one_picture(given: Picture | Photo) -> np.ndarray:
    """A picture as (H, W, 3) uint8, as a file holds it."""
    found = as_photos(given.images if isinstance(given, Picture) else given)
    if not found:
        raise InputError("there is no picture to score")
    return found[0] if found[0].dtype == np.uint8 else as_uint8(found[0])


def _fields(found: Examples, aim: Aim, at: int, places: Sequence[Place]) -> np.ndarray:
    """What the unit's strongest cell sees, (N, 4) as parts of height and width, also beyond these.

    Fields at the border are as large as others, so that they can be laid over each other.
    """
    layer, unit = found.layers[aim.title], aim.units[0]
    if not layer.columns or layer.units is None:
        return np.tile([0.0, 1.0, 0.0, 1.0], (len(places) + 1, 1))
    cells = np.array([divmod(at, layer.columns), *((place.y, place.x) for place in places)])
    fields = []
    branch = layer.fields.branch[layer.units.index(unit)]
    for axis, seen in enumerate((layer.fields.rows[branch], layer.fields.columns[branch])):
        side = found.size[axis]
        span = int((seen[:, 1] - seen[:, 0]).max())
        low, high = seen[cells[:, axis]].T.astype(float)
        # Cut off at the border, a field begins or ends there.
        low = np.where((low == 0) & (high < side), high - span, low)
        high = np.where((high == side) & (low > 0), low + span, high)
        fields += [low / side, high / side]
    return np.stack(fields, axis=1)


def _cut(shot: np.ndarray, field: np.ndarray) -> np.ndarray:
    """What lies within a field, and in the picture."""
    height, width = shot.shape[:2]
    top, bottom = (round(float(at) * height) for at in field[:2])
    left, right = (round(float(at) * width) for at in field[2:])
    part: np.ndarray = shot[max(top, 0) : bottom, max(left, 0) : right]
    if 0 in part.shape:
        raise InputError(f"a field lies outside of its picture: {shown(field)}")
    return part
