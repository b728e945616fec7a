"""`compare`: what neuron, channel and negative of one unit show, and whether the place matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import TargetError
from ..network.loading import load
from ..network.model import Model
from ..network.photos import flat, pixels_of
from ..objectives.algebra import Objective
from ..objectives.making import before_activation, channel, neuron
from ..objectives.targets import find_unit, is_plain
from ..pictures.picture import Picture
from ..pictures.rendering import render
from ..plain import text
from .cells import Cells
from .comparison import Comparison, Look
from .findings import findings

if TYPE_CHECKING:
    from ..ascent.loop import Callback
    from ..ascent.optimizers import Optimizer
    from ..parameterizations.base import Parameterization
    from ..transforms.base import Transform

# Parts of the height and of the width at which the two further neurons lie.
_INSIDE = (("upper right", 0.35, 0.65), ("lower left", 0.65, 0.35))


class _Place(NamedTuple):
    name: str
    cell: tuple[int, int] | None
    objective: Objective


def compare(
    model: Model | str,
    target: str,
    *,
    size: int | tuple[int, ...] | None = None,
    steps: int = 256,
    seed: int = 0,
    provider: str = "auto",
    parameterization: Parameterization | None = None,
    transforms: Sequence[Transform] | None = None,
    optimizer: Optimizer | None = None,
    callback: Callback | None = None,
    cache: bool = True,
) -> Comparison:
    """Show what one unit's neurons, its channel and its negative look for, side by side.

    It answers, for this very unit, what the difference between the neuron and the channel objective
    is, and whether it matters which neuron (the objectives of Olah, Mordvintsev & Schubert,
    *Feature Visualization*, 2017). There is a picture for the neuron in the middle, for two others
    inside, for one in the corner, for the channel and for its negative, all from the same start and
    in the same random transforms, so that they differ by what they are made for alone. Then each
    is shown to the network as it is, and every objective is evaluated on every picture.

    Args:
        model: As for `render`.
        target: A unit whose layer has cells, such as `"mixed4a:11"`.
        size: As for `render`.
        steps: How many steps each picture climbs.
        seed: As for `render`.
        provider: As for `render`.
        parameterization: As for `render`.
        transforms: As for `render`.
        optimizer: As for `render`.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The pictures, maps, values and sentences; `figure` is all of it on one page.

    Raises:
        TargetError: the target is not one unit.
        LayerError: the unit's layer has no cells.
        OnnxscopeError: see `render`.
    """
    if not isinstance(model, Model):
        model = load(model, cache=cache)
    flat(model)
    layer, unit = _unit(model, text("target", target, "a unit such as 'mixed4a:11'"))
    cells = Cells.of(model, layer, unit, pixels_of(model, size))
    places = _places(cells)
    picture = render(
        model,
        [place.objective for place in places],
        same_start=True,
        size=cells.size,
        steps=steps,
        seed=seed,
        provider=provider,
        parameterization=parameterization,
        transforms=transforms,
        optimizer=optimizer,
        callback=callback,
        cache=cache,
    )
    # After Ctrl-C some may be missing.
    places = places[: len(picture)]
    return _compared(cells, places, picture)


def _unit(model: Model, target: str) -> tuple[str, int]:
    if not is_plain(model, target):
        raise TargetError(f"compare looks at one unit, such as mixed4a:11, not at {target}")
    layer, unit = find_unit(model, target)
    if unit is None:
        raise TargetError(f"compare looks at one unit of {target}: write {target}:0, or another")
    return layer, unit


def _places(cells: Cells) -> list[_Place]:
    """What there is a picture for; in a small map fewer neurons."""
    high, wide = cells.height, cells.width
    at = {"middle": (high // 2, wide // 2)}
    for name, down, across in _INSIDE:
        at[name] = int(high * down), int(wide * across)
    at["corner"] = (0, 0)
    seen: set[tuple[int, int]] = set()
    found = []
    for name, cell in at.items():
        # What has the border on no side is inside.
        inside = 0 < cell[0] < high - 1 and 0 < cell[1] < wide - 1
        if cell in seen or (name in dict(_named()) and not inside):
            continue
        seen.add(cell)
        y, x = cell
        found.append(_Place(name, cell, neuron(cells.layer, cells.unit, y=y, x=x)))
    whole = channel(cells.layer, cells.unit)
    found.append(_Place("channel", None, whole))
    # Behind a ReLU a negative ascent would end as soon as the unit is off.
    found.append(_Place("negative", None, -before_activation(whole)))
    return found


def _named() -> list[tuple[str, float]]:
    return [(name, down) for name, down, _ in _INSIDE]


def _compared(cells: Cells, places: Sequence[_Place], picture: Picture) -> Comparison:
    provider = picture.provider.name
    down, across = cells.stride()
    images = picture.images
    # The middle one's picture, moved to where the others are.
    middle = places[0].cell
    assert middle is not None  # the first place is a cell
    others = [place for place in places[1:] if place.cell is not None]
    moved = [
        _moved(images[0], (place.cell[0] - middle[0]) * down, (place.cell[1] - middle[1]) * across)
        for place in others
        if place.cell is not None
    ]
    maps, before = cells.on(np.concatenate([images, *(one[None] for one in moved)]), provider)
    carried = {
        place.name: float(found[place.cell])
        for place, found in zip(others, maps[len(images) :], strict=True)
        if place.cell is not None
    }
    maps, before = maps[: len(images)], before[: len(images)]
    looks = [
        Look(
            place.name,
            place.objective,
            place.cell,
            None if place.cell is None else cells.field(*place.cell),
            maps[number],
            {other.name: _value(other, maps[number], float(before[number])) for other in places},
        )
        for number, place in enumerate(places)
    ]
    found = Comparison(
        model=cells.model.name,
        layer=cells.layer,
        unit=cells.unit,
        looks=tuple(looks),
        moved=carried,
        stride=(down, across),
        field=cells.whole_field(*middle),
        of_tokens=cells.are_tokens,
        picture=picture,
    )
    return replace(found, findings=tuple(findings(found)))


def _value(place: _Place, cells: np.ndarray, before: float) -> float:
    """An objective's value on a picture with these cells."""
    if place.cell is not None:
        return float(cells[place.cell])
    return float(cells.mean()) if place.name == "channel" else -before


def _moved(image: np.ndarray, down: int, across: int) -> np.ndarray:
    """A picture moved by whole pixels; what comes in from outside has its mean colour."""
    height, width = image.shape[:2]
    moved = np.empty_like(image)
    moved[:] = image.mean((0, 1))
    rows = slice(max(down, 0), height + min(down, 0))
    columns = slice(max(across, 0), width + min(across, 0))
    from_rows = slice(max(-down, 0), height + min(-down, 0))
    from_columns = slice(max(-across, 0), width + min(-across, 0))
    moved[rows, columns] = image[from_rows, from_columns]
    return moved
