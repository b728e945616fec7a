"""The time that a verification may take, and who is told how far it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from ..errors import OutOfTimeError

Report = Callable[[str], None]
"""Is told what is being done, in words."""


class Budget:
    """A time limit, from now on."""

    def __init__(self, seconds: float | None = None, report: Report | None = None) -> None:
        """Start.

        Args:
            seconds: How long all may take; `None` for as long as it takes.
            report: Is told what is being done.
        """
        self.seconds = seconds
        self._report = report
        self._began = time.monotonic()
        self._share = 1.0

    @property
    def left(self) -> float | None:
        """The seconds that are left, at least 0; `None` without a limit."""
        if self.seconds is None:
            return None
        return max(self.seconds * self._share - (time.monotonic() - self._began), 0.0)

    def check(self) -> None:
        """See that there is time left.

        Raises:
            OutOfTimeError: there is none.
        """
        if self.left == 0:
            raise OutOfTimeError(f"the time of {self.seconds:g} s is up")

    def begin(self, what: str) -> None:
        """Say what begins, if there is time for it.

        Raises:
            OutOfTimeError: there is none.
        """
        self.check()
        if self._report is not None:
            self._report(what)

    @contextlib.contextmanager
    def within(self, share: float) -> Iterator[None]:
        """End earlier for a while, so that there is time for what follows.

        Args:
            share: Of the whole time, 0 to 1.
        """
        before, self._share = self._share, min(share, self._share)
        try:
            yield
        finally:
            self._share = before
