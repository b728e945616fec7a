"""Ctrl-C between two steps instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from types import TracebackType


class DeferredInterrupt:
    """In its block the first Ctrl-C is only remembered, so that what runs can end a step whole.

    A second one raises `KeyboardInterrupt` at once. Where Ctrl-C is not Python's own, or in another
    thread than the main one, nothing changes.

    Attributes:
        requested: Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._replaced = False

    def __enter__(self) -> DeferredInterrupt:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._remember)
            self._replaced = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._replaced:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _remember(self, *_signal: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
