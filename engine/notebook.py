"""What a notebook shows while something takes its time; elsewhere nothing is shown.

IPython is used where it is loaded already, as in a notebook's kernel, and never imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from importlib import import_module
from threading import Lock, Timer
from typing import Any

_PATIENCE = 0.4
"""Seconds after which something is said: what is done by then needs no words."""

_STRIPES = (
    "<style>@keyframes onnxscope-busy{from{margin-left:0}to{margin-left:75%}}</style>"
    '<div style="width:16em;height:.35em;background:rgba(128,128,128,.25);border-radius:.2em">'
    '<div style="width:25%;height:100%;background:#4c8bf5;border-radius:.2em;'
    'animation:onnxscope-busy 1.2s ease-in-out infinite alternate"></div></div>'
)


def in_notebook() -> bool:
    """Return whether this is the kernel of a notebook, which can show HTML and change it."""
    ipython = sys.modules.get("IPython")
    find = getattr(ipython, "get_ipython", None)
    return find is not None and getattr(find(), "kernel", None) is not None


def show_below(value: object) -> None:
    """Show a value below the cell of a notebook, as its last line would."""
    _display().display(value)


def _display() -> Any:
    """IPython's functions, in a kernel, which has loaded them; without types."""
    return import_module("IPython.display")


def bar(share: float) -> str:
    """Return a bar as HTML that is filled to a share, from 0 to 1."""
    return (
        '<div style="width:16em;height:.35em;background:rgba(128,128,128,.25);'
        'border-radius:.2em;margin:.2em 0 .5em 0">'
        f'<div style="width:{100 * share:.1f}%;height:100%;background:#4c8bf5;'
        'border-radius:.2em"></div></div>'
    )


class Spot:
    """A place below the cell, whose HTML can be exchanged."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._handle: Any = None
        self._closed = False
        # What waits shows itself from another thread.
        self._lock = Lock()

    @property
    def used(self) -> bool:
        """Whether anything was shown."""
        return self._handle is not None

    def show(self, html: str, plain: str) -> None:
        """Show HTML in the place of what was there, or plain text where a page knows none."""
        shown = {"text/html": html, "text/plain": plain}
        with self._lock:
            if self._closed:
                return
            if self._handle is None:
                self._handle = _display().display(shown, raw=True, display_id=True)
            else:
                self._handle.update(shown, raw=True)

    def clear(self) -> None:
        """Leave nothing behind."""
        with self._lock:
            self._closed = True
            if self._handle is not None:
                self._handle.update({"text/html": "", "text/plain": ""}, raw=True)


class Wait:
    """Says what is being done, when it takes longer than a moment."""

    def __init__(self, what: str) -> None:
        """Start to wait.

        Args:
            what: Such as `"reading resnet50.onnx"`.
        """
        self.spot = Spot()
        self._what = what
        # A cell's output belongs to the context in which the cell runs.
        self._timer = Timer(_PATIENCE, copy_context().run, (self._show,))
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Wait:
        _waiting.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        # Nothing is left behind, whatever happened.
        _waiting.remove(self)
        self.stop()
        self.spot.clear()

    def say(self, what: str) -> None:
        """Say what is done now."""
        self._what = what
        if self.spot.used:
            self._show()

    def stop(self) -> None:
        """Say nothing more, and leave what is shown."""
        self._timer.cancel()

    def _show(self) -> None:
        from html import escape

        self.spot.show(f"<div>{escape(self._what)} …</div>{_STRIPES}", f"{self._what} …")


_waiting: list[Wait] = []


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None] | None]:
    """Say in a notebook what is done inside, when it takes longer than a moment.

    What is done within something else is said in its place.

    Args:
        what: Such as `"reading resnet50.onnx"`.

    Yields:
        What says what is done by now; `None` where nobody is told.
    """
    if not in_notebook():
        yield None
        return
    if _waiting:
        _waiting[-1].say(what)
        yield _waiting[-1].say
        return
    wait = Wait(what)
    with wait:
        yield wait.say
