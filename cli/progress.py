"""The progress of an ascent, or of other work in stages, on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .console import labelled, plural, stderr, stdout

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

    from ..ascent.loop import Progress

_SECONDS_BETWEEN_UPDATES = 0.1
_SECONDS_BETWEEN_LINES = 10.0


class Shown:
    """A bar that is on the terminal while a block runs."""

    _bar: Bar | None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            # The terminal may be gone, and what was made is to be written all the same.
            with suppress(OSError):
                self._bar.stop()

    def show(self, name: str, facts: str) -> None:
        """Print a result above the bar: its name, and what there is to say of it."""
        from rich.text import Text

        # Where both are one terminal, the bar has to know of what is printed.
        shared = self._bar is not None and sys.stdout.isatty()
        console = self._bar.console if self._bar is not None and shared else stdout()
        console.print(Text.assemble((name, "bold"), facts), soft_wrap=True)


class Watch(Shown):
    """Watches an ascent as its callback, counting steps and time, and shows a bar meanwhile.

    Attributes:
        step: The last step that was done, of the last run.
        rate: Steps per second without the time before the first one; 0 where it is unknown.
    """

    def __init__(self, description: str, *, quiet: bool) -> None:
        """Prepare, showing nothing yet.

        Args:
            description: What is rendered.
            quiet: Show nothing at all.
        """
        self.step = 0
        self.rate = 0.0
        self._began = time.perf_counter()
        self._first = self._shown = 0.0
        self._done = 0
        console = stderr()
        self._bar = _bar(console, description) if console.is_terminal and not quiet else None
        # Instead of a bar, one line once the first step shows that all is well.
        self._line = "" if quiet or self._bar is not None else description
        # Of several pictures the first one of this ascent, the one behind its last, and how many
        # there are.
        self._place: tuple[int, int, int] | None = None

    def begin(self, first: int, stop: int, of: int, description: str) -> None:
        """Take note of what is prepared now: pictures `first` to before `stop`, counted from 0."""
        self._place = first, stop, of
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], description=description, value="preparing", rate=""
            )

    def remark(self, line: str) -> None:
        """Print how far it is where there is no bar, as in a log."""
        if self._bar is None:
            stderr().print(line, soft_wrap=True)

    def complain(self, label: str, message: str) -> None:
        """Print a warning or an error above the bar."""
        console = stderr() if self._bar is None else self._bar.console
        style = "bold yellow" if label == "warning" else "bold red"
        console.print(labelled(label, style, message), soft_wrap=True)

    def __call__(self, progress: Progress) -> None:
        """Take note of a step."""
        now = time.perf_counter()
        self.step = progress.step
        done, total = progress.done, progress.total
        if self._place is not None:
            first, stop, of = self._place
            done, total = first * total + (stop - first) * done, of * total
        if not self._first:
            self._first, self._done = now, done
            self.rate = 1 / (now - self._began)
            if self._line:
                each = "" if self._place is None else " each"
                text = f"rendering {self._line}: {plural(progress.steps, 'step')}{each}"
                stderr().print(text, soft_wrap=True)
        else:
            self.rate = (done - self._done) / (now - self._first)
        if self._bar is None:
            return
        if now - self._shown >= _SECONDS_BETWEEN_UPDATES or done == total:
            self._shown = now
            self._bar.update(
                self._bar.task_ids[0],
                completed=done,
                total=total,
                value=show_value(progress.value),
                rate=f"{self.rate:.3g} steps/s",
            )


class Stages:
    """Shows on the terminal what is being done, one line that is gone at the end.

    Where nobody watches, as in a log, a line says after some seconds what takes so long.
    """

    def __init__(self, description: str) -> None:
        """Prepare, showing nothing yet.

        Args:
            description: Of the work as a whole.
        """
        from rich.text import Text

        self._description = description
        self._console = stderr()
        self._status = self._console.status(Text(description))
        self._began = self._said = time.perf_counter()

    def __enter__(self) -> Stages:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def __call__(self, what: str) -> None:
        """Take note of what begins."""
        from rich.text import Text

        now = time.perf_counter()
        line = f"{self._description}: {what} ({now - self._began:.0f} s)"
        if self._console.is_terminal:
            self._status.update(Text(line))
        elif now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            self._console.print(line, soft_wrap=True)


def show_value(value: float | np.ndarray) -> str:
    """Return an objective's value; of several pictures the least and the greatest."""
    low, high = (value, value) if isinstance(value, float) else (value.min(), value.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def bar_of(
    console: Console, description: str, behind: Sequence[ProgressColumn], **fields: Any
) -> Bar:
    """Return a bar that says what is done and how far it is, and is gone at the end.

    Args:
        console: Where it is shown.
        description: What is done.
        behind: What else it says, in columns, to the right.
        fields: What the columns show at first.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        *behind,
        console=console,
        transient=True,
        expand=True,
        # Results may go to a file, which is not the bar's.
        redirect_stdout=False,
    )
    bar.add_task(description, total=None, **fields)
    return bar


def _bar(console: Console, description: str) -> Bar:
    from rich.progress import TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[value]}", style="bold"),
        TextColumn("{task.fields[rate]}", style="dim"),
        TimeRemainingColumn(),
    )
    return bar_of(console, description, columns, value="preparing", rate="")
