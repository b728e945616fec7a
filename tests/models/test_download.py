"""Downloads from a server on this machine that behaves badly on request."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxscope.errors import DownloadError, OutputError
from onnxscope.models import download as module
from onnxscope.models.download import Attempts, download
from onnxscope.models.verification import Digest, Expected

CONTENT = np.random.default_rng(0).bytes(1_000_003)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KNOWN = Expected(len(CONTENT), Digest("sha256", SHA256))
# A busy machine answers late; only a server that is silent is waited for to the end.
QUICK = Attempts(count=4, timeout=60, pause=0)


@dataclass
class Server:
    """What the server does, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    etag: str = '"1"'
    cut: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    statuses: list[int] = field(default_factory=list)  # errors to answer first
    lies: dict[str, str] = field(default_factory=dict)  # headers to send instead
    chunked: bool = False
    stall: threading.Event | None = None
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            state.asked.append(dict(self.headers))
            self.close_connection = True
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            body, headers, status = state.content, {}, 200
            span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            fresh = self.headers.get("If-Range", state.etag) == state.etag
            if span and state.ranges and fresh:
                start = int(span[1])
                if start >= len(body):
                    headers = {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"}
                    status, body = 416, b""
                else:
                    last = len(body) - 1
                    headers = {"Content-Range": f"bytes {start}-{last}/{len(body)}"}
                    status, body = 206, body[start:]
            headers = {"Content-Length": str(len(body)), "ETag": state.etag} | headers | state.lies
            if state.chunked:
                del headers["Content-Length"]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if state.chunked:
                self.send_header("Connection", "close")
            self.end_headers()
            if state.cut:
                body = body[: state.cut.pop(0)]
            self.wfile.write(body)
            if state.stall is not None:
                self.wfile.flush()
                state.stall.wait()

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_address[1]}/weights.bin"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "weights.bin"


def _left(target: Path) -> set[str]:
    """Files in the folder, but for the lock."""
    return {path.name for path in target.parent.iterdir()} - {f".{target.name}.lock"}


def test_fetches_and_reports(server: Server, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert download(server.url, target, KNOWN, lambda *now: seen.append(now)) == target
    assert target.read_bytes() == CONTENT
    assert _left(target) == {"weights.bin"}
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_file_that_is_there_is_not_fetched_again(server: Server, target: Path) -> None:
    download(server.url, target, KNOWN)
    download(server.url, target, KNOWN)
    assert len(server.asked) == 1


def test_a_damaged_file_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-1] + b"!")
    download(server.url, target, KNOWN)
    assert target.read_bytes() == CONTENT


def test_a_damaged_file_stays_until_the_right_one_is_complete(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"old")
    server.statuses = [404]
    with pytest.raises(DownloadError, match="in place of the damaged or wrong one"):
        download(server.url, target, KNOWN, attempts=QUICK)
    assert target.read_bytes() == b"old"


def test_a_connection_that_breaks_is_continued(server: Server, target: Path) -> None:
    server.cut = [400_000, 300_000]
    download(server.url, target, KNOWN, attempts=QUICK)
    assert target.read_bytes() == CONTENT
    assert [one.get("Range") for one in server.asked] == [None, "bytes=400000-", "bytes=700000-"]
    assert [one.get("If-Range") for one in server.asked] == [None, '"1"', '"1"']


def test_a_file_that_changes_in_between_is_fetched_anew(server: Server, target: Path) -> None:
    server.cut = [400_000]
    new = CONTENT[::-1]

    def swap(_: float) -> None:
        server.content, server.etag = new, '"2"'

    download(server.url, target, attempts=Attempts(count=2, sleep=swap))
    assert target.read_bytes() == new


def test_a_part_of_an_earlier_run_is_continued(server: Server, target: Path) -> None:
    server.cut = [400_000]
    with pytest.raises(DownloadError, match=r"broke off at 400,000 of 1,000,003 bytes"):
        download(server.url, target, KNOWN, attempts=Attempts(count=1))
    assert _left(target) == {"weights.bin.part"}
    seen: list[tuple[int, int | None]] = []
    download(server.url, target, KNOWN, lambda *now: seen.append(now))
    assert server.asked[-1]["Range"] == "bytes=400000-"
    assert seen[0] == (400_000, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert _left(target) == {"weights.bin"}


def test_without_a_checksum_an_earlier_part_is_not_trusted(server: Server, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / "weights.bin.part").write_bytes(b"x" * 1000)
    download(server.url, target)
    assert "Range" not in server.asked[0]
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(server: Server, target: Path) -> None:
    server.ranges = False
    server.cut = [400_000]
    download(server.url, target, KNOWN, attempts=QUICK)
    assert server.asked[1]["Range"] == "bytes=400000-"
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("span", ["bytes 5-1000002/1000003", "nonsense", ""])
def test_a_server_that_continues_elsewhere(server: Server, target: Path, span: str) -> None:
    server.cut = [400_000]

    def lie(_: float) -> None:
        server.lies = {} if server.lies or len(server.asked) > 1 else {"Content-Range": span}

    download(server.url, target, KNOWN, attempts=Attempts(count=3, sleep=lie))
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_complete_or_too_long(server: Server, target: Path) -> None:
    target.parent.mkdir()
    part = target.parent / "weights.bin.part"
    part.write_bytes(CONTENT)
    download(server.url, target, KNOWN)
    assert server.asked == []
    target.unlink()
    # Where the length is unknown, the server is asked, and says 416.
    part.write_bytes(CONTENT)
    download(server.url, target, Expected(digest=Digest("sha256", SHA256[:8])))
    assert len(server.asked) == 1
    target.unlink()
    for known in (KNOWN, Expected(digest=Digest("sha256", SHA256[:8]))):
        part.write_bytes(CONTENT + b"more")
        download(server.url, target, known, attempts=QUICK)
        assert target.read_bytes() == CONTENT
        target.unlink()


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (Expected(digest=Digest("sha256", "0" * 64)), f"SHA256 {SHA256}, expected {'0' * 64}"),
        (Expected(digest=Digest("sha256", "1378be20")), f"{SHA256}, expected 1378be20…"),
        (Expected(digest=Digest("md5", "0" * 32)), "MD5"),
        (Expected(size=5), "offers 1,000,003 bytes, expected 5"),
    ],
)
def test_another_file_is_refused(
    server: Server, target: Path, expected: Expected, message: str
) -> None:
    with pytest.raises(DownloadError, match=re.escape(message)):
        download(server.url, target, expected, attempts=QUICK)
    assert _left(target) == set()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "digest",
    [
        Digest("sha256", SHA256),
        Digest("sha256", SHA256[:8]),
        Digest("md5", hashlib.md5(CONTENT).hexdigest()),
    ],
)
def test_checksums_as_they_are_published(server: Server, target: Path, digest: Digest) -> None:
    download(server.url, target, Expected(digest=digest))
    assert target.read_bytes() == CONTENT


def test_a_wrong_part_of_an_earlier_run_is_fetched_anew(server: Server, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / "weights.bin.part").write_bytes(b"x" * 1000)
    download(server.url, target, KNOWN)
    assert target.read_bytes() == CONTENT
    assert [one.get("Range") for one in server.asked] == ["bytes=1000-", None]


def test_lengths_without_content_length(server: Server, target: Path) -> None:
    server.chunked = True
    download(server.url, target, KNOWN)
    assert target.read_bytes() == CONTENT
    target.unlink()
    server.content = CONTENT + b"more"
    with pytest.raises(DownloadError, match="more than 1,000,003 bytes"):
        download(server.url, target, KNOWN, attempts=QUICK)
    assert _left(target) == set()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusals_are_final(server: Server, target: Path, status: int) -> None:
    server.statuses = [status] * 9
    with pytest.raises(DownloadError, match=f"answers {status}") as caught:
        download(server.url, target, KNOWN, attempts=QUICK)
    assert len(server.asked) == 1
    assert server.url in str(caught.value)
    assert f"put it at {target}" in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_servers_are_asked_again_a_few_times(
    server: Server, target: Path, status: int
) -> None:
    pauses: list[float] = []
    patient = Attempts(count=4, pause=0.5, sleep=pauses.append)
    server.statuses = [status] * 3
    download(server.url, target, KNOWN, attempts=patient)
    assert pauses == [0.5, 1.0, 2.0]
    target.unlink()
    server.statuses = [status] * 9
    with pytest.raises(DownloadError, match=rf"answers {status}.*tried 4 times"):
        download(server.url, target, KNOWN, attempts=patient)


def test_a_server_that_stops_answering(server: Server, target: Path) -> None:
    server.stall = threading.Event()
    server.cut = [400_000, 0]
    try:
        with pytest.raises(DownloadError, match="stopped answering"):
            download(server.url, target, KNOWN, attempts=Attempts(count=2, timeout=1.5, pause=0))
    finally:
        server.stall.set()
    assert (target.parent / "weights.bin.part").read_bytes() == CONTENT[:400_000]


def test_offline_says_what_to_fetch_and_where_to_put_it(target: Path) -> None:
    url = "http://host.invalid/weights.bin"
    with pytest.raises(DownloadError) as caught:
        download(url, target, KNOWN)
    assert url in str(caught.value)
    assert "offline" in str(caught.value)
    assert f"put it at {target}" in str(caught.value)


def test_nobody_listens(target: Path) -> None:
    with pytest.raises(DownloadError, match="connection failed"):
        download("http://127.0.0.1:1/x", target, KNOWN, attempts=QUICK)


def test_other_schemes_are_refused(target: Path) -> None:
    with pytest.raises(DownloadError, match="no http"):
        download("file:///etc/hosts", target)


def test_a_full_disk_leaves_nothing_behind(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(OutputError, match=r"weights\.bin: No space left"):
        download(server.url, target, KNOWN, attempts=QUICK)
    assert _left(target) == set()
    assert len(server.asked) == 1


def test_a_folder_that_cannot_be(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        download(server.url, tmp_path / "file" / "weights.bin", KNOWN)


def test_an_interrupted_run_keeps_its_part(server: Server, target: Path) -> None:
    def stop(done: int, _: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url, target, KNOWN, stop)
    assert _left(target) == {"weights.bin.part"}
    download(server.url, target, KNOWN)
    assert "Range" in server.asked[-1]
    assert target.read_bytes() == CONTENT


def test_proxies_of_the_environment(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.rsplit("/", 1)[0])
    monkeypatch.setenv("no_proxy", "")
    download("http://host.invalid/weights.bin", target, KNOWN)
    assert target.read_bytes() == CONTENT


@pytest.mark.slow
def test_processes_that_want_the_same_file(server: Server, target: Path) -> None:
    """Every one of them gets it, and one alone fetches it."""
    code = (
        "import sys; from pathlib import Path\n"
        "from onnxscope.models.download import download\n"
        "from onnxscope.models.verification import Digest, Expected\n"
        "path = download(sys.argv[1], Path(sys.argv[2]),"
        " Expected(int(sys.argv[3]), Digest('sha256', sys.argv[4])))\n"
        "import hashlib; assert hashlib.sha256(path.read_bytes()).hexdigest() == sys.argv[4]"
    )
    command = [sys.executable, "-c", code, server.url, str(target), str(len(CONTENT)), SHA256]
    processes = [subprocess.Popen(command) for _ in range(3)]
    try:
        assert [process.wait(600) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    assert len(server.asked) == 1
    assert _left(target) == {"weights.bin"}


def test_without_the_lock_the_part_is_a_process_own(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process keeps the lock too long, or the file system has none."""
    monkeypatch.setattr(module, "_WAIT_FOR_OTHERS", 0.0)
    target.parent.mkdir()
    foreign = target.parent / "weights.bin.part"
    foreign.write_bytes(b"of the other process")
    with module.locked(target.with_name(".weights.bin.lock"), 0) as alone:
        assert alone
        download(server.url, target, KNOWN)
    assert target.read_bytes() == CONTENT
    assert foreign.read_bytes() == b"of the other process"


def _archive(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def test_archives_known_by_a_file_inside(server: Server, target: Path) -> None:
    known = Expected(member=("graph.pb", Digest("md5", hashlib.md5(CONTENT).hexdigest())))
    server.content = _archive("./graph.pb", CONTENT)
    download(server.url, target, known)
    target.unlink()
    for content, message in (
        (_archive("graph.pb", CONTENT[1:]), "MD5"),
        (_archive("other.pb", CONTENT), r"no file 'graph\.pb'"),
        (CONTENT, "no readable archive"),
        (server.content[:5000], "no readable archive"),
    ):
        server.content = content
        with pytest.raises(DownloadError, match=message):
            download(server.url, target, known, attempts=QUICK)
        assert _left(target) == set()
