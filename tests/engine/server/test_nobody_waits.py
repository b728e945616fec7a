"""Nobody waits for ever: not for what was asked out of turn, and not for a thread that is dead."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OutputError, ProviderError
from onnxscope.pages.microscope import Site as Pages
from onnxscope.runtime import session
from onnxscope.server import rendering
from onnxscope.server.app import Site
from onnxscope.server.asked import Asking
from onnxscope.server.queue import RenderQueue
from onnxscope.server.serving import listen, serve
from onnxscope.store.plan import make_plan
from onnxscope.store.project import Project
from starlette.requests import Request

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))
from live_server import Caller, Listener, planned, running


@pytest.fixture(scope="module")
def plan(squeezenet: osc.Model):
    return planned(squeezenet)


class Held:
    """Holds the first question back until it is let go, and knows who answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.site: Site | None = None
        answer = Site._tell_known

        def held(site: Site, who: str, wanted: list[Any]) -> list[Any]:
            first, self.site = self.site is None, site
            if first:
                self.begun.set()
                assert self.let_go.wait(60)
            return answer(site, who, wanted)

        monkeypatch.setattr(Site, "_tell_known", held)
        monkeypatch.setattr(RenderQueue, "take", _nothing)

    def ask(self, listener: Listener) -> threading.Thread:
        asking = threading.Thread(
            target=listener.view, kwargs={"seen": [["fire3", 1, "channel"]]}, daemon=True
        )
        asking.start()
        assert self.begun.wait(60)
        return asking


def _nothing(queue: RenderQueue, *_: object) -> list[Any]:
    """Take nothing, so that what is wanted stays in the queue."""
    with queue._changed:
        queue._changed.wait_for(lambda: queue._closed)
    return []


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_of_two_questions_the_later_one_holds_whichever_is_answered_last(
    plan, tmp_path, monkeypatch
):
    held = Held(monkeypatch)
    with running(plan, tmp_path / "scope") as caller, caller.listening() as listener:
        asking = held.ask(listener)
        assert listener.view(seen=[["fire4", 2, "channel"]]) == (200, {"waiting": 1})
        held.let_go.set()
        asking.join(60)
        assert held.site is not None
        wanted = [entry.asked.place for entry in held.site.queue._entries.values()]
        assert wanted == [("fire4", 2, "channel")]


@pytest.mark.slow
def test_what_was_asked_by_somebody_who_has_left_is_not_made(plan, tmp_path, monkeypatch):
    held = Held(monkeypatch)
    with running(plan, tmp_path / "scope") as caller:
        with caller.listening() as listener:
            asking = held.ask(listener)
        assert held.site is not None
        clients = held.site.clients
        until(lambda: not len(clients))
        held.let_go.set()
        asking.join(60)
        assert not len(held.site.queue)


def apart(work: Callable[[], Any]) -> Any:
    """Do it in a thread of its own: a browser's driver may have left a loop in this one."""
    done: Future[Any] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return done.result(120)


def test_a_stream_that_is_never_begun_leaves_nobody(plan, tmp_path):
    site = Site(Project.create(tmp_path / "p", plan.model), Asking(plan), lambda: None)
    answer = apart(lambda: asyncio.run(site._events(Request({"type": "http"}))))
    assert answer.status_code == 200
    assert not len(site.clients)


@pytest.mark.slow
def test_typed_pictures_that_are_forgotten_are_said_and_the_rest_is_made(plan, tmp_path):
    with running(plan, tmp_path / "scope") as caller, caller.listening() as listener:
        key = "0" * 32
        shown = {"typed": [key], "seen": [["fire3", 1, "channel"]]}
        assert listener.view(**shown) == (200, {"waiting": 1})
        ended = [one for one in listener.until_done(2) if one["state"] != "running"]
    assert {one["key"]: one["state"] for one in ended}[key] == "failed"
    assert sorted(one["state"] for one in ended) == ["done", "failed"]


@pytest.mark.slow
def test_without_its_renderer_the_server_ends_and_says_why(plan, tmp_path, monkeypatch):
    broken = threading.Event()

    def take(*_: object) -> list[Any]:
        assert broken.wait(60)
        raise RuntimeError("no luck")

    monkeypatch.setattr(RenderQueue, "take", take)
    heard: list[str] = []

    def look(address: str, _: object) -> None:
        caller = Caller(address)

        def hear() -> None:
            caller.come_in()
            with caller.listening() as listener:
                listener.view(seen=[["fire3", 1, "channel"]])
                broken.set()
                heard.append(listener.next()[0])

        thread = threading.Thread(target=hear, daemon=True)
        thread.start()
        threads.append(thread)

    threads: list[threading.Thread] = []
    project = Project.create(tmp_path / "p", plan.model)
    with listen("127.0.0.1", 0) as sock, pytest.raises(InputError, match="no luck"):
        apart(lambda: serve(plan, project, sock, ready=look))
    threads[0].join(60)
    assert heard == ["closed"]


def test_a_provider_that_is_not_there_is_said_before_anybody_waits(
    squeezenet, tmp_path, monkeypatch
):
    monkeypatch.setattr(session, "_cuda_problem", lambda: "there is no driver")
    plan = make_plan(squeezenet, ["fire3"], settings={"provider": "cuda"})
    project = Project.create(tmp_path / "p", squeezenet)
    with listen("127.0.0.1", 0) as sock, pytest.raises(ProviderError, match="no driver"):
        serve(plan, project, sock, ready=lambda _, stop: stop())


def test_a_provider_that_is_listed_and_does_not_start_is_said_before_anybody_waits(
    squeezenet, tmp_path, monkeypatch
):
    monkeypatch.setattr(session, "available_providers", lambda: ["tensorrt", "cpu"])
    plan = make_plan(squeezenet, ["fire3"], settings={"provider": "tensorrt"})
    project = Project.create(tmp_path / "p", squeezenet)
    with listen("127.0.0.1", 0) as sock, pytest.raises(ProviderError, match="tensorrt"):
        serve(plan, project, sock, ready=lambda _, stop: stop())


@pytest.mark.slow
def test_pages_that_cannot_be_written_are_said_at_once(plan, tmp_path, monkeypatch):
    full = threading.Event()
    write = Pages.write

    def written(pages: Pages, *given: float) -> Path:
        if full.is_set():
            raise OutputError(f"cannot write {tmp_path}: no room")
        return write(pages, *given)

    monkeypatch.setattr(Pages, "write", written)
    monkeypatch.setattr(rendering, "_IDLE", 0.05)
    said: list[str] = []
    with running(plan, tmp_path / "p", troubled=said.append) as caller:
        with caller.listening() as listener:
            assert listener.hello["trouble"] == ""
            listener.view(seen=[["fire3", 1, "channel"]])
            listener.until_done(1)
            full.set()
        until(lambda: said)
        with caller.listening() as listener:
            assert "could not be written" in listener.hello["trouble"]
            assert str(tmp_path) not in listener.hello["trouble"]
            full.clear()
            listener.view(seen=[["fire3", 2, "channel"]])
            listener.until_done(1)
        until(lambda: not _trouble(caller))
    words = "the pages cannot be written, and show less than there is"
    assert said == [f"{words}: cannot write {tmp_path}: no room"]


def _trouble(caller: Caller) -> str:
    with caller.listening() as listener:
        time.sleep(0.01)
        return str(listener.hello["trouble"])
