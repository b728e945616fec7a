"""A project that grows, and its pages with it: the steps of `microscope`, one after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..network.loading import load
from ..network.model import Model
from ..network.photos import in_colour
from ..pictures.series import Settings
from ..plain import path as a_path
from ..plain import real, text, texts, whole
from ..store.filling import Filling, Place, fill
from ..store.making import Answer
from ..store.photos import Photos
from ..store.plan import SCORES, Plan, Wanted, make_plan, part_of
from ..store.plan import shard as shard_of
from ..store.project import NAME, Project
from ..store.remembered import together
from ..store.scores import Scoring, score_pictures
from ..store.sightings import Sightings, look_at_photos
from ..studies.second_eye import other_network
from .microscope import FIRST_PAGE, Site
from .site import check_jinja

if TYPE_CHECKING:
    from ..ascent.loop import Callback
    from ..importer.opsets import ModelSource
    from ..network.layers.layer import Layer
    from ..studies.collecting import Looked

_SECONDS_TO_FIRST_SITE = 8.0
"""Who begins looks soon whether anything comes; later ones take twice as long each."""

_SECONDS_BETWEEN_SITES = 60.0
_SHARE = 20
"""A large site takes a while to write: so many times as long passes before the next one."""


@dataclass
class Work:
    """What is to be made of a project, ready to begin.

    Attributes:
        plan: What there shall be.
        project: Where it is kept.
        order: Which of the plan's pictures this process makes, in which order.
        eye: The network that compares pictures with photographs; `None` for none.
        alone: Whether this process looks at the photographs, in one pass for all shards.
        seconds: How long all steps together may take; `None` for no limit.
    """

    plan: Plan
    project: Project
    order: Sequence[Place]
    eye: Model | None = None
    alone: bool = True
    seconds: float | None = None
    _began: float = field(default_factory=time.monotonic, repr=False)
    _site: Site | None = field(default=None, init=False, repr=False)

    @classmethod
    def prepared(
        cls,
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
        provider: str = "auto",
    ) -> Work:
        """Check what is asked for, and open or begin the project (see `onnxscope.microscope`).

        Raises:
            OnnxscopeError: see `onnxscope.microscope`; then nothing is written.
        """
        check_jinja()
        began = time.monotonic()
        path = a_path("folder", folder)
        names = None if layers is None else texts("layers", layers, "names of layers")
        shown = None if kinds is None else texts("kinds", kinds, "names such as ['channel']")
        if seconds is not None and real("seconds", seconds) < 0:
            raise InputError(f"seconds must be at least 0, not {seconds:g}")
        settings = Settings(seed=whole("seed", seed, 0), provider=provider)
        part = None if shard is None else text("shard", shard, "a text such as '2/8'")
        opened = model if isinstance(model, Model) else load(model)
        if photos is not None:
            in_colour(opened)
        second = _second_network(opened, eye, scored=photos is not None and _is_scored(shown))
        plan = make_plan(
            opened,
            names,
            units=units,
            kinds=shown,
            quality=quality,
            size=size,
            steps=steps,
            settings=settings,
            photos=_photos(photos, path, second),
        )
        order = plan.order() if part is None else shard_of(plan, part)
        alone = part is None or part_of(part)[0] == 1
        project = Project.create(path, opened)
        work = cls(plan, project, order, second, alone, seconds, began)
        if not work.page.is_file():
            # Whoever looks finds pages from the first moment, whatever ends the work.
            work.site.write(0)
        return work

    @property
    def page(self) -> Path:
        """The first page, which opens from the file system."""
        return self.project.folder / FIRST_PAGE

    @property
    def site(self) -> Site:
        """The pages, of all that the project shall have, whichever run asked for it."""
        every = together(self.plan, self.project)
        if self._site is None or self._site.plan != every:
            self._site = Site(every, self.project)
        return self._site

    @property
    def left(self) -> float | None:
        """How many seconds there are still; `None` where there is no limit."""
        if self.seconds is None:
            return None
        return max(self.seconds - (time.monotonic() - self._began), 0.0)

    def look(
        self,
        *,
        callback: Callable[[Looked], object] | None = None,
        done: Callable[[Sightings], object] | None = None,
    ) -> Sightings | None:
        """Look at the photographs; return `None` where there are none, or another process does.

        Args:
            callback: Told how far the pass through them is.
            done: Told how far it is, as units are kept.

        Raises:
            KeyboardInterrupt: Ctrl-C came; what was found until then is kept.
            OnnxscopeError: see `look_at_photos`.
        """
        photos = self.plan.photos
        if not self.alone or photos is None or not photos.files:
            return None
        return look_at_photos(
            self.plan, self.project, seconds=self.left, callback=callback, done=done
        )

    def fill(
        self,
        *,
        batch_size: int | None = None,
        scheduler: str | None = None,
        begin: Callable[[Filling, Sequence[Wanted]], object] | None = None,
        callback: Callback | None = None,
        done: Callable[[Wanted, Answer], object] | None = None,
        idle: Callable[[str], object] | None = None,
    ) -> Filling:
        """Make the pictures that are not there, and write the pages again as there are more.

        Args:
            batch_size: How many pictures are made at once.
            scheduler: Of dask, whose workers make them; `None` for this process.
            begin: As for `onnxscope.store.filling.fill`.
            callback: As for `render`; workers tell nothing of their steps.
            done: As for `onnxscope.store.filling.fill`.
            idle: Called with a sentence where workers are waited for.

        Raises:
            OnnxscopeError: see `fill` and `fill_on` of `onnxscope.store`, and `Site.write`.
        """
        shown, pause = time.monotonic(), _SECONDS_TO_FIRST_SITE

        def kept(wanted: Wanted, answer: Answer) -> object:
            nonlocal shown, pause
            started = time.monotonic()
            if started - shown >= pause:
                # Where another process writes them, this one need not.
                self.site.write(0)
                shown = time.monotonic()
                pause = max(min(2 * pause, _SECONDS_BETWEEN_SITES), _SHARE * (shown - started))
            return None if done is None else done(wanted, answer)

        if scheduler is None:
            return fill(
                self.plan,
                self.project,
                order=self.order,
                seconds=self.left,
                batch_size=batch_size,
                begin=begin,
                callback=callback,
                done=kept,
            )
        from ..store.cluster import fill_on

        return fill_on(
            scheduler,
            self.plan,
            self.project,
            order=self.order,
            seconds=self.left,
            batch_size=batch_size,
            begin=begin,
            done=kept,
            idle=idle,
        )

    def score(self, *, done: Callable[[Scoring, Layer], object] | None = None) -> Scoring | None:
        """Compute scores of the pictures that are there; return `None` where there are no photos.

        Args:
            done: Told how far it is, and of which layer.

        Raises:
            OnnxscopeError: see `score_pictures`.
        """
        plan = self.plan
        if not self.alone or not plan.scored or plan.photos is None or not plan.photos.files:
            return None
        return score_pictures(plan, self.project, eye=self.eye, seconds=self.left, done=done)


def _is_scored(kinds: Sequence[str] | None) -> bool:
    return kinds is None or SCORES in kinds


def _second_network(model: Model, eye: Model | str | None, *, scored: bool) -> Model | None:
    """The network that scores compare pictures in; `None` where there are none, or no network.

    Raises:
        InputError: one is given, and nothing is scored.
    """
    if not scored:
        if eye is not None:
            raise InputError(
                "an eye is for scores, which take photographs: give photos as well, and scores "
                "among the kinds"
            )
        return None
    if eye is None:
        eye = other_network(model)
    return eye if eye is None or isinstance(eye, Model) else load(eye)


def _photos(
    given: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None,
    folder: Path,
    eye: Model | None,
) -> Photos | None:
    """The photographs that are given, or those of the last run, as far as they are known."""
    if given is not None:
        return Photos.found(given, "" if eye is None else eye.sha256, besides=folder)
    return Photos.remembered(Project.open(folder)) if (folder / NAME).is_file() else None
