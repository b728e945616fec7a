"""The one thread that renders: what comes first is made, shown on its way, and kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OnnxscopeError
from ..pages.layer_data import told_of
from ..pictures.display import seen
from ..pictures.rendering import render
from ..runtime.cores import cores
from ..runtime.session import choose_provider
from ..store.looking import Look
from ..store.making import Answer, Maker, curve_of, png_of
from ..store.plan import Plan
from ..store.project import Project, Writer
from . import previews
from .asked import Asked
from .clients import Clients
from .queue import OPENED, RenderQueue

if TYPE_CHECKING:
    from ..ascent.loop import Progress

_BETWEEN = 0.25
"""Seconds between two pictures of an ascent on its way."""

_LARGE = 256
_FIRST = 4
"""So many first steps are all shown: then a picture changes most."""

_ON_DEVICE = 8
_IDLE = 3.0


class _GivenUpError(Exception):
    """Ends an ascent whose picture is not to be kept."""


class Renderer:
    """Makes what is wanted, in a thread of its own, until it is closed.

    Attributes:
        made: How many pictures were made.
        failure: What ended the thread, where it was not closed.
        trouble: Why the site could not be written the last time; empty where it could.
    """

    def __init__(
        self,
        plan: Plan,
        project: Project,
        queue: RenderQueue,
        clients: Clients,
        site: Callable[[], object],
        troubled: Callable[[str], object] | None = None,
    ) -> None:
        """Prepare.

        Args:
            plan: The pictures of all units.
            project: Where they are kept.
            queue: What is wanted.
            clients: Who is told.
            site: Writes the site of what there is.
            troubled: Told in a sentence, in the renderer's thread, that the site cannot be written.

        Raises:
            ProviderError: the plan's provider is not there, or cannot run the network.
            OnnxscopeError: the network cannot be run on the plan's pictures.
        """
        self.made = 0
        self.failure: BaseException | None = None
        self.trouble = ""
        provider = plan.settings.get("provider", "auto")
        chosen = choose_provider(provider)
        if provider != "auto" and chosen.name != "cpu":
            # What is listed need not start: this says it before anybody waits for a picture.
            Look(plan.model, plan.layers[0], plan.height_and_width, provider)
        self._at_once = cores() if chosen.name == "cpu" else _ON_DEVICE
        self._project = project
        self._queue = queue
        self._clients = clients
        self._site = site
        self._troubled = troubled
        self._maker = Maker(plan)
        self._plan = plan
        self._curves: list[np.ndarray] = []
        self._shown = 0.0
        self._thread: threading.Thread | None = None

    def start(self, ended: Callable[[], object]) -> None:
        """Start the thread.

        Args:
            ended: Called in it when it ends, by `close` or by a fault (see `failure`).
        """
        self._thread = threading.Thread(target=self._run, args=(ended,), name="rendering")
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        """End at the next step, and wait for that."""
        self._queue.close()
        if self._thread is not None:
            self._thread.join()

    def told(self, asked: Asked) -> dict[str, Any] | None:
        """Return what a browser is told of a picture that is there; `None` where it is not.

        Raises:
            InputError: what is known of it is damaged.
        """
        known = self._project.answer(asked.question)
        if known is None:
            return None
        source = self._project.path_of(asked.question, ".png")
        address = source.relative_to(self._project.folder).as_posix()
        return _said(asked, "done") | {"told": told_of(known, address, asked.command)}

    def _run(self, ended: Callable[[], object]) -> None:
        try:
            self._work()
        except BaseException as error:
            self.failure = error
        finally:
            ended()

    def _work(self) -> None:
        written = 0
        while True:
            group = self._queue.take(self._at_once, _IDLE if self.made > written else None)
            if group is None:
                if not len(self._clients):
                    # Nobody waits meanwhile, and whoever comes next finds it in the pages.
                    written = self.made
                    self._write_site()
                continue
            if not group:
                return
            reason = _fault_of(partial(self._make, group))
            for asked in group if reason else ():
                self._fail(asked, reason)
            self._queue.stopped()

    def _write_site(self) -> None:
        """Write the site of what there is; where that fails, say so at once."""
        reason = _fault_of(self._site)
        if reason and reason != self.trouble and self._troubled is not None:
            self._troubled(f"the pages cannot be written, and show less than there is: {reason}")
        self.trouble = reason

    def _make(self, group: Sequence[Asked]) -> None:
        """Make pictures together, unless somebody else has them by now."""
        left = []
        for asked in group:
            found = self.told(asked)
            if found is None:
                left.append(asked)
                self._tell(asked, _said(asked, "running"), self._queue.who_wants(asked.key))
            else:
                self._done(asked, found)
        if not left:
            return
        self._curves, self._shown = [], 0.0
        with self._project.writing() as writer:
            if left[0].wanted is None:
                self._make_other(left[0], writer)
                return
            wanted = [one.wanted for one in left if one.wanted is not None]
            for answer in self._maker.make(
                wanted,
                batch_size=len(wanted),
                callback=lambda progress: self._step(left, progress),
            ):
                self._take(left[answer.number], answer, writer)

    def _make_other(self, asked: Asked, writer: Writer) -> None:
        """Make what is of no one unit."""
        picture = render(
            self._plan.model,
            asked.objective,
            callback=lambda progress: self._step([asked], progress),
            progress=False,
            **asked.settings,
        )
        facts = {
            "target": asked.title,
            "kind": "typed",
            "curve": curve_of(picture.values),
            "warnings": list(picture.warnings),
        }
        self._take(asked, Answer(0, png_of(picture), facts), writer)

    def _take(self, asked: Asked, answer: Answer, writer: Writer) -> None:
        if answer.error:
            self._fail(asked, answer.error)
            return
        writer.keep(asked.question, answer.png, answer.facts or {}, answer.beside)
        self.made += 1
        found = self.told(asked)
        if found is not None:
            self._done(asked, found)

    def _step(self, group: Sequence[Asked], progress: Progress) -> None:
        """Show how far pictures are, now and then.

        Raises:
            _GivenUpError: they are not wanted any more, or something else is much sooner.
        """
        self._curves.append(np.atleast_1d(np.asarray(progress.value, np.float32)))
        if not self._queue.goes_on():
            raise _GivenUpError
        now = time.monotonic()
        if progress.step <= _FIRST or now - self._shown >= _BETWEEN:
            images = seen(progress.image(), self._plan.model.form)
            values = np.stack(self._curves)
            share = len(images) // len(group)
            for at, asked in enumerate(group):
                mine = slice(at * share, (at + 1) * share)
                self._show(asked, progress, images[mine], values[:, mine])
            self._shown = time.monotonic()

    def _show(
        self, asked: Asked, progress: Progress, images: np.ndarray, values: np.ndarray
    ) -> None:
        wanting = self._queue.who_wants(asked.key)
        news = _said(asked, "running") | {"step": progress.step, "steps": progress.steps}
        small = large = ""
        for who, soon in wanting.items():
            if soon == OPENED:
                large = large or previews.address(images, _LARGE)
                shown = {"source": large, "curve": curve_of(values)}
            else:
                small = small or previews.address(images, previews.THUMBNAIL)
                shown = {"source": small}
            self._clients.tell(who, asked.key, news | shown)

    def _done(self, asked: Asked, found: dict[str, Any]) -> None:
        self._tell(asked, found, self._queue.done(asked.key))

    def _fail(self, asked: Asked, error: str) -> None:
        news = _said(asked, "failed") | {"error": error}
        self._tell(asked, news, self._queue.done(asked.key, error))

    def _tell(self, asked: Asked, news: dict[str, Any], whom: Iterable[str]) -> None:
        for who in whom:
            self._clients.tell(who, asked.key, news)


def _fault_of(work: Callable[[], object]) -> str:
    """Do some work, and say what fails; nothing where all is well, or it was given up."""
    try:
        work()
    except _GivenUpError:
        return ""
    except OnnxscopeError as error:
        return str(error)
    except MemoryError:
        return "there is not enough memory; a smaller size may fit"
    except Exception as error:
        # Without the one thread that renders everybody would wait for ever.
        return f"it cannot be made ({type(error).__name__}: {error})"
    return ""


def _said(asked: Asked, state: str) -> dict[str, Any]:
    """What every news of a picture says."""
    place = {}
    if asked.place is not None:
        layer, unit, kind = asked.place
        place = {"layer": layer, "unit": unit, "kind": kind}
    return {"key": asked.key, "title": asked.title, "state": state, **place}


def refused(asked: Asked, error: str) -> dict[str, Any]:
    """Return what a browser is told of a picture that could not be made just now."""
    return _said(asked, "failed") | {"error": error}
