"""Browsers that listen, and what each is still to be told."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError

_MOST = 256


@dataclass
class Client:
    """A browser's page that listens.

    Attributes:
        name: What it calls itself when it asks.
        news: What it is still to be told, by picture: later news of one take the place of earlier,
            so that a slow browser misses steps and no end.
        questions: How many it has asked so far: of two that it asks at once the later one holds.
        awake: Set where there are news.
    """

    name: str
    news: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    questions: int = 0


class Clients:
    """All that listen. The methods belong to the server's thread, but for `tell` and `close`."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._clients: dict[str, Client] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def join(self) -> Client:
        """Add one."""
        self._loop = asyncio.get_running_loop()
        client = Client(secrets.token_hex(8))
        self._clients[client.name] = client
        if self.closed:
            client.awake.set()
        return client

    def leave(self, client: Client) -> None:
        """Remove one."""
        self._clients.pop(client.name, None)

    def find(self, name: object) -> Client | None:
        """Return one that listens; `None` where it does not, or not any more."""
        return self._clients.get(name) if isinstance(name, str) else None

    def check_room(self) -> None:
        """See that there is room for one more.

        Raises:
            InputError: there are too many.
        """
        if len(self._clients) >= _MOST:
            raise InputError(f"{_MOST} pages listen already; close some")

    def __len__(self) -> int:
        return len(self._clients)

    def tell(self, name: str, key: str, news: Mapping[str, Any]) -> None:
        """Tell one something of a picture, from any thread.

        Args:
            name: Which one; who has left is told nothing.
            key: Of which picture.
            news: What, as plain data.
        """

        def put() -> None:
            client = self._clients.get(name)
            if client is not None:
                client.news[key] = news
                client.awake.set()

        self._soon(put)

    def close(self) -> None:
        """Let all that listen end, from any thread."""

        def wake() -> None:
            for client in self._clients.values():
                client.awake.set()

        self.closed = True
        self._soon(wake)

    def _soon(self, work: Callable[[], object]) -> None:
        """Do something in the server's thread."""
        if self._loop is not None:
            # Once it is closed, nobody listens any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(work)
