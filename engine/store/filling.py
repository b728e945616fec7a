"""Makes what a project does not have yet, and keeps each picture as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from ..network.layers.layer import Layer
from .kinds import Kind
from .making import Answer, Maker
from .plan import Plan, Wanted
from .project import Project, Writer

if TYPE_CHECKING:
    from ..ascent.loop import Callback

Place = tuple[Layer, int, Kind]


@dataclass
class Filling:
    """How far a project has come.

    Attributes:
        total: How many pictures it shall have.
        there: How many were there before.
        made: How many were made.
        failed: Those that could not be made, with the reason.
        interrupted: Whether Ctrl-C, or who is told of each picture, ended it early.
        out_of_time: Whether the time that there was did.
    """

    total: int
    there: int = 0
    made: int = 0
    failed: list[tuple[Wanted, str]] = field(default_factory=list)
    interrupted: bool = False
    out_of_time: bool = False

    @property
    def left(self) -> int:
        """How many are still to be made."""
        return self.total - self.there - self.made - len(self.failed)

    def take(self, wanted: Wanted, answer: Answer, writer: Writer) -> None:
        """Keep what became of a picture, and count it.

        Raises:
            OutputError: it cannot be kept, such as when the disk is full.
        """
        if answer.error:
            self.failed.append((wanted, answer.error))
        elif answer.interrupted:
            self.interrupted = True
        else:
            writer.keep(wanted.question, answer.png, answer.facts or {}, answer.beside)
            self.made += 1


def fill(
    plan: Plan,
    project: Project,
    *,
    order: Sequence[Place] | None = None,
    seconds: float | None = None,
    batch_size: int | None = None,
    begin: Callable[[Filling, Sequence[Wanted]], object] | None = None,
    callback: Callback | None = None,
    done: Callable[[Wanted, Answer], object] | None = None,
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
        done: Called for each picture behind being kept; returning `False` ends it.

    Returns:
        How far it has come.

    Raises:
        OutputError: a picture cannot be kept, such as when the disk is full.
        OnnxscopeError: the settings do not fit.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    filling, missing = what_is_missing(plan, project, order)
    maker = Maker(plan)
    with project.writing() as writer:
        writer.begin(plan)
        for group in groups(plan, missing):
            if deadline is not None and time.monotonic() >= deadline:
                filling.out_of_time = True
                break
            wanted = still_wanted(plan, project, group, filling)
            if not wanted:
                continue

            def prepare(start: int, stop: int, wanted: Sequence[Wanted] = wanted) -> None:
                if begin is not None:
                    begin(filling, wanted[start:stop])

            for answer in maker.make(
                wanted, batch_size=batch_size, begin=prepare, callback=callback
            ):
                filling.take(wanted[answer.number], answer, writer)
                if done is not None and done(wanted[answer.number], answer) is False:
                    filling.interrupted = True
                    break
            if filling.interrupted:
                break
    return filling


def what_is_missing(
    plan: Plan, project: Project, order: Sequence[Place] | None
) -> tuple[Filling, list[Place]]:
    """Return how far a project is, and what it does not have.

    Args:
        plan: What there shall be.
        project: Where.
        order: Which of the plan's pictures, in which order; by default all, in the plan's.
    """
    chosen = plan.order() if order is None else order
    missing = [one for one in chosen if not project.has(plan.wanted(*one).question)]
    return Filling(len(chosen), there=len(chosen) - len(missing)), missing


def still_wanted(
    plan: Plan, project: Project, group: Sequence[Place], filling: Filling
) -> list[Wanted]:
    """Return what of a group nobody else has made meanwhile; the rest counts as there."""
    wanted = [plan.wanted(*one) for one in group]
    left = [one for one in wanted if not project.has(one.question)]
    filling.there += len(wanted) - len(left)
    return left


def groups(plan: Plan, order: Sequence[Place]) -> Iterator[list[Place]]:
    """Yield pieces of work: pictures that follow each other and are made alike.

    Args:
        plan: What there shall be.
        order: Its pictures, or some of them.
    """

    def likeness(one: Place) -> tuple[str, str]:
        # Of one layer the units share a graph.
        return one[2].name, one[0].name if plan.shared else ""

    for _, alike in groupby(order, likeness):
        units = list(alike)
        yield from (units[at : at + plan.chunk] for at in range(0, len(units), plan.chunk))
