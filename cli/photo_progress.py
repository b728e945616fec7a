"""The progress of work on many photographs, on the terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from .console import labelled, plural, stderr
from .progress import Shown, bar_of

if TYPE_CHECKING:
    from ..studies.collecting import Looked

_SECONDS_BETWEEN_LINES = 10.0
_NAMED = 20
"""So many files that cannot be read are named where a file says which the others are."""


class PhotoWatch(Shown):
    """Shows how many photographs were looked at, how fast, and the time that is left.

    Where nobody watches, as in a log, a line says it every ten seconds.

    Attributes:
        last: The last that was told.
    """

    def __init__(self, description: str, *, quiet: bool, named: int | None = _NAMED) -> None:
        """Prepare, showing nothing yet.

        Args:
            description: What is done.
            quiet: Show nothing but warnings.
            named: How many files that cannot be read are named, while the others are counted; all,
                where nothing else says which they were.
        """
        from rich.progress import TextColumn

        self.last: Looked | None = None
        self._description = description
        self._console = stderr()
        self._quiet = quiet
        self._skipped = 0
        self._named = named
        self._began = self._said = time.perf_counter()
        self._bar = None
        if self._console.is_terminal and not quiet:
            rate = TextColumn("{task.fields[rate]}", style="dim")
            self._bar = bar_of(self._console, description, [rate], rate="preparing")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._named is not None and self._skipped > self._named:
            more = plural(self._skipped - self._named, "more file")
            self._warn(f"{more} cannot be read, and {'is' if more[:2] == '1 ' else 'are'} left out")

    def __call__(self, looked: Looked) -> None:
        """Take note of how far it is."""
        now = time.perf_counter()
        if self.last is None:
            self._began = now
            if looked.resumed and not self._quiet:
                stopped = f"going on behind {looked.resumed:,} of {looked.total:,} photos"
                self._console.print(stopped, style="dim", soft_wrap=True)
        self.last = looked
        # A single file that cannot be read is an error.
        for _, reason in looked.skipped if looked.total > 1 else ():
            self._skipped += 1
            if self._named is None or self._skipped <= self._named:
                self._warn(f"{reason}; it is left out")
        rate = (looked.done - looked.resumed) / max(now - self._began, 1e-9)
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=looked.done,
                total=looked.total,
                rate=_rate(looked, rate),
            )
        elif not self._quiet and looked.total > 1 and now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            line = f"{self._description}: {looked.done:,} of {looked.total:,} photos, "
            self._console.print(line + _rate(looked, rate), soft_wrap=True)

    def stage(self, words: str) -> None:
        """Say what is done with the photographs once all were looked at.

        Args:
            words: Such as `patches of 80 of 120 units`.
        """
        now = time.perf_counter()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=words, rate="")
        elif not self._quiet and now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            self._console.print(words, soft_wrap=True)

    def _warn(self, message: str) -> None:
        console = self._console if self._bar is None else self._bar.console
        console.print(labelled("warning", "bold yellow", message), soft_wrap=True)


def _rate(looked: Looked, rate: float) -> str:
    if looked.done == looked.resumed:
        return "preparing"
    left = round((looked.total - looked.done) / rate)
    minutes, seconds = divmod(left, 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{rate:.3g} photos/s, {clock} left"
