"""A time limit that all of a work keeps to, without being handed from one to the next.

Building a graph of thousands of nodes, or a run of one, may take longer than somebody will wait.
Each node that is appended asks whether there is time for it, and each run ends when it is up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Protocol


class Limit(Protocol):
    """How long something may take."""

    @property
    def left(self) -> float | None:
        """The seconds that are left, at least 0; `None` without a limit."""

    def check(self) -> None:
        """See that there is time left.

        Raises:
            OutOfTimeError: there is none.
        """


_limit: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextlib.contextmanager
def limited_by(limit: Limit) -> Iterator[None]:
    """Keep all that is done within to a limit.

    Args:
        limit: The limit; the one around it does not count meanwhile.
    """
    before = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(before)


def require_time() -> None:
    """See that there is time left, where there is a limit.

    Raises:
        OutOfTimeError: there is none.
    """
    limit = _limit.get()
    if limit is not None:
        limit.check()


def seconds_left() -> float | None:
    """Return the seconds that are left, at least 0; `None` without a limit."""
    limit = _limit.get()
    return None if limit is None else limit.left
