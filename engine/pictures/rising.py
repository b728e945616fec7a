"""How a picture rises, in a notebook."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..forms import RGB, Form
from ..notebook import Wait, bar, in_notebook
from .display import seen
from .tiles import as_image

if TYPE_CHECKING:
    from ..ascent.loop import Callback, Progress

_SECONDS_BETWEEN = 0.35
_SHARE = 20
"""An update costs at most the twentieth part of the time."""

_WIDEST = 480
_LONGEST = 100


class Rising:
    """A callback that shows the steps, the value and the picture below the cell.

    Attributes:
        wait: What is shown before the first step.
    """

    def __init__(self, what: str, form: Form = RGB, show: tuple[int, ...] | None = None) -> None:
        """Begin with what is prepared.

        Args:
            what: The objective, as people call it.
            form: Of the picture.
            show: Which channels are looked at (see `Picture.shown`).
        """
        self._form, self._show = form, show
        self._what = what if len(what) <= _LONGEST else f"{what[: _LONGEST - 1]}…"
        self.wait = Wait(f"preparing {self._what}")
        self._began = 0.0
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        """Show a step, if the last one that was shown is some time ago."""
        now = time.perf_counter()
        if not self._began:
            self._began, self._next = now, now + _SECONDS_BETWEEN
            self.wait.stop()
        if now < self._next and not (self.wait.spot.used and progress.step == 1):
            return
        done = progress.done
        self.wait.spot.show(*self._shown(progress, done, now))
        taken = time.perf_counter() - now
        self._next = now + max(_SECONDS_BETWEEN, _SHARE * taken)

    def _shown(self, progress: Progress, done: int, now: float) -> tuple[str, str]:
        """A step as HTML and as text."""
        from html import escape

        total = progress.total
        rate = (done - 1) / (now - self._began) if done > 1 else 0.0
        facts = [f"step {done} of {total}", f"value {_short(progress.value)}"]
        if rate:
            facts += [f"{rate:.3g} steps/s", f"{(total - done) / rate:.0f} s to go"]
        line = f"{self._what}: {', '.join(facts)}"
        picture = f'<img src="{self._picture(progress)}">'
        html = f"<div>{escape(line)}</div>{bar(done / total)}{picture}"
        return html, line

    def _picture(self, progress: Progress) -> str:
        image = as_image(seen(progress.image(), self._form, self._show))
        image.thumbnail((_WIDEST, _WIDEST))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=80)
        return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _short(value: float | np.ndarray) -> str:
    low, high = float(np.min(value)), float(np.max(value))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


@contextmanager
def shown_rising(
    what: str,
    callback: Callback | None,
    *,
    wanted: bool,
    form: Form = RGB,
    show: tuple[int, ...] | None = None,
) -> Iterator[Callback | None]:
    """Give the callback for an ascent: the user's, and in a notebook one that shows the picture.

    Args:
        what: Is made.
        callback: The user's.
        wanted: Whether anything is to be shown.
        form: Of the picture.
        show: Which channels are looked at.
    """
    if not wanted or not in_notebook():
        yield callback
        return
    rising = Rising(what, form, show)

    def both(progress: Progress) -> object:
        rising(progress)
        return None if callback is None else callback(progress)

    with rising.wait:
        yield both
