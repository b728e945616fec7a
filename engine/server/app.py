"""The server's addresses: the site's files, what is live beside them, and what is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..errors import InputError, OnnxscopeError
from ..plain import whole
from ..store.project import Project
from . import previews
from .asked import Asked, Asking
from .clients import Clients
from .near import Nearness
from .photos import MOST_BYTES, Photos
from .queue import MOST, OPENED, SEEN, RenderQueue
from .rendering import Renderer, refused

_MOST_ASKED = 64_000
_HEARTBEAT = 15.0
_THUMBNAILS = 4000
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".npz": "application/octet-stream",
}
"""What a site is made of; no other file of its folder is served."""

_LIVE = {
    name: files("onnxscope.pages").joinpath("assets", name) for name in ("live.css", "live.js")
}
_HEAD = (
    '<link rel="stylesheet" href="/live/live.css">\n<script defer src="/live/live.js"></script>\n'
)
_FORGOTTEN = {
    "state": "failed",
    "title": "a picture that was typed",
    "error": "it is not known any more; type it again",
}
_TROUBLE = (
    "The pages could not be written again, and show less than there is until a unit is looked at; "
    "the terminal says why."
)
_FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}


class Site:
    """What is served: the site of a project, live.

    Attributes:
        clients: Who listens.
        queue: What is wanted.
        renderer: Who makes it.
    """

    def __init__(
        self,
        project: Project,
        asking: Asking,
        site: Callable[[], object],
        troubled: Callable[[str], object] | None = None,
    ) -> None:
        """Prepare.

        Args:
            project: What is shown, and where pictures are kept.
            asking: What may be asked for.
            site: Writes the site of what there is.
            troubled: Told in a sentence that it cannot be written; whoever comes then is told, too.

        Raises:
            OnnxscopeError: see `Renderer`.
        """
        self.clients = Clients()
        self.queue = RenderQueue()
        self.renderer = Renderer(asking.plan, project, self.queue, self.clients, site, troubled)
        self._folder = project.folder.resolve()
        self._asking = asking
        self._nearness = Nearness(asking, project)
        height, width = asking.plan.height_and_width
        settings = asking.plan.settings
        self._usual = {
            "size": str(height) if height == width else f"{height}×{width}",
            "steps": settings["steps"],
            "seed": settings.get("seed", 0),
        }
        self._photos = Photos(asking.plan)
        self._typed: dict[str, Asked] = {}
        self._thumbnail = lru_cache(_THUMBNAILS)(previews.thumbnail)

    def app(self) -> Starlette:
        """Return the application, without its guard."""
        routes = [
            # Browsers ask for it by themselves.
            Route("/favicon.ico", lambda _: Response(status_code=204)),
            Route("/live/events", self._events),
            Route("/live/view", _answered(self._view), methods=["POST"]),
            Route("/live/type", _answered(self._type), methods=["POST"]),
            Route("/live/photo", _answered(self._photo), methods=["POST"]),
            Route("/live/photo/{name}.webp", _answered(self._photo_file)),
            Route("/live/photo/{name}/{layer}", _answered(self._cube)),
            Route("/live/near/{layer}/{unit:int}", _answered(self._near)),
            Route("/live/thumbnail/{key}.webp", _answered(self._small)),
            Route("/live/{name}", _answered(self._live)),
            Route("/{path:path}", _answered(self._file)),
        ]
        return Starlette(routes=routes)

    def close(self) -> None:
        """End all that goes on: renderings, and streams of news."""
        self.queue.close()
        self.clients.close()

    # News -------------------------------------------------------------------------------------

    async def _events(self, request: Request) -> Response:
        del request  # who sent it, the guard has seen
        try:
            self.clients.check_room()
        except InputError as error:
            return _refusal(503, str(error))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._news(), media_type="text/event-stream", headers=headers)

    async def _news(self) -> AsyncIterator[str]:
        # Here and not before: of a stream that is never begun, nobody would take the client away.
        client = self.clients.join()
        try:
            # The reason names folders, which are nobody's business that a page is shown to.
            trouble = _TROUBLE if self.renderer.trouble else ""
            yield _event("hello", {"client": client.name, "trouble": trouble, **self._usual})
            while not self.clients.closed:
                try:
                    await asyncio.wait_for(client.awake.wait(), _HEARTBEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                client.awake.clear()
                news, client.news = client.news, {}
                for one in news.values():
                    yield _event("picture", one)
            yield _event("closed", {})
        finally:
            # Whoever leaves wants nothing any more.
            self.clients.leave(client)
            self.queue.leave(client.name)

    # Questions --------------------------------------------------------------------------------

    async def _view(self, request: Request) -> Response:
        """Take what a browser shows now: units in view, those opened large, typed pictures."""
        given = await _object(request)
        client = self.clients.find(given.get("client"))
        if client is None:
            return _refusal(410, "this page does not listen any more; load it again")
        client.questions += 1
        number = client.questions
        for key in self._typed_of(given):
            if key not in self._typed:
                # As behind a new start of the server; all else that it shows is made meanwhile.
                self.clients.tell(client.name, key, _FORGOTTEN | {"key": key})
        # Off the server's own thread: hundreds of questions take a while.
        left = await run_in_threadpool(lambda: self._tell_known(client.name, self._wanted(given)))
        # Meanwhile it may have asked for something else, or left: nobody would wait for this.
        if number == client.questions and self.clients.find(client.name) is client:
            self.queue.want(client.name, left)
        return JSONResponse({"waiting": len(left)})

    def _wanted(self, given: Mapping[str, Any]) -> list[tuple[int, Asked]]:
        """Read what a browser shows.

        Raises:
            InputError: something of it is not there.
        """
        wanted: list[tuple[int, Asked]] = []
        for name, soon in (("open", OPENED), ("seen", SEEN)):
            wanted += [(soon, self._asking.of_plan(_place(one))) for one in _listed(given, name)]
        wanted += [
            (OPENED, self._typed[key]) for key in self._typed_of(given) if key in self._typed
        ]
        return wanted

    def _typed_of(self, given: Mapping[str, Any]) -> list[str]:
        keys = _listed(given, "typed")
        if not all(isinstance(key, str) for key in keys):
            raise InputError("typed pictures are called by their keys")
        return keys

    def _tell_known(self, who: str, wanted: list[tuple[int, Asked]]) -> list[tuple[int, Asked]]:
        """Tell a browser of what is there already, and return the rest."""
        left = []
        for soon, asked in wanted:
            try:
                found = self.renderer.told(asked)
            except OnnxscopeError as error:
                found = refused(asked, str(error))
            reason = self.queue.failure(asked.key)
            if found is None and reason:
                found = refused(asked, reason)
            if found is None:
                left.append((soon, asked))
            else:
                self.clients.tell(who, asked.key, found)
        return left

    async def _type(self, request: Request) -> Response:
        given = await _object(request)
        target = given.pop("target", None)
        known = {"kind", "size", "steps", "seed", "transforms"}
        for name in given:
            if name not in known:
                raise InputError(f"there is no setting {name!r}; known are {sorted(known)}")
        asked = await run_in_threadpool(lambda: self._asking.typed(target, **given))
        self._typed[asked.key] = asked
        while len(self._typed) > 64 * MOST:
            self._typed.pop(next(iter(self._typed)))
        return JSONResponse({"key": asked.key, "title": asked.title, "command": asked.command})

    async def _near(self, request: Request) -> Response:
        """Tell what a unit's channel picture says of other units, as soon as it is made."""
        layer, unit = request.path_params["layer"], request.path_params["unit"]
        asked = self._asking.of_plan((layer, unit, "channel"))
        found = await run_in_threadpool(lambda: self._nearness.of(asked))
        if found is None:
            return _refusal(404, f"{asked.title} is not made yet")
        return JSONResponse(found)

    # Photographs ------------------------------------------------------------------------------

    async def _photo(self, request: Request) -> Response:
        data = await _body(request, MOST_BYTES)
        photo = await run_in_threadpool(self._photos.add, data)
        height, width = photo.picture.shape[:2]
        return JSONResponse({"photo": photo.name, "height": height, "width": width})

    async def _photo_file(self, request: Request) -> Response:
        data = await run_in_threadpool(self._photos.webp, request.path_params["name"])
        return Response(data, media_type="image/webp", headers=_FOR_EVER)

    async def _cube(self, request: Request) -> Response:
        layer = self._asking.layers.get(request.path_params["layer"])
        if layer is None:
            return _refusal(404, "there is no such layer here")
        name = request.path_params["name"]
        return JSONResponse(await run_in_threadpool(self._photos.cube, name, layer))

    # Files ------------------------------------------------------------------------------------

    async def _small(self, request: Request) -> Response:
        key = request.path_params["key"]
        path = self._inside(f"answers/{key[:2]}/{key}.png")
        if path is None:
            return _refusal(404, "there is no such picture")
        data = await run_in_threadpool(self._thumbnail, path)
        return Response(data, media_type="image/webp", headers=_FOR_EVER)

    async def _live(self, request: Request) -> Response:
        source = _LIVE.get(request.path_params["name"])
        if source is None:
            return _refusal(404, "there is no such file")
        kind = _TYPES[Path(source.name).suffix]
        return Response(source.read_bytes(), media_type=kind)

    async def _file(self, request: Request) -> Response:
        path = self._inside(request.path_params["path"] or "index.html")
        if path is None:
            return _refusal(404, "there is no such file")
        kind = _TYPES[path.suffix]
        if path.suffix != ".html":
            return FileResponse(path, media_type=kind)
        text = await run_in_threadpool(path.read_text, "utf-8")
        return Response(text.replace("</head>", f"{_HEAD}</head>", 1), media_type=kind)

    def _inside(self, name: str) -> Path | None:
        """The file of the site that an address means; `None` where it means no such."""
        parts = name.split("/")
        # No hidden ones, and none of another folder, another drive or a device.
        if any(not part or part.startswith(".") or set(part) & set("\\:\0") for part in parts):
            return None
        path = self._folder.joinpath(*parts)
        try:
            found = path.resolve(strict=True)
        except (OSError, ValueError):
            return None
        inside = found.is_relative_to(self._folder) and found.is_file()
        return found if inside and found.suffix in _TYPES else None


_Handler = Callable[[Request], Awaitable[Response]]


def _answered(handler: _Handler) -> _Handler:
    """Answer what does not fit with a sentence."""

    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except _TooLargeError as error:
            # What it goes on to send is not read.
            return _refusal(413, str(error), connection="close")
        except OnnxscopeError as error:
            return _refusal(422, str(error))
        except MemoryError:
            return _refusal(422, "there is not enough memory for that")
        except OSError:
            return _refusal(404, "there is no such file")

    return answering


class _TooLargeError(InputError):
    """A request's body is larger than it may be."""


async def _body(request: Request, most: int) -> bytes:
    """Read a request's body.

    Raises:
        _TooLargeError: it is larger than it may be; no more of it is read.
    """
    said = request.headers.get("content-length", "0")
    words = f"at most {most:,} bytes are taken"
    if not said.isdecimal() or int(said) > most:
        raise _TooLargeError(words)
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > most:
            raise _TooLargeError(words)
    return bytes(found)


async def _object(request: Request) -> dict[str, Any]:
    """Read a request's body as an object of JSON.

    Raises:
        InputError: it is none.
    """
    data = await _body(request, _MOST_ASKED)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the request is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError("the request must be an object")
    return found


def _listed(given: Mapping[str, Any], name: str) -> list[Any]:
    found = given.get(name, [])
    if not isinstance(found, list) or len(found) > MOST:
        raise InputError(f"{name} must be a list of at most {MOST}")
    return found


def _place(given: object) -> tuple[str, int, str]:
    match given:
        case [str() as layer, unit, str() as kind]:
            return layer, whole("the unit", unit, 0), kind
    raise InputError("a unit is written as [layer, unit, kind]")


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def _refusal(status: int, words: str, **headers: str) -> JSONResponse:
    return JSONResponse({"error": words}, status, headers)
