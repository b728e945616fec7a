"""What `microscope` does with photographs, under the user's eyes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from .console import fail, note, plural
from .photo_progress import PhotoWatch
from .progress import Stages

if TYPE_CHECKING:
    from ..network.layers.layer import Layer
    from ..network.model import Model
    from ..store.plan import Plan
    from ..store.project import Project
    from ..store.scores import Scoring
    from ..store.sightings import Sightings


def look_watched(plan: Plan, project: Project, seconds: float | None, *, quiet: bool) -> None:
    """Find the photographs that excite units, where there are any to look at.

    Args:
        plan: What there shall be.
        project: Where it is kept.
        seconds: How long it may take.
        quiet: Show nothing but warnings.

    Raises:
        OnnxscopeError: see `look_at_photos`.
    """
    if plan.photos is None:
        return
    if not plan.photos.files:
        if not quiet:
            count = plural(plan.photos.count, "photo")
            note(f"the {count} of an earlier run stay; --photos FOLDER looks at them again")
        return
    from ..store.sightings import look_at_photos

    with PhotoWatch("photos", quiet=quiet) as watch:

        def done(found: Sightings) -> None:
            made = found.there + found.made
            watch.stage(f"patches of {made:,} of {plural(found.units, 'unit')}")

        found = look_at_photos(plan, project, seconds=seconds, callback=watch, done=done)
    if found.out_of_time and not quiet:
        note("the time was up while photos were looked at; the same command goes on there")


def score_watched(
    plan: Plan, project: Project, eye: Model | None, seconds: float | None, *, quiet: bool
) -> None:
    """Compute the scores of pictures that are there, where they shall be scored.

    Args:
        plan: What there shall be.
        project: Where it is kept.
        eye: The second network.
        seconds: How long it may take.
        quiet: Show nothing but failures.

    Raises:
        OnnxscopeError: see `score_pictures`.
    """
    if not plan.scored or plan.photos is None or not plan.photos.files:
        return
    from ..store.scores import score_pictures

    stages = Stages("scores")

    def done(scoring: Scoring, layer: Layer) -> None:
        if not quiet:
            made = scoring.there + scoring.made
            stages(f"{layer.title}: {made:,} of {plural(scoring.units, 'unit')}")

    with nullcontext() if quiet else stages:
        found = score_pictures(plan, project, eye=eye, seconds=seconds, done=done)
    for layer, reason in found.failed:
        fail(f"scores of {layer}: {reason}")
    if found.waiting and not quiet:
        note(f"{plural(found.waiting, 'unit')} wait for their pictures or photos to be scored")
