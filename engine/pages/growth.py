"""How a microscope grows, in a notebook: one line, a bar and the last pictures."""

from __future__ import annotations

import base64
import io
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

from PIL import Image

from ..notebook import Wait, bar, in_notebook
from ..store.filling import Filling
from ..store.making import Answer
from ..store.plan import Wanted

if TYPE_CHECKING:
    from ..ascent.loop import Progress
    from ..network.layers.layer import Layer
    from ..store.scores import Scoring
    from ..store.sightings import Sightings
    from ..studies.collecting import Looked

_SECONDS_BETWEEN = 0.5
_PICTURES = 6
_SIDE = 96


class Growth:
    """Is told how far a microscope is; shows nothing where nobody looks."""

    def looked(self, looked: Looked) -> None:
        """Take note of how many photographs were looked at."""
        self.show(f"{looked.done:,} of {looked.total:,} photos", looked.done / looked.total)

    def sighted(self, found: Sightings) -> None:
        """Take note of whose photographs are found."""
        made = found.there + found.made
        self.show(f"patches of {made:,} of {found.units:,} units", made / found.units)

    def begin(self, filling: Filling, wanted: Sequence[Wanted]) -> None:
        """Take note of which pictures are made next."""

    def step(self, progress: Progress) -> None:
        """Take note of a step of theirs."""

    def done(self, wanted: Wanted, answer: Answer) -> None:
        """Take note of a picture that is kept, or could not be made."""

    def scored(self, scoring: Scoring, layer: Layer) -> None:
        """Take note of how many pictures are scored."""
        made = scoring.there + scoring.made
        words = f"scores of {layer.title}: {made:,} of {scoring.units:,} units"
        self.show(words, made / scoring.units)

    def say(self, words: str) -> None:
        """Say what is waited for."""
        self.show(words, 0.0)

    def show(self, words: str, share: float) -> None:
        """Show how far it is: nobody looks.

        Args:
            words: What is done.
            share: How much of it, from 0 to 1.
        """


class InNotebook(Growth):
    """Shows below the cell how far it is, with the last pictures.

    Attributes:
        wait: What is shown before the first picture.
    """

    def __init__(self, name: str) -> None:
        """Begin with what is prepared.

        Args:
            name: The model's.
        """
        self.wait = Wait(f"a microscope for {name}")
        self._name = name
        self._filling: Filling | None = None
        self._making = ""
        self._pictures: deque[tuple[str, str]] = deque(maxlen=_PICTURES)
        self._began = self._next = 0.0
        self._before = 0

    def begin(self, filling: Filling, wanted: Sequence[Wanted]) -> None:
        """Take note of which pictures are made next."""
        if self._filling is None:
            self._began, self._before = time.perf_counter(), filling.made
        self._filling = filling
        more = f" and {len(wanted) - 1} more" if len(wanted) > 1 else ""
        self._making = f"{wanted[0].kind.title} of {wanted[0].target}{more}"
        self._show_filling(0.0)

    def step(self, progress: Progress) -> None:
        """Take note of a step of theirs."""
        self._show_filling(progress.done / progress.total)

    def done(self, wanted: Wanted, answer: Answer) -> None:
        """Take note of a picture that is kept, or could not be made."""
        if answer.png:
            self._pictures.append((f"{wanted.target}, {wanted.kind.title}", _small(answer.png)))
        self._show_filling(0.0)

    def show(self, words: str, share: float) -> None:
        """Show how far it is, if the last time is a moment ago.

        Args:
            words: What is done.
            share: How much of it, from 0 to 1.
        """
        now = time.perf_counter()
        if now < self._next:
            return
        self.wait.stop()
        self._next = now + _SECONDS_BETWEEN
        line = f"{self._name}: {words}"
        pictures = "".join(
            f'<img src="{source}" title="{escape(title)}" '
            f'style="display:inline-block;margin:0 .3em 0 0;width:{_SIDE}px">'
            for title, source in self._pictures
        )
        self.wait.spot.show(f"<div>{escape(line)}</div>{bar(share)}{pictures}", line)

    def _show_filling(self, share: float) -> None:
        """Show how many pictures there are.

        Args:
            share: How far the next ones are, from 0 to 1.
        """
        filling = self._filling
        if filling is None:
            return
        done = filling.made + len(filling.failed)
        wanted = filling.total - filling.there
        facts = [f"{filling.there + filling.made:,} of {filling.total:,} pictures"]
        if done > self._before:
            seconds = (time.perf_counter() - self._began) / (done - self._before) * (wanted - done)
            facts.append(f"{duration(seconds)} to go")
        facts.append(f"{self._making}, {100 * share:.0f} %")
        self.show(", ".join(facts), (filling.there + done) / max(filling.total, 1))


@contextmanager
def shown_growing(name: str, *, wanted: bool) -> Iterator[Growth]:
    """Give what is told how far a microscope is; in a notebook it shows that, until the end.

    Args:
        name: The model's.
        wanted: Whether anything is to be shown.
    """
    if not wanted or not in_notebook():
        yield Growth()
        return
    growth = InNotebook(name)
    with growth.wait:
        yield growth


def duration(seconds: float) -> str:
    """Return a time in words, such as `40 s`, `5 min` or `3 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _small(png: bytes) -> str:
    """A picture as an address that holds it, small."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
    small.thumbnail((2 * _SIDE, 2 * _SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
