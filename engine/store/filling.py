"""Makes what a project does not have yet, and keeps each picture as soon as it is done."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OnnxscopeError
from ..network.layers.layer import Layer
from ..pictures.picture import Picture
from ..pictures.series import render_each
from .kinds import Kind
from .looking import Look
from .plan import Plan, Wanted
from .project import Project, Writer

if TYPE_CHECKING:
    from ..ascent.loop import Callback

_GROUP = 8
_LOOKS = 4
_POINTS = 64
"""So many values of an ascent are kept; those between lie on the curve."""


@dataclass
class Filling:
    """How far a project has come.

    Attributes:
        total: How many pictures it shall have.
        there: How many were there before.
        made: How many were made.
        failed: Those that could not be made, with the reason.
        interrupted: Whether Ctrl-C ended it early.
        out_of_time: Whether the time that there was did.
    """

    total: int
    there: int = 0
    made: int = 0
    failed: list[tuple[Wanted, OnnxscopeError]] = field(default_factory=list)
    interrupted: bool = False
    out_of_time: bool = False

    @property
    def left(self) -> int:
        """How many are still to be made."""
        return self.total - self.there - self.made - len(self.failed)


def fill(
    plan: Plan,
    project: Project,
    *,
    order: Sequence[tuple[Layer, int, Kind]] | None = None,
    seconds: float | None = None,
    batch_size: int | None = None,
    begin: Callable[[Filling, Sequence[Wanted]], object] | None = None,
    callback: Callback | None = None,
    done: Callable[[Wanted, Picture], object] | None = None,
) -> Filling:
    """Make the pictures of a plan that a project does not have.

    Each is kept as soon as it is done, so that whatever ends the process, the next one goes on
    where it was. Pictures that another process has kept meanwhile are not made again.

    Args:
        plan: What there shall be.
        project: Where.
        order: Which of the plan's pictures, in which order; by default all, in the plan's.
        seconds: How long it may take; what has been begun then is finished. By default no limit.
        batch_size: As for `render_each`.
        begin: Called before pictures are made together, with how far it has come and with them.
        callback: As for `render`.
        done: Called for each picture behind being kept.

    Returns:
        How far it has come.

    Raises:
        OutputError: a picture cannot be kept, such as when the disk is full.
        OnnxscopeError: the settings do not fit.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    chosen = plan.order() if order is None else order
    missing = [one for one in chosen if not project.has(plan.wanted(*one).question)]
    filling = Filling(len(chosen), there=len(chosen) - len(missing))
    looks = _Looks(plan)
    with project.writing() as writer:
        writer.begin(plan)
        for group in _groups(missing):
            if deadline is not None and time.monotonic() >= deadline:
                filling.out_of_time = True
                break
            wanted = [plan.wanted(*one) for one in group]
            # Another process may have been here meanwhile.
            left = [one for one in wanted if not project.has(one.question)]
            filling.there += len(wanted) - len(left)
            if left:
                _make(plan, left, filling, writer, looks, batch_size, begin, callback, done)
            if filling.interrupted:
                break
    return filling


def _make(
    plan: Plan,
    wanted: Sequence[Wanted],
    filling: Filling,
    writer: Writer,
    looks: _Looks,
    batch_size: int | None,
    begin: Callable[[Filling, Sequence[Wanted]], object] | None,
    callback: Callback | None,
    done: Callable[[Wanted, Picture], object] | None,
) -> None:
    """Make pictures of one kind, and keep them."""

    def prepare(start: int, stop: int) -> None:
        if begin is not None:
            begin(filling, wanted[start:stop])

    objectives = [one.kind.objective(one.layer, one.unit) for one in wanted]
    for made in render_each(
        plan.model,
        objectives,
        batch_size=batch_size,
        begin=prepare,
        callback=callback,
        **wanted[0].settings,
    ):
        one = wanted[made.number]
        if made.error is not None:
            filling.failed.append((one, made.error))
        elif made.interrupted or made.picture is None:
            filling.interrupted = True
        else:
            writer.keep(one.question, made.picture, _facts(one, made.picture, looks))
            filling.made += 1
            if done is not None:
                done(one, made.picture)


def _facts(wanted: Wanted, picture: Picture, looks: _Looks) -> dict[str, Any]:
    """What is known of a picture besides what its recipe says."""
    values = picture.values.reshape(len(picture.values), -1).mean(1)
    points = np.unique(np.linspace(0, len(values) - 1, min(_POINTS, len(values))).round())
    look = looks.of(wanted.layer, picture.images.shape[1:3])
    return {
        "layer": wanted.layer.name,
        "unit": wanted.unit,
        "kind": wanted.kind.name,
        "curve": [[int(at) + 1, float(f"{values[int(at)]:.5g}")] for at in points],
        "looks": [look.at(image, wanted.unit) for image in picture.images],
        "warnings": list(picture.warnings),
    }


class _Looks:
    """The last layers that were looked at, opened."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._opened: OrderedDict[tuple[str, tuple[int, ...]], Look] = OrderedDict()

    def of(self, layer: Layer, size: Sequence[int]) -> Look:
        height, width = size
        key = layer.name, (height, width)
        if key not in self._opened:
            provider = self._plan.settings.get("provider", "auto")
            self._opened[key] = Look(self._plan.model, layer, (height, width), provider)
            if len(self._opened) > _LOOKS:
                self._opened.popitem(last=False)
        self._opened.move_to_end(key)
        return self._opened[key]


def _groups(
    order: Sequence[tuple[Layer, int, Kind]],
) -> Iterator[list[tuple[Layer, int, Kind]]]:
    """Pictures that follow each other and are made alike, a few at a time."""
    for _, alike in groupby(order, lambda one: one[2].name):
        units = list(alike)
        yield from (units[at : at + _GROUP] for at in range(0, len(units), _GROUP))
