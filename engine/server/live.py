"""`serve`: the microscope live from Python, in a thread beside the code that began it."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import OnnxscopeWarning
from ..network.model import Model
from ..pages.site import check_jinja
from ..plain import text, whole
from ..store.plan import Plan
from ..store.project import Project
from .opening import opened
from .serving import Stop, check_installed, listen
from .serving import serve as serve_until_stopped

if TYPE_CHECKING:
    from ..importer.opsets import ModelSource


class Server:
    """The microscope of a model, live in browsers until it is closed.

    In a `with` block it is closed at the end.

    Attributes:
        address: What to open in a browser; whoever has it may use it.
        plan: Which layers and units there are, and how pictures are made.
        project: Where they are kept.
    """

    def __init__(self, plan: Plan, project: Project, host: str, port: int) -> None:
        """Begin to serve (see `serve`).

        Raises:
            OnnxscopeError: see `serve`.
        """
        self.plan = plan
        self.project = project
        self.address = ""
        self._made = 0
        self._stop: Stop | None = None
        self._fault: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(host, port), name="serving", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        self._raise()

    @property
    def running(self) -> bool:
        """Whether browsers are answered."""
        return self._thread.is_alive()

    def wait(self) -> int:
        """Leave it running until it ends, by Ctrl-C or by `close` from another thread.

        Returns:
            How many pictures were made.

        Raises:
            InputError: rendering ended by a fault; what was made is kept.
            OutputError: the pages cannot be written at the end.
        """
        try:
            while self._thread.is_alive():
                # So short that Ctrl-C comes through on every system.
                self._thread.join(0.5)
        except KeyboardInterrupt:
            return self.close()
        self._raise()
        return self._made

    def close(self) -> int:
        """End it, write the pages of what there is, and return how many pictures were made.

        Raises:
            InputError: rendering ended by a fault; what was made is kept.
            OutputError: the pages cannot be written.
        """
        if self._stop is not None:
            self._stop()
        self._thread.join()
        self._raise()
        return self._made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self.address if self.running else "closed"
        return f"<Server of {self.plan.model.name}: {state}>"

    def _run(self, host: str, port: int) -> None:
        def ready(address: str, stop: Stop) -> None:
            self.address, self._stop = address, stop
            self._ready.set()

        def troubled(words: str) -> None:
            warnings.warn(words, OnnxscopeWarning, stacklevel=1)

        try:
            with listen(host, port) as sock:
                self._made = serve_until_stopped(
                    self.plan, self.project, sock, ready=ready, troubled=troubled
                )
        except BaseException as error:
            self._fault = error
        finally:
            self._ready.set()

    def _raise(self) -> None:
        """Raise what ended the thread, once."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault


def serve(
    model: Model | ModelSource,
    folder: str | os.PathLike[str] | None = None,
    layers: str | Sequence[str] | None = None,
    *,
    units: str | None = None,
    quality: str | None = None,
    size: int | tuple[int, int] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    provider: str = "auto",
) -> Server:
    """Show every unit of a network in the browser, and make pictures of those that are looked at.

    What is made is kept, as `microscope` keeps it. `with serve("squeezenet") as server:` ends it
    with the block, and `serve("squeezenet").wait()` by Ctrl-C.

    Args:
        model: A model, what `onnxscope.load` takes, or the folder of a project.
        folder: Of the project, new or that of an earlier call; by default `NAME-microscope`.
        layers: One name or several; by default the main ones.
        units: As for `microscope`.
        quality: As for `microscope`; by default that of the project, of a new one `draft`.
        size: Height and width in pixels, instead of the quality's.
        steps: How many steps to climb, instead of the quality's.
        seed: By default that of the project, or 0.
        host: Where to listen; other machines reach no 127.0.0.1. Elsewhere nothing is encrypted.
        port: On which port; 0 for any that is free.
        provider: See `onnxscope.render`.

    Returns:
        The server, whose `address` has a token in it: whoever has it may make pictures here.

    Raises:
        InputError: the address cannot be listened on, the folder holds something else, an argument
            is of another kind, or Jinja2, Starlette or uvicorn is not installed.
        ProviderError: the provider is not there, or cannot run the network.
        OutputError: the folder cannot be written.
        OnnxscopeError: there is no such layer or unit; see `onnxscope.load`.
    """
    check_jinja()
    check_installed()
    address = text("host", host, "an address such as '127.0.0.1'")
    number = whole("port", port, 0, 65535)
    plan, project = opened(
        model,
        folder,
        layers,
        units=units,
        quality=quality,
        size=size,
        steps=steps,
        seed=seed,
        provider=provider,
    )
    return Server(plan, project, address, number)
