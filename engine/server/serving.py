"""`serve`: listening, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..pages.microscope import Site as Pages
from ..pages.microscope import is_written
from ..store.plan import Plan
from ..store.project import Project

if TYPE_CHECKING:
    from .app import Site

_SECONDS_TO_END = 2


def check_installed() -> None:
    """See that what serves is installed.

    Raises:
        InputError: it is not; says how to install it.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise InputError("the server needs Starlette and uvicorn: pip install 'onnxscope[serve]'")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: On which address.
        port: On which port; 0 for any that is free.

    Raises:
        InputError: it is in use, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    # Python raises the last two where no host can have such a name.
    except (OSError, OverflowError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot listen on port {port} of {host}: {reason}; choose another --port, or "
            "--port 0 for any that is free"
        ) from error


def serve(
    plan: Plan,
    project: Project,
    sock: socket.socket,
    *,
    token: str | None = None,
    ready: Callable[[str, Stop], object] | None = None,
    troubled: Callable[[str], object] | None = None,
) -> int:
    """Show a project live, until Ctrl-C, or until it is stopped.

    Args:
        plan: The pictures of all units.
        project: Where they are kept.
        sock: What `listen` gave.
        token: What whoever has the address is known by; by default a random one.
        ready: Called as soon as it listens, with the address, token included, and with what
            stops it.
        troubled: Called in another thread, with a sentence, when the pages cannot be written.

    Returns:
        How many pictures were made.

    Raises:
        InputError: what serves is not installed, or rendering ended by a fault.
        ProviderError: the plan's provider is not there, or cannot run the network.
        OutputError: the site cannot be written.
        OnnxscopeError: the network cannot be run on the plan's pictures.
    """
    check_installed()
    import uvicorn

    from .app import Site
    from .asked import Asking
    from .guard import Guard

    host, port = sock.getsockname()[:2]
    token = secrets.token_urlsafe(24) if token is None else token
    pages = Pages(plan, project)
    if project.plan != json.loads(json.dumps(plan.to_json())) or not is_written(project):
        pages.write()
        with project.writing() as writer:
            writer.begin(plan)
    site = Site(project, Asking(plan), pages.write, troubled)
    config = uvicorn.Config(
        Guard(site.app(), token, host, port),
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # Streams of news would keep it from ending.
            site.close()
            super().handle_exit(sig, frame)

    server = Server(config)
    # Of all addresses of this machine none is a name that others could open.
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    name = f"[{name}]" if ":" in name else name
    stop = Stop(site, server)
    # Without its renderer the server would keep browsers waiting.
    site.renderer.start(ended=stop)
    try:
        if ready is not None:
            ready(f"http://{name}:{port}/?token={token}", stop)
        # uvicorn raises Ctrl-C again as soon as it has ended tidily.
        with suppress(KeyboardInterrupt):
            asyncio.run(server.serve(sockets=[sock]))
    finally:
        site.close()
        site.renderer.close()
        sock.close()
    if site.renderer.failure is not None:
        reason = site.renderer.failure
        raise InputError(
            f"the server ended, since nothing can be rendered any more "
            f"({type(reason).__name__}: {reason}); what was made is kept"
        ) from reason
    if site.renderer.made:
        pages.write()
    return site.renderer.made


class Stop:
    """Ends a server, from any thread."""

    def __init__(self, site: Site, server: Any) -> None:
        """Take what is ended."""
        self._site = site
        self._server = server

    def __call__(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._site.close()
