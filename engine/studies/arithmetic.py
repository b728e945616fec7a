"""`arithmetic`: units added to each other, as a table of sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError
from ..network.model import Model
from ..objectives.algebra import Objective
from ..pictures.rendering import render
from ..plain import shown
from .gallery import Gallery, blank, titled
from .scales import opened, reached, wanted

if TYPE_CHECKING:
    from ..ascent.loop import Callback


def arithmetic(
    model: Model | str,
    rows: Sequence[Objective | str],
    columns: Sequence[Objective | str],
    *,
    size: int | tuple[int, ...] | None = None,
    steps: int = 256,
    seed: int = 0,
    provider: str = "auto",
    callback: Callback | None = None,
    cache: bool = True,
) -> Gallery:
    """Add units to each other: a table with one in each row and column, and their sums in between.

    As in Olah, Mordvintsev & Schubert, *Feature Visualization* (2017), "joint optimization". Each
    unit is divided by what it reaches in a short ascent, so that both count alike in a sum. All
    pictures have the same start.

    Args:
        model: As for `render`.
        rows: The units of the rows, such as `["mixed4a:11", "mixed4a:20"]`.
        columns: The units of the columns.
        size: As for `render`.
        steps: How many steps each picture climbs.
        seed: As for `render`.
        provider: As for `render`.
        callback: As for `render`.
        cache: As for `render`.

    Returns:
        The pictures: those of the columns' units first, then in each row its unit's and the sums.

    Raises:
        InputError: there is no unit for the rows or for the columns.
        TargetError: a target compares pictures, or stays at 0.
        OnnxscopeError: see `render`.
    """
    down, across = _listed("rows", rows), _listed("columns", columns)
    model = opened(model, callback, steps=steps, seed=seed, provider=provider, cache=cache)
    every = [wanted(model, target) for target in (*across, *down)]
    scales, _ = reached(model, every, size=size, seed=seed, provider=provider, cache=cache)
    alike = [1 / scale * one for one, scale in zip(every, scales, strict=True)]
    tops, sides = alike[: len(across)], alike[len(across) :]
    objectives, captions = list(tops), [(str(target),) for target in across]
    for side, name in zip(sides, down, strict=True):
        objectives += [side, *(side + top for top in tops)]
        captions += [(str(name),), *((f"{name} + {other}",) for other in across)]
    picture = render(
        model,
        objectives,
        same_start=True,
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
        callback=callback,
        cache=cache,
    )
    return Gallery(
        picture,
        titled("Sums of units", model.name),
        "each weighed by what it reaches alone; the first row and column are the units themselves",
        tuple(captions),
        len(across) + 1,
        before=((blank(*picture.seen().shape[1:3]), ""),),
    )


def _listed(name: str, given: object) -> list[Objective | str]:
    if isinstance(given, str | Objective):
        return [given]
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, bytes) else []
    if not listed or not all(isinstance(one, str | Objective) for one in listed):
        raise InputError(
            f"{name} must be targets such as ['mixed4a:11', 'mixed4a:20'], not {shown(given)}"
        )
    return listed
