"""What `microscope` does with photographs, under the user's eyes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from .console import fail, note, plural
from .photo_progress import PhotoWatch
from .progress import Stages

if TYPE_CHECKING:
    from ..network.layers.layer import Layer
    from ..pages.growing import Work
    from ..store.scores import Scoring
    from ..store.sightings import Sightings


def look_watched(work: Work, *, quiet: bool) -> None:
    """Find the photographs that excite units, where there are any to look at.

    Args:
        work: What is to be made.
        quiet: Show nothing but warnings.

    Raises:
        OnnxscopeError: see `look_at_photos`.
    """
    photos = work.plan.photos
    if not work.alone or photos is None:
        return
    if not photos.files:
        if not quiet:
            count = plural(photos.count, "photo")
            note(f"the {count} of an earlier run stay; --photos FOLDER looks at them again")
        return
    with PhotoWatch("photos", quiet=quiet) as watch:

        def done(found: Sightings) -> None:
            made = found.there + found.made
            watch.stage(f"patches of {made:,} of {plural(found.units, 'unit')}")

        found = work.look(callback=watch, done=done)
    if found is not None and found.out_of_time and not quiet:
        note("the time was up while photos were looked at; the same command goes on there")


def score_watched(work: Work, *, quiet: bool) -> bool:
    """Compute the scores of pictures that are there; return whether none failed.

    Args:
        work: What is to be made.
        quiet: Show nothing but failures.

    Raises:
        OnnxscopeError: see `score_pictures`.
    """
    stages = Stages("scores")

    def done(scoring: Scoring, layer: Layer) -> None:
        if not quiet:
            made = scoring.there + scoring.made
            stages(f"{layer.title}: {made:,} of {plural(scoring.units, 'unit')}")

    with nullcontext() if quiet else stages:
        found = work.score(done=done)
    if found is None:
        return True
    for layer, reason in found.failed:
        fail(f"scores of {layer}: {reason}")
    if found.waiting and not quiet:
        note(f"{plural(found.waiting, 'unit')} wait for their pictures or photos to be scored")
    return not found.failed
