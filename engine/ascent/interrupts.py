"""Ctrl-C between two steps instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from types import TracebackType

# What else ends programs, where the system has it: a shutdown, a terminal that is closed.
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]


class DeferredInterrupt:
    """In its block the first Ctrl-C is only remembered, so that what runs can end a step whole.

    A second one raises `KeyboardInterrupt` at once. So it is with the other signals where they
    interrupt as Ctrl-C does, which whoever owns the process says. Where Ctrl-C is not Python's own,
    or in another thread than the main one, nothing changes.

    Attributes:
        requested: Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._replaced: list[int] = []

    def __enter__(self) -> DeferredInterrupt:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is signal.default_int_handler:
                    signal.signal(number, self._remember)
                    self._replaced.append(number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in self._replaced:
            signal.signal(number, signal.default_int_handler)

    def _remember(self, *_signal: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
