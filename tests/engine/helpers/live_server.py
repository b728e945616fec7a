"""A server of a project, running on loopback, and somebody who speaks to it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import onnxscope as osc
from onnxscope.server.serving import Stop, listen, serve
from onnxscope.store.plan import Plan, make_plan
from onnxscope.store.project import Project

PATIENCE = 120
"""Seconds without any news after which something is wrong, however busy the machine is."""


def planned(network: osc.Model, *, steps: int = 4, units: str = "0:12") -> Plan:
    return make_plan(
        network,
        ["fire3", "fire4", "logits"],
        units=units,
        kinds=["channel", "neuron"],
        quality="draft",
        size=48,
        steps=steps,
        settings={"provider": "cpu"},
    )


@contextmanager
def running(plan: Plan, folder: Path, **more: Any) -> Iterator[Caller]:
    """Serve a project from a thread until the block ends; then nothing of it is left."""
    found: dict[str, Any] = {}
    there = threading.Event()

    def ready(address: str, stop: Stop) -> None:
        found.update(address=address, stop=stop)
        there.set()

    def work() -> None:
        project = Project.create(folder, plan.model)
        found["made"] = serve(plan, project, sock, ready=ready, **more)

    before = set(threading.enumerate())
    sock = listen("127.0.0.1", 0)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        assert there.wait(60)
        caller = Caller(found["address"])
        caller.come_in()
        yield caller
    finally:
        began = time.monotonic()
        found["stop"]()
        thread.join(30)
        assert not thread.is_alive(), "the server does not end"
        assert time.monotonic() - began < 10
        left = [one for one in set(threading.enumerate()) - before if one.name == "rendering"]
        assert not left, "a rendering is left"


class Caller:
    """Speaks to a server as a browser's page does."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.address = address
        self.port = parts.port
        self.host = f"{parts.hostname}:{parts.port}"
        self.token = parts.query.removeprefix("token=")
        self.cookie = ""

    def come_in(self) -> None:
        status, headers, _ = self.get(f"/?token={self.token}")
        assert status == 200
        said = headers["set-cookie"]
        assert "HttpOnly" in said
        assert "SameSite=Strict" in said
        self.cookie = said.split(";")[0]

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> tuple[int, dict[str, str], bytes]:
        given: dict[str, str | None] = {"Host": self.host, "Cookie": self.cookie}
        if method == "POST":
            given["Origin"] = f"http://{self.host}"
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = {name: value for name, value in given.items() if value is not None}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, named, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str | None) -> tuple[int, dict[str, str], bytes]:
        return self.ask("GET", path, **headers)

    def post(self, path: str, data: object, **headers: str | None) -> tuple[int, Any]:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        status, _, answer = self.ask("POST", path, body, **headers)
        return status, json.loads(answer) if answer.startswith(b"{") else answer.decode()

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        listener = Listener(self)
        try:
            yield listener
        finally:
            listener.close()


class Listener:
    """Listens to the news, and says what is in view."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._socket = socket.create_connection(("127.0.0.1", caller.port), timeout=60)
        lines = [
            "GET /live/events HTTP/1.1",
            f"Host: {caller.host}",
            f"Cookie: {caller.cookie}",
            "",
            "",
        ]
        self._socket.sendall("\r\n".join(lines).encode())
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        assert answer.status == 200, answer.read()
        self._answer = answer
        name, hello = self.next()
        assert name == "hello"
        self.hello = hello
        self.client = hello["client"]

    def next(self) -> tuple[str, Any]:
        """Wait for the next event, and return its name and data.

        Raises:
            AssertionError: the stream has ended, or there are heartbeats only.
        """
        name = ""
        began = time.monotonic()
        # A heartbeat every fifteen seconds keeps the socket from running out of time.
        while time.monotonic() - began < PATIENCE:
            line = self._answer.readline().decode()
            assert line, "the server ended the stream"
            if line.startswith("event: "):
                name = line.removeprefix("event: ").rstrip("\n")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))
        raise AssertionError(f"no news in {PATIENCE} seconds")

    def view(self, **shown: object) -> tuple[int, Any]:
        return self._caller.post("/live/view", {"client": self.client, **shown})

    def until_step(self, step: int) -> None:
        """Wait until the one picture that is made is at a step."""
        reached = 0
        while reached < step:
            name, news = self.next()
            assert (name, news["state"]) == ("picture", "running"), news
            reached = news.get("step", 0)

    def until_done(self, count: int) -> list[Any]:
        """Return all news until so many pictures are done or have failed."""
        found, ended = [], set()
        while len(ended) < count:
            name, news = self.next()
            assert name == "picture"
            found.append(news)
            if news["state"] in ("done", "failed"):
                ended.add(news["key"])
        return found

    def close(self) -> None:
        self._answer.close()
        self._socket.close()
