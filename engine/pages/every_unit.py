"""`microscope`: pictures of every unit of a network, kept in a folder, and pages of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, TargetError, nearest
from ..network.layers.layer import Layer
from ..network.model import Model
from ..plain import a_function, flag, text, whole
from ..store.export import export
from ..store.filling import Filling
from ..store.kinds import KINDS
from ..store.making import Answer
from ..store.photos import score_question, unit_question
from ..store.plan import EXAMPLES, SCORES, Plan, Wanted
from ..store.project import Project
from ..store.questions import Question
from ..store.scores import Scoring
from ..store.sightings import Sightings
from ..studies.collecting import unit_of
from .growing import Work
from .growth import shown_growing

if TYPE_CHECKING:
    from ..importer.opsets import ModelSource


@dataclass(frozen=True)
class Microscope:
    """What `microscope` made: a folder of pictures and numbers of units, with pages to look at it.

    Attributes:
        page: The first page, `index.html`, which opens from the file system.
        filling: How many pictures there are, were made and are left, and which failed.
        photos: How far the looking at photographs came; `None` where there was none.
        scores: How far the scores came; `None` where there were none.
        plan: Which layers, units and kinds of pictures there shall be, those of earlier calls too,
            and how they are made.
        project: Where they are kept.
    """

    page: Path
    filling: Filling
    photos: Sightings | None
    scores: Scoring | None
    plan: Plan
    project: Project

    @property
    def finished(self) -> bool:
        """Whether all that was asked for is there; the same call again makes the rest."""
        photos, scores = self.photos, self.scores
        looked = photos is None or photos.made + photos.there == photos.units
        scored = scores is None or scores.made + scores.there == scores.units
        return looked and scored and not (self.filling.left or self.filling.failed)

    def picture(self, target: str, kind: str = "channel") -> Path:
        """Return the file of a unit's picture, a PNG with its recipe (see `read_recipe`).

        Args:
            target: The unit, such as `"fire6:11"`.
            kind: `channel`, `neuron`, `negative` or `diversity`, whose four stand side by side.

        Raises:
            TargetError: there is no such unit here.
            InputError: there is no such kind here, or the picture is not made.
        """
        return self.project.path_of(self._question(target, kind, pictures=True), ".png")

    def known(self, target: str, kind: str = "channel") -> dict[str, Any]:
        """Return what is known of a unit, as plain data.

        Args:
            target: The unit, such as `"fire6:11"`.
            kind: As for `picture`, for how the unit answers to that picture and how it came about;
                or `examples` or `scores`, where there were photographs.

        Raises:
            TargetError: there is no such unit here.
            InputError: there is no such kind here, it is not made, or its file is damaged.
        """
        return self.project.answer(self._question(target, kind, pictures=False)) or {}

    def export(self, form: str = "json") -> Path:
        """Write all that is known of all units into one file of the folder, and return it.

        Args:
            form: `json` for `units.json`, `npz` for `values.npz`.

        Raises:
            InputError: there is no such form, or what is known of a unit is damaged.
            OutputError: it cannot be written.
        """
        return export(self.plan, self.project, text("form", form, "json or npz"))

    def _question(self, target: str, kind: str, *, pictures: bool) -> Question:
        plan = self.plan
        aim = unit_of(plan.model, target)
        layer, unit = plan.model.layers[aim.layer], aim.units[0]
        if layer not in plan.layers or unit not in plan.units_of(layer):
            layers = ", ".join(one.title for one in plan.layers[:3])
            raise TargetError(f"the target {target} is no unit that is here, as those of {layers}")
        known = [one.name for one in plan.kinds_of(layer)]
        if not pictures and plan.photos is not None:
            known += [EXAMPLES] + [SCORES] * plan.scored
        wanted = text("kind", kind, "a name such as 'channel'")
        if wanted not in known:
            raise InputError(
                f"kind must be one of {', '.join(known)}, not {kind!r}{nearest(kind, known)}"
            )
        found = _asked(plan, layer, unit, wanted)
        if not self.project.has(found):
            raise InputError(f"{target} has no {wanted} yet; the same call again makes the rest")
        return found

    def __repr__(self) -> str:
        filling = self.filling
        there = f"{filling.there + filling.made:,} of {filling.total:,} pictures"
        return f"<Microscope of {self.plan.model.name}: {there}, {self.page}>"


def microscope(
    model: Model | ModelSource,
    folder: str | os.PathLike[str],
    layers: str | Sequence[str] | None = None,
    *,
    units: str | None = None,
    kinds: str | Sequence[str] | None = None,
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    eye: Model | str | None = None,
    quality: str = "good",
    size: int | tuple[int, int] | None = None,
    steps: int | None = None,
    seed: int = 0,
    shard: str | None = None,
    seconds: float | None = None,
    scheduler: str | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    callback: Callable[[Filling], object] | None = None,
    progress: bool = True,
) -> Microscope:
    """Make pictures of every unit of a network, and pages to look at them.

    Whatever ends it, the same call goes on where it was, and makes nothing twice; several may work
    in one folder. The pages open from the file system, and show what there is while it works.

    Args:
        model: A model, or what `onnxscope.load` takes.
        folder: New, empty, or that of an earlier call for the same model.
        layers: One name or several; by default the main ones.
        units: Which of each layer, such as `"0-63"`, `"0:64"` (Python's, without 64) or
            `"0:64,100"`; by default all.
        kinds: What is shown of each: `channel`, `neuron`, `negative` and `diversity`, and with
            photographs `examples` and `scores`; by default all.
        photos: Folders, with those inside, and files: to show those that excite units, and to score
            pictures by them. Without any, those of the last call stay.
        eye: The second network of the scores; by default one of the catalogue that is here.
        quality: How large pictures are and how long they are climbed: `draft`, at most 112 pixels
            and 48 steps, `good`, 224 and 192, or `fine`, the model's own size and 512.
        size: Height and width in pixels, instead of the quality's.
        steps: How many steps to climb, instead of the quality's.
        seed: Same seed, same picture.
        shard: One part of several, such as `"2/8"`, where others make the other parts.
        seconds: After how many to stop; what is begun then is finished. By default never.
        scheduler: The address of a dask scheduler on whose workers it is done, such as
            `"tcp://10.0.0.1:8786"`, or `"local:4"`, four processes of this machine.
        provider: See `onnxscope.render`.
        batch_size: How many pictures are made at once; by default one on each core, or of drafts,
            whose layers have one graph each, 32.
        callback: Called behind each picture with how far it is; returning `False` ends it.
        progress: Whether a notebook shows how far it is.

    Returns:
        The pages, the pictures and what is known of them, and how far it came: interrupted by
        Ctrl-C or by the callback, too.

    Raises:
        InputError: the folder holds something else or another model's pictures, there are no
            photographs, an argument is of another kind, or Jinja2 is not installed.
        OutputError: the folder cannot be written, such as when the disk is full.
        KeyboardInterrupt: Ctrl-C came while photographs were looked at or pictures scored; what was
            found until then is kept.
        OnnxscopeError: there is no such layer, unit or kind; see `onnxscope.render`.
    """
    if batch_size is not None:
        batch_size = whole("batch_size", batch_size, 1)
    if callback is not None:
        a_function("callback", callback, "one argument, a Filling", takes=1)
    if scheduler is not None:
        text("scheduler", scheduler, "an address such as 'tcp://10.0.0.1:8786', or local:4")
    wanted = flag("progress", progress)
    work = Work.prepared(
        model,
        folder,
        layers,
        units=units,
        kinds=kinds,
        photos=photos,
        eye=eye,
        quality=quality,
        size=size,
        steps=steps,
        seed=seed,
        shard=shard,
        seconds=seconds,
        provider=provider,
    )
    with shown_growing(work.plan.model.name, wanted=wanted) as growth:
        told: list[Filling] = []

        def begin(filling: Filling, pictures: Sequence[Wanted]) -> None:
            told[:] = [filling]
            growth.begin(filling, pictures)

        def done(one: Wanted, answer: Answer) -> object:
            growth.done(one, answer)
            return None if callback is None or not told else callback(told[0])

        seen = work.look(callback=growth.looked, done=growth.sighted)
        filling = work.fill(
            batch_size=batch_size,
            scheduler=scheduler,
            begin=begin,
            callback=growth.step,
            done=done,
            idle=growth.say,
        )
        scored = None if filling.interrupted else work.score(done=growth.scored)
        site = work.site
        page = site.write()
    return Microscope(page, filling, seen, scored, site.plan, work.project)


def _asked(plan: Plan, layer: Layer, unit: int, kind: str) -> Question:
    """What is asked for a unit's picture, or of its photographs."""
    if kind == EXAMPLES:
        return unit_question(plan, layer, unit)
    if kind == SCORES:
        picture = plan.wanted(layer, unit, KINDS["channel"]).question
        return score_question(plan, layer, unit, picture)
    return plan.wanted(layer, unit, KINDS[kind]).question
