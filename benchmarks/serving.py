"""How soon the live microscope shows something, and how soon it answers while it renders.

A server of its own, in a process of its own, on loopback, for a folder that is empty. First a
browser opens units that nobody has asked for, one in each of several layers: measured is from the
request until the first picture of it on its way arrives (of a step after the first, which is still
noise), and until it is finished. Then so many browsers listen and look at four units each, some of
which others look at as well, while pages and data are asked for, one after the other; then all have
to have all pictures.

    python -m onnxscope.benchmarks.serving --clients 50
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_LAYERS = ("fire3", "fire5", "fire6", "fire7", "fire8", "fire9", "logits")
_PAGES = ("/", "/fire6.html", "/data/fire6.js", "/data/fire6.0.js", "/assets/microscope.js")
_LOOKED_AT = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, and print what was found.

    Args:
        arguments: Of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="squeezenet", help="a name of the catalogue")
    parser.add_argument("--layers", default=",".join(_LAYERS), help="with commas between")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, _serving(given.model, Path(folder)) as server:
        found = {"start": server.seconds}
        found |= _first_pictures(server, given.layers.split(","))
        found |= _under_load(server, given.clients, given.requests)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name:28}{value:.3f}" if isinstance(value, float) else f"{name:28}{value}")
    return 0


class _Server:
    """An address, and how long it took until it was there."""

    def __init__(self, address: str, seconds: float) -> None:
        parts = urlsplit(address)
        self.seconds = seconds
        self.port = parts.port
        self.headers = {"Origin": f"http://127.0.0.1:{parts.port}"}
        answer = self.ask(f"/?{parts.query}")
        self.headers["Cookie"] = str(answer.getheader("set-cookie")).partition(";")[0]

    def ask(self, path: str, data: object = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        body = None if data is None else json.dumps(data)
        connection.request("GET" if data is None else "POST", path, body, self.headers)
        return connection.getresponse()

    def listen(self) -> Generator[Mapping[str, Any]]:
        """Yield what the server tells, first how it calls this browser."""
        answer = self.ask("/live/events")
        try:
            while line := answer.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))
        finally:
            answer.close()


@contextmanager
def _serving(model: str, folder: Path) -> Iterator[_Server]:
    began = time.monotonic()
    command = [sys.executable, "-m", "onnxscope", "serve", model, "--port", "0"]
    command += ["-o", str(folder / "scope")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = "" if process.stdout is None else process.stdout.readline()
            found = re.search(r"http://\S+", line)
            if found is None:
                raise SystemExit("the server does not start")
            yield _Server(found[0], time.monotonic() - began)
        finally:
            process.terminate()


def _first_pictures(server: _Server, layers: Sequence[str]) -> dict[str, Any]:
    """Open one unknown unit after the other."""
    firsts, ends = [], []
    for layer in layers:
        news = server.listen()
        client = next(news)["client"]
        began = time.monotonic()
        shown = None
        server.ask("/live/view", {"client": client, "open": [[layer, 1, "channel"]]})
        for one in news:
            if shown is None and one.get("step", 0) > 1:
                shown = time.monotonic() - began
            if one["state"] != "running":
                ends.append(time.monotonic() - began)
                firsts.append(ends[-1] if shown is None else shown)
                break
        news.close()
    return {
        "first picture, median": statistics.median(firsts),
        "first picture, worst": max(firsts),
        "finished, median": statistics.median(ends),
        "finished, worst": max(ends),
    }


def _under_load(server: _Server, clients: int, requests: int) -> dict[str, Any]:
    """Ask for pages while many browsers look."""
    complete: list[int] = []
    joined = threading.Barrier(clients + 1)

    def look(number: int) -> None:
        with suppress(OSError):
            news = server.listen()
            client = next(news)["client"]
            units = [(number // 2 + at) % 128 for at in range(_LOOKED_AT)]
            joined.wait()
            seen = [["fire5", unit, "channel"] for unit in units]
            server.ask("/live/view", {"client": client, "seen": seen}).read()
            left = set(units)
            for one in news:
                if one["state"] == "done":
                    left.discard(one["unit"])
                if not left:
                    complete.append(number)
                    return

    threads = [threading.Thread(target=look, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    joined.wait()
    began = time.monotonic()
    times = []
    for number in range(requests):
        started = time.monotonic()
        server.ask(_PAGES[number % len(_PAGES)]).read()
        times.append(time.monotonic() - started)
        time.sleep(0.02)
    rendering = time.monotonic() - began if len(complete) < clients else float("nan")
    for thread in threads:
        thread.join()
    return {
        "clients": clients,
        "with all their pictures": len(complete),
        "requests while it rendered": requests if rendering == rendering else 0,
        "request, median": statistics.median(times),
        "request, p95": statistics.quantiles(times, n=20)[-1],
        "request, worst": max(times),
        "all pictures after": time.monotonic() - began,
    }


if __name__ == "__main__":
    sys.exit(main())
