"""The server itself: who may speak to it, what is made live, and that nothing of it is left."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.server.guard import Guard, is_loopback
from onnxscope.server.serving import listen
from onnxscope.store.filling import fill
from onnxscope.store.plan import Plan
from onnxscope.store.project import Project
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))
from live_server import Caller, planned, running

EVIL = "</script><img src=x onerror=alert(1)>"
LABELS = [EVIL, *(f"class {n}" for n in range(1, 1000))]


@pytest.fixture(scope="module")
def network() -> osc.Model:
    return osc.load("squeezenet", labels=LABELS)


@pytest.fixture(scope="module")
def plan(network) -> Plan:
    return planned(network)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live") / "scope"


@pytest.fixture(scope="module")
def caller(plan, folder) -> Iterator[Caller]:
    with running(plan, folder) as caller:
        yield caller


def a_photo(kind: str = "JPEG", size: tuple[int, int] = (90, 60)) -> bytes:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


# What is made -------------------------------------------------------------------------------------


def test_what_is_in_view_is_made_sharpens_and_is_kept(caller, plan, folder):
    with caller.listening() as listener:
        assert listener.hello["steps"] == 4
        status, answer = listener.view(seen=[["fire3", 1, "channel"], ["fire3", 2, "channel"]])
        assert (status, answer) == (200, {"waiting": 2})
        news = listener.until_done(2)
    on_its_way = [one for one in news if one["state"] == "running" and "source" in one]
    assert all(one["source"].startswith("data:image/webp;base64,") for one in on_its_way)
    assert all(one["steps"] == 4 for one in on_its_way)
    done = {one["unit"]: one for one in news if one["state"] == "done"}
    assert sorted(done) == [1, 2]
    layer, kind = plan.layers[0], plan.kinds[0]
    wanted = plan.wanted(layer, 1, kind)
    assert done[1]["key"] == wanted.question.key
    status, headers, picture = caller.get("/" + done[1]["told"]["source"])
    assert (status, headers["content-type"]) == (200, "image/png")
    # The batch run would make the same, and finds it.
    made = osc.render(plan.model, wanted.objective, **wanted.settings)
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(picture))), np.asarray(made.sheet())
    )
    filled = fill(plan, Project.open(folder), order=[(layer, unit, kind) for unit in (1, 2)])
    assert (filled.there, filled.made) == (2, 0)
    status, headers, small = caller.get(f"/live/thumbnail/{done[1]['key']}.webp")
    assert (status, headers["content-type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(small)).size == (48, 48)


def test_what_a_picture_says_of_other_units_is_told(caller, plan, folder):
    with caller.listening() as listener:
        listener.view(seen=[["fire4", 7, "channel"]])
        listener.until_done(1)
    status, _, body = caller.get("/live/near/fire4/7")
    found = json.loads(body)
    known = Project.open(folder).answer(plan.wanted(plan.layers[1], 7, plan.kinds[0]).question)
    assert (status, found["means"]) == (200, known["means"])
    shares = np.array(known["earlier"]["shares"])
    name = "fire4/squeeze1x1"
    assert [at for at, _ in found["earlier"][name]] == np.argsort(-shares)[:6].tolist()
    assert found["others"][name]["name"] == name
    assert caller.get("/live/near/fire4/11")[0] == 404
    assert caller.get("/live/near/fire4/700")[0] == 422


@pytest.mark.slow
def test_what_is_there_is_told_at_once(caller, plan, folder):
    layer, kind = plan.layers[1], plan.kinds[0]
    fill(plan, Project.open(folder), order=[(layer, 3, kind)])
    with caller.listening() as listener:
        assert listener.view(open=[["fire4", 3, "channel"]]) == (200, {"waiting": 0})
        (news,) = listener.until_done(1)
    assert news["told"]["looks"][0]["max"] > 0
    assert news["told"]["command"].startswith("onnxscope render squeezenet 'each_unit(")


def test_what_is_typed_is_made_with_its_curve(caller):
    status, answer = caller.post("/live/type", {"target": "fire3:7 + 0.5*fire4:9", "steps": 6})
    assert status == 200
    with caller.listening() as listener:
        listener.view(typed=[answer["key"]])
        news = listener.until_done(1)
    assert news[-1]["state"] == "done"
    assert [step for step, _ in news[-1]["told"]["curve"]] == [1, 2, 3, 4, 5, 6]
    curves = [one["curve"] for one in news if "curve" in one]
    assert all(len(one) < len(two) for one, two in pairwise(curves))
    status, answer = caller.post("/live/type", {"target": "fire33:7"})
    assert status == 422
    assert "did you mean" in answer["error"]
    assert "fire3" in answer["error"]
    assert caller.post("/live/type", {"target": "fire3:7", "stops": 3})[0] == 422


def test_two_browsers_want_the_same_and_it_is_made_once(caller, folder):
    with caller.listening() as one, caller.listening() as two:
        one.view(seen=[["fire3", 5, "channel"]])
        two.view(open=[["fire3", 5, "channel"]])
        (first,) = [n for n in one.until_done(1) if n["state"] == "done"]
        (second,) = [n for n in two.until_done(1) if n["state"] == "done"]
    assert first == second


@pytest.mark.slow
def test_fifty_browsers_at_once_and_nothing_is_lost(caller):
    units = list(range(12))
    lost: list[int] = []

    def look(number: int) -> None:
        with caller.listening() as listener:
            mine = [units[(number + at) % 12] for at in range(6)]
            listener.view(seen=[["fire4", unit, "channel"] for unit in mine])
            done = {n["unit"] for n in listener.until_done(6) if n["state"] == "done"}
            if done != set(mine):
                lost.append(number)

    threads = [threading.Thread(target=look, args=(number,), daemon=True) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert not lost


@pytest.mark.slow
def test_who_leaves_mid_render_is_forgotten(caller, folder):
    _, answer = caller.post("/live/type", {"target": "fire4:11", "steps": 4096})
    with caller.listening() as listener:
        listener.view(typed=[answer["key"]])
        listener.until_step(3)
    # It would take minutes: the next one comes first at once, since nobody wants it any more.
    began = time.monotonic()
    with caller.listening() as listener:
        listener.view(seen=[["fire3", 9, "neuron"]])
        assert listener.until_done(1)[-1]["state"] == "done"
    assert time.monotonic() - began < 30
    assert not (folder / "answers" / answer["key"][:2] / f"{answer['key']}.png").exists()


@pytest.mark.slow
def test_what_fails_is_said(caller):
    _, answer = caller.post("/live/type", {"target": "fire3:7", "transforms": "crop(0.3, 0.6)",
                                           "size": 16})  # fmt: skip
    with caller.listening() as listener:
        listener.view(typed=[answer["key"]])
        last = listener.until_done(1)[-1]
    assert last["state"] == "done" or last["error"]


# Photographs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_and_its_cube(caller, network, kind):
    status, answer = caller.post("/live/photo", a_photo(kind))
    assert status == 200
    name = answer["photo"]
    status, _, shown = caller.get(f"/live/photo/{name}.webp")
    assert Image.open(io.BytesIO(shown)).size == (answer["width"], answer["height"])
    status, _, body = caller.get(f"/live/photo/{name}/fire4")
    cube = json.loads(body)
    assert (cube["name"], cube["units"], cube["rows"], cube["columns"]) == ("fire4", 256, 27, 27)
    assert caller.get(f"/live/photo/{name}/fire44")[0] == 404
    assert caller.get("/live/photo/0000/fire4")[0] == 422


def test_the_numbers_of_a_cube(caller, network):
    from base64 import b64decode

    photo = a_photo("PNG")
    _, answer = caller.post("/live/photo", photo)
    cube = json.loads(caller.get(f"/live/photo/{answer['photo']}/fire4")[2])
    values = np.frombuffer(b64decode(cube["values"]), np.int8).reshape(256, 27, 27)
    scales = np.frombuffer(b64decode(cube["scales"]), "<f4")
    given = osc.fit(Image.open(io.BytesIO(photo)), network)
    expected = network.activations(given[None], "fire4")["fire4"][0]
    scale = np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert np.all(np.abs(values * scales[:, None, None] - expected) <= scale / 127 + 1e-6)


def bomb() -> bytes:
    """A PNG of a few kilobytes that would be 10 GB of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    size = (60_000).to_bytes(4, "big")
    head = chunk(b"IHDR", size * 2 + bytes([8, 2, 0, 0, 0]))
    data = chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    return b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"GIF89a", "cannot read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (a_photo()[:400], "cannot read"),
        (bomb(), "pixels"),
    ],
)
def test_what_is_no_photograph_is_refused(caller, data, said):
    status, answer = caller.post("/live/photo", data)
    assert status == 422
    assert said in answer["error"]


def test_a_giant_upload_is_not_read(caller):
    status, answer = caller.post("/live/photo", b"", Content_Length=str(10**12))
    assert status == 413
    assert "20,000,000 bytes" in answer["error"]
    # Neither where its length is not said.
    sent = 0
    with socket.create_connection(("127.0.0.1", caller.port), timeout=30) as raw:
        lines = ["POST /live/photo HTTP/1.1", f"Host: {caller.host}", f"Cookie: {caller.cookie}",
                 f"Origin: http://{caller.host}", "Transfer-Encoding: chunked", "", ""]  # fmt: skip
        raw.sendall("\r\n".join(lines).encode())
        part = b"%x\r\n" % 1_000_000 + bytes(1_000_000) + b"\r\n"
        with suppress(OSError):
            for _ in range(200):
                raw.sendall(part)
                sent += 1
    assert sent < 100
    assert caller.get("/")[0] == 200


# Who may speak to it ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/fire3.html", "/live/events", "/data/index.js"])
def test_without_the_token_there_is_nothing(caller, path):
    assert caller.get(path, Cookie=None)[0] == 403
    wrong = caller.cookie.split("=")[0] + "=" + "x" * 32
    assert caller.get(path, Cookie=wrong)[0] == 403
    assert caller.get(f"{path}?token=wrong", Cookie=None)[0] == 403
    if path != "/live/events":
        assert caller.get(path)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "",
        "10.0.0.7:{port}",
        "127.0.0.1.evil.example:{port}",
        "x@127.0.0.1:{port}",
    ],
)
def test_a_foreign_name_that_leads_here_is_refused(caller, host):
    assert caller.get("/", Host=host.format(port=caller.port))[0] == 403
    given = f"/?token={caller.token}"
    assert caller.get(given, Host=host.format(port=caller.port))[0] == 403


def test_own_names_are_taken(caller):
    for name in ("localhost", "127.0.0.1", "[::1]", "127.0.0.2"):
        assert caller.get("/", Host=f"{name}:{caller.port}")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", None])
def test_another_site_cannot_drive_it(caller, origin):
    status, _, _ = caller.ask("POST", "/live/type", b'{"target": "fire3:1"}', Origin=origin)
    assert status == 403
    if origin is not None:
        assert caller.get("/live/events", Origin=origin)[0] == 403
    embedded = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
    assert caller.get("/data/index.js", **embedded)[0] == 403
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert caller.get("/", **followed)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/data/..%2f..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/.unfinished/x.json",
        "/data/%00index.js",
        "/data\\index.js",
        "/C:/index.html",
        "/lock",
        "/outside.json",
        "/linked.html",
        "/live/../../live.js",
        "/live/..%2fbase.css",
        "/live/thumbnail/..%2f..%2fsecret.webp",
    ],
)
def test_nothing_outside_the_site_is_served(caller, folder, path):
    (folder.parent / "outside.json").write_text("{}")
    if not (folder / "linked.html").is_symlink():
        (folder / "linked.html").symlink_to(folder.parent / "outside.json")
    (folder / "lock").write_text("")
    status, _, body = caller.get(path)
    assert status == 404
    assert b"root:" not in body


def test_pages_may_load_nothing_from_elsewhere(caller):
    _, headers, body = caller.get("/fire3.html")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert b"/live/live.js" in body
    assert b"<script>" not in body


def test_labels_are_no_markup(caller):
    for name in ("/", "/logits.html", "/data/index.js", "/data/logits.js"):
        assert EVIL.encode() not in caller.get(name)[2]
    status, answer = caller.post("/live/type", {"target": EVIL})
    assert (status, answer["title"]) == (200, "logits:0, channel")
    status, headers, _ = caller.ask("POST", "/live/type", json.dumps({"target": "<b>"}).encode())
    assert (status, headers["content-type"]) == (422, "application/json")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/live/view", b"["),
        ("/live/view", b"[]"),
        ("/live/view", b"[" * 50_000),
        ("/live/type", b'{"target": 7}'),
        ("/live/type", b"\xff\xfe"),
        ("/live/type", b'{"target": "fire3:1", "size": 1e999}'),
    ],
)
def test_what_makes_no_sense_is_answered(caller, path, body):
    assert caller.ask("POST", path, body)[0] == 422


def test_views_that_make_no_sense_are_answered(caller):
    assert caller.post("/live/view", {"client": "nobody"})[0] == 410
    with caller.listening() as listener:
        for shown in (
            {"seen": [["fire3", 500, "channel"]]},
            {"seen": [["fire3", "1", "channel"]]},
            {"seen": [["nowhere", 1, "channel"]]},
            {"open": "fire3"},
            {"seen": [[1]] * 500},
            {"typed": [7]},
        ):
            status, answer = listener.view(**shown)
            assert status == 422, shown
            assert answer["error"]


def test_the_guard_of_other_addresses():
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.org")
    guard = Guard(None, "token", "0.0.0.0", 80)
    assert guard._is_own("192.168.0.7")
    assert guard._is_own(socket.gethostname())
    assert not guard._is_own("evil.example")


def test_a_port_that_is_in_use():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InputError, match=r"cannot listen on port \d+ of 127.0.0.1: .*--port 0"),
    ):
        listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["nowhere.invalid", "é" * 200, "a\0b", "300.1.1.1"])
def test_a_host_that_is_none(host):
    with pytest.raises(InputError, match="cannot listen on port 0 of"):
        listen(host, 0)


# Its end ------------------------------------------------------------------------------------------


def test_it_ends_at_once_with_listeners_and_work_and_goes_on_later(plan, tmp_path):
    with running(plan, tmp_path / "scope") as caller, caller.listening() as listener:
        _, answer = caller.post("/live/type", {"target": "fire3:3", "steps": 4000})
        listener.view(seen=[["fire3", 4, "channel"]])
        listener.until_done(1)
        listener.view(typed=[answer["key"]])
        listener.until_step(2)
    assert not (tmp_path / "scope" / ".unfinished").exists()
    text = (tmp_path / "scope" / "index.html").read_text()
    assert "of whose 60 pictures 1 are made" in text
    assert "live.js" not in text
    with running(plan, tmp_path / "scope") as caller, caller.listening() as listener:
        assert listener.view(seen=[["fire3", 4, "channel"]])[1] == {"waiting": 0}
