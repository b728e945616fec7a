"""Who may speak to the server: whoever has its address with the token, from its own pages alone."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Scripts and styles are the server's own files; attributes `style` are set by its templates."""

_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}

# A page of its own goes on to the site: a cookie that is SameSite=Strict is not sent along with a
# request that another page began, and this one begins a new one.
_ENTRANCE = (
    b'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/">'
    b'<title>onnxscope</title><a href="/">To the microscope</a>'
)


class Guard:
    """Lets through what comes from the server's own pages, and answers all else itself.

    The first address has the token, which becomes a cookie that scripts cannot read and other sites
    do not send. `Host` must be the server's, so that no foreign name that leads to this machine is
    taken (DNS rebinding), and `Origin`, where a browser says it, likewise.
    """

    def __init__(self, app: ASGIApp, token: str, host: str, port: int) -> None:
        """Prepare.

        Args:
            app: What is behind it.
            token: What the first address has.
            host: The address that is listened on.
            port: The port.
        """
        self._app = app
        self._token = token
        # Cookies are shared by all ports of a host.
        self._cookie = f"onnxscope-{port}"
        self._port = port
        names = {"localhost", host.strip("[]").lower()}
        if not is_loopback(host):
            names.add(socket.gethostname().lower())
        self._names = frozenset(names)
        # Anywhere in the network an address may be this machine's, and no name leads to it.
        self._any_address = not is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        given = query.get("token", [""])[0]
        refusal = self._refusal(scope, headers)
        if refusal:
            await _answer(send, 403, f"{refusal}\n".encode())
        elif scope["path"] == "/" and given and self._is_token(given):
            cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            page = {"content-type": "text/html; charset=utf-8", "set-cookie": cookie}
            await _answer(send, 200, _ENTRANCE, page)
        elif not self._is_token(self._token_of(headers)):
            words = "open the address with the token, as `onnxscope serve` printed it"
            await _answer(send, 403, f"{words}\n".encode())
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Why a request is not answered, in words; empty where it may be."""
        host = headers.get("host", "")
        if not self._is_own(host):
            return "this is not the host that the request names"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "another site sent the request"
        if scope["method"] not in ("GET", "HEAD") and origin is None:
            return "the request does not say from which site it is"
        # Following a link is all that another site may do; another port is one as well.
        own = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        if not own and headers.get("sec-fetch-mode") != "navigate":
            return "another site sent the request"
        return ""

    def _is_own(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if port != self._port or "@" in host:
            return False
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address or address.is_loopback

    def _token_of(self, headers: Mapping[str, str]) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return "" if found is None else found.value

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            have = {name for name, _ in message.get("headers", ())}
            more = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in have]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return sending


async def _answer(
    send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    given = {"content-type": "text/plain; charset=utf-8", **_HEADERS, **(headers or {})}
    given["content-length"] = str(len(body))
    listed = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
