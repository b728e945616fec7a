"""What is wanted, by whom, and how soon: the queue of the one thread that renders."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import Condition

from .asked import Asked

OPENED, SEEN = 0, 1
"""How soon: what is opened large comes before what is in view."""

MOST = 400
"""So many pictures one browser may want at a time."""

_PATIENCE = 60.0
"""Seconds for which what failed is not tried again."""

Rank = tuple[int, int]
"""How soon, and behind how many others of the same browser."""


@dataclass
class _Entry:
    asked: Asked
    number: int
    ranks: dict[str, Rank] = field(default_factory=dict)

    @property
    def order(self) -> tuple[Rank, int]:
        return min(self.ranks.values()), self.number


class RenderQueue:
    """Pictures that browsers want, each once, however many want it.

    What nobody wants any more is not in it, so that it holds `MOST` pictures for each browser at
    most. Every method may be called from any thread.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._changed = Condition()
        self._entries: dict[str, _Entry] = {}
        self._running: frozenset[str] = frozenset()
        self._failed: dict[str, tuple[float, str]] = {}
        self._numbers = count()
        self._closed = False

    def want(self, who: str, wanted: Sequence[tuple[int, Asked]]) -> None:
        """Replace all that a browser wants.

        Args:
            who: The browser.
            wanted: How soon, `OPENED` or `SEEN`, and what; of those alike the first comes first.
                What is behind `MOST` is left out.
        """
        with self._changed:
            if self._closed:
                return
            self._forget(who)
            for at, (soon, asked) in enumerate(wanted[:MOST]):
                entry = self._entries.get(asked.key)
                if entry is None:
                    entry = self._entries[asked.key] = _Entry(asked, next(self._numbers))
                rank = soon, at
                entry.ranks[who] = min(entry.ranks.get(who, rank), rank)
            self._changed.notify_all()

    def leave(self, who: str) -> None:
        """Forget a browser and what it alone wants."""
        self.want(who, ())

    def _forget(self, who: str) -> None:
        for key in [key for key, entry in self._entries.items() if who in entry.ranks]:
            entry = self._entries[key]
            del entry.ranks[who]
            if not entry.ranks:
                del self._entries[key]

    def take(self, most: int, seconds: float | None = None) -> list[Asked] | None:
        """Return what comes first, as soon as something is wanted.

        Args:
            most: How many pictures that can be made together.
            seconds: How long to wait at most; by default without end.

        Returns:
            Pictures of one layer and kind, or one that is opened large alone; none where the queue
            is closed, `None` where nothing was wanted in that time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._entries, seconds):
                return None
            if self._closed:
                return []
            first, *others = sorted(self._entries.values(), key=lambda entry: entry.order)
            group = [first.asked]
            if first.order[0][0] != OPENED:
                group += [one.asked for one in others if _alike(first.asked, one.asked)]
            group = group[: max(most, 1)]
            self._running = frozenset(one.key for one in group)
            return group

    def goes_on(self) -> bool:
        """Return whether what runs is still wanted, and nothing else is much sooner."""
        with self._changed:
            running = [self._entries[key] for key in self._running if key in self._entries]
            if self._closed or not running:
                return False
            soon = min(entry.order[0][0] for entry in running)
            others = (e for key, e in self._entries.items() if key not in self._running)
            return soon <= min((entry.order[0][0] for entry in others), default=soon)

    def done(self, key: str, error: str = "") -> Mapping[str, int]:
        """Take a picture out, as it is made or cannot be.

        Whoever wants it from now on has it come up again, and so is told as well.

        Args:
            key: Which.
            error: Why it cannot.

        Returns:
            Which browsers wanted it, and how soon: whom to tell.
        """
        with self._changed:
            if error:
                now = time.monotonic()
                self._failed = {k: f for k, f in self._failed.items() if now < f[0]}
                self._failed[key] = now + _PATIENCE, error
            self._running -= {key}
            return _ranked(self._entries.pop(key, None))

    def stopped(self) -> None:
        """Say that nothing runs; what is still wanted stays."""
        with self._changed:
            self._running = frozenset()

    def failure(self, key: str) -> str:
        """Return why a picture could not be made just now; empty where it was not tried."""
        with self._changed:
            until, error = self._failed.get(key, (0.0, ""))
            return error if time.monotonic() < until else ""

    def who_wants(self, key: str) -> Mapping[str, int]:
        """Return which browsers want a picture, and how soon."""
        with self._changed:
            return _ranked(self._entries.get(key))

    def __len__(self) -> int:
        """Return how many pictures are wanted, those that run included."""
        with self._changed:
            return len(self._entries)

    def close(self) -> None:
        """End: nothing is wanted any more, and what runs does not go on."""
        with self._changed:
            self._closed = True
            self._entries.clear()
            self._changed.notify_all()


def _ranked(entry: _Entry | None) -> Mapping[str, int]:
    """Who wants it, and how soon."""
    return {} if entry is None else {who: rank[0] for who, rank in entry.ranks.items()}


def _alike(first: Asked, other: Asked) -> bool:
    """Whether two can be made together."""
    one, two = first.wanted, other.wanted
    return (
        one is not None
        and two is not None
        and one.kind.pictures == two.kind.pictures == 1
        and (one.layer.name, one.kind.name) == (two.layer.name, two.kind.name)
        and one.settings == two.settings
    )
