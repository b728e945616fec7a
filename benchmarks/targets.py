"""What onnxscope promises of its speed, measured: each ratio beside its target.

    python benchmarks/targets.py --weights inception_v3_trunk.safetensors --json targets.json

Contestants take turns in interleaved rounds, each in a process of its own; medians count. Without
`--weights` Inception v3 gets random weights, which take the same time.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onnxscope.benchmarks import graphs
from onnxscope.benchmarks.machine import load_average, surroundings
from onnxscope.benchmarks.report import heading, publish
from onnxscope.benchmarks.rounds import Row, measure
from onnxscope.benchmarks.subject import Subject, save_random
from onnxscope.errors import DownloadError, OnnxscopeError
from onnxscope.files import write_bytes
from onnxscope.models import convert, fetch

_SIZE = 224
_BATCH = 16
_STARTS = 5


@dataclass(frozen=True)
class Result:
    """One promise.

    Attributes:
        title: What is measured.
        value: What came out; `None` where it could not be measured.
        unit: Of the value: `×` for a ratio.
        target: What it shall be.
        at_least: Whether more is better.
        detail: What the value is made of, or why there is none.
    """

    title: str
    value: float | None
    unit: str
    target: float
    at_least: bool
    detail: str

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        if self.value is None:
            return "not measured"
        good = self.value >= self.target if self.at_least else self.value <= self.target
        return "reached" if good else "not reached"

    def line(self) -> str:
        """Write it for people."""
        value = "–" if self.value is None else f"{self.value:.2f} {self.unit}"
        sign = "≥" if self.at_least else "≤"
        target = f"{sign} {self.target:g} {self.unit}"
        return f"{self.title:78} {value:>10}  {target:>10}  {self.verdict:12}  {self.detail}"


class Board:
    """Measures, and keeps the results."""

    def __init__(self, rounds: int, steps: int) -> None:
        self._rounds, self._steps = rounds, steps
        self.results: list[Result] = []
        self.rows: list[dict[str, Any]] = []

    def measure(
        self, entrants: Mapping[str, tuple[str, Subject]]
    ) -> tuple[dict[str, Row], dict[str, str]]:
        """Return one run of interleaved rounds."""
        rows, missing = measure(entrants, rounds=self._rounds, steps=self._steps, say=_say)
        for key, row in rows.items():
            subject = entrants[key][1]
            self.rows.append({"subject": asdict(subject), **row.to_json()})
        return rows, missing

    def add(self, result: Result) -> None:
        """Keep a result and show it."""
        self.results.append(result)
        print(result.line(), flush=True)

    def ratio(
        self,
        title: str,
        rows: Mapping[str, Row],
        missing: Mapping[str, str],
        over: str,
        under: str,
        target: float,
        *,
        at_least: bool,
        scale: float = 1.0,
    ) -> None:
        """Keep the ratio of two rows' medians, times `scale`."""
        absent = next((missing[key] for key in (over, under) if key in missing), "")
        if absent:
            self.add(Result(title, None, "×", target, at_least, absent))
            return
        value = rows[over].median / rows[under].median * scale
        detail = f"{_shown(rows[over])} over {_shown(rows[under])}"
        self.add(Result(title, value, "×", target, at_least, detail))


def main() -> int:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, help="of Inception v3, to convert")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=5, help="that count in each round")
    parser.add_argument("--only", default="abcdefghi", help="letters of the parts to run")
    parser.add_argument("--json", type=Path, help="also write it all to this file")
    options = parser.parse_args()
    facts = surroundings()
    before = load_average()
    board = Board(options.rounds, options.steps)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        try:
            for part in _parts(board, folder, options.weights):
                if set(part.letters) & set(options.only):
                    part.run()
        except OnnxscopeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    facts["load_average"] = [before, load_average()]
    print("\n".join(["", *heading(facts)]))
    facts["results"] = [asdict(one) | {"verdict": one.verdict} for one in board.results]
    facts["rows"] = board.rows
    if options.json is not None:
        publish(facts, options.json)
    return 0


@dataclass(frozen=True)
class _Part:
    letters: str
    run: Callable[[], None]


def _parts(board: Board, folder: Path, weights: Path | None) -> list[_Part]:
    v1 = save_random("inception_v1", folder)
    v3 = _inception_v3(folder, weights)
    return [
        _Part("a", lambda: _against_lucent(board, v1)),
        _Part("bcdh", lambda: _against_torch(board, v3)),
        _Part("e", lambda: _gradient_over_forward(board, folder, v1, v3)),
        _Part("f", lambda: _receptive_field(board, v1)),
        _Part("g", lambda: _starting(board)),
        _Part("i", lambda: _batch(board, v1)),
    ]


def _against_lucent(board: Board, v1: str) -> None:
    subject = Subject.of(v1, "mixed4a:11", size=_SIZE, provider="cpu")
    names = ("onnxscope", "lucent", "torch", "torch-channels-last")
    rows, missing = board.measure({name: (name, subject) for name in names})
    title = "(a) Inception v1 mixed4a:11, step: {} over onnxscope"
    board.ratio(title.format("Lucent"), rows, missing, "lucent", "onnxscope", 6, at_least=True)
    for name, what in (("torch", "PyTorch eager"), ("torch-channels-last", "… channels_last")):
        board.ratio(title.format(what), rows, missing, name, "onnxscope", 1.8, at_least=True)


def _against_torch(board: Board, v3: str) -> None:
    subject = Subject.of(v3, "mixed_4:300", size=_SIZE, provider="cpu")
    names = ("onnxscope", "torch", "torch-by-hand", "torch-channels-last", "onnxscope-network")
    entrants = {name: (name, subject) for name in (*names, "onnx-ad", "peak")}
    rows, missing = board.measure(entrants)
    title = "(b) Inception v3 mixed_4:300, step: {} over onnxscope"
    for name, what, least in (
        ("torch", "PyTorch eager", 1.8),
        ("torch-by-hand", "… network by hand", 1.8),
        ("torch-channels-last", "… channels_last", 1.2),
    ):
        board.ratio(title.format(what), rows, missing, name, "onnxscope", least, at_least=True)
    title = "(c) Inception v3 mixed_4:300, network: onnx-ad over onnxscope"
    board.ratio(title, rows, missing, "onnx-ad", "onnxscope-network", 1.6, at_least=True)
    title = "(d) the same step over its convolutions at the peak rate"
    if "peak" in rows and "onnxscope" in rows:
        rate = float(rows["peak"].results["flops"]) / rows["peak"].undisturbed * 1000
        limit = graphs.convolution_flops(subject) / rate * 1000
        ours = rows["onnxscope"].undisturbed
        detail = f"{ours:.1f} ms over {limit:.1f} ms at {rate / 1e9:.0f} GFLOP/s, lower quartiles"
        value = ours / limit
        board.add(Result(title, value, "×", 1.35, at_least=False, detail=detail))
    title = "(h) peak memory of that process"
    memory = rows["onnxscope"].peak_memory if "onnxscope" in rows else None
    board.add(Result(title, memory, "MiB", 600, at_least=False, detail=""))


def _gradient_over_forward(board: Board, folder: Path, v1: str, v3: str) -> None:
    for title, source, target, most in (
        ("SqueezeNet fire5:101", _real_or_random("squeezenet", folder), "fire5:101", 2.5),
        ("Inception v1 mixed4a:11", v1, "mixed4a:11", 2.5),
        ("Inception v3 mixed_4:300", v3, "mixed_4:300", 2.5),
        (
            "EfficientNet-Lite0 blocks_10:11",
            _real_or_random("efficientnet_lite0", folder),
            "blocks_10:11",
            2.5,
        ),
    ):
        subject = Subject.of(source, target, size=_SIZE, provider="cpu")
        ours, forward, narrowed = "onnxscope-network", "cut-forward", "onnxscope-forward"
        names = (ours, forward, narrowed)
        rows, missing = board.measure({name: (name, subject) for name in names})
        line = f"(e) {title}: gradient over the network's forward pass"
        board.ratio(line, rows, missing, ours, forward, most, at_least=False)
        line = "(e) … over its own, of the one channel and in its fastest forms"
        board.ratio(line, rows, missing, ours, narrowed, most, at_least=False)


def _receptive_field(board: Board, v1: str) -> None:
    for target, least in (("conv2d2:100", 10), ("mixed4a:11", 3)):
        subject = Subject.of(v1, target, kind="neuron", size=_SIZE, provider="cpu")
        names = ("onnxscope-uncropped", "onnxscope-network")
        rows, missing = board.measure({name: (name, subject) for name in names})
        title = f"(f) Inception v1 neuron {target}: whole picture over its field"
        board.ratio(title, rows, missing, *names, least, at_least=True)


def _batch(board: Board, v1: str) -> None:
    entrants = {
        str(batch): (
            "onnxscope",
            Subject.of(v1, "mixed4a:11", size=_SIZE, batch=batch, provider="cpu"),
        )
        for batch in (1, _BATCH)
    }
    rows, missing = board.measure(entrants)
    title = f"(i) Inception v1 mixed4a:11: {_BATCH} pictures over one, per picture"
    many, one = str(_BATCH), "1"
    board.ratio(title, rows, missing, many, one, 0.9, at_least=False, scale=1 / _BATCH)


def _starting(board: Board) -> None:
    bare = _seconds("pass")
    imported = _seconds("import onnxscope")
    detail = f"{imported:.2f} s, of which Python itself {bare:.2f} s"
    title = "(g) import onnxscope"
    board.add(Result(title, imported - bare, "s", 0.3, at_least=False, detail=detail))
    code = (
        "import onnxscope; onnxscope.render('squeezenet', 'fire5:100', size=224, steps=1, "
        "provider='cpu', cache={})"
    )
    try:
        fetch("squeezenet")
    except DownloadError as error:
        title = "(g) SqueezeNet, process start to first step"
        board.add(Result(title, None, "s", 1, at_least=False, detail=str(error)))
        return
    for cached, most in ((True, 1.5), (False, 2.0)):
        _seconds(code.format(cached), 1)
        value = _seconds(code.format(cached))
        how = "with its graph in the cache" if cached else "without the cache"
        title = f"(g) SqueezeNet, process start to first step, {how}"
        board.add(Result(title, value, "s", most, at_least=False, detail=""))


def _seconds(code: str, count: int = _STARTS) -> float:
    """The median time of a Python process that runs this."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _inception_v3(folder: Path, weights: Path | None) -> str:
    if weights is None:
        return save_random("inception_v3", folder)
    path = folder / "inception_v3.onnx"
    write_bytes(path, convert(weights).SerializeToString())
    return str(path)


def _real_or_random(name: str, folder: Path) -> str:
    """A network of the catalogue where it can be had, else the same with random weights."""
    try:
        fetch(name)
    except DownloadError:
        return save_random(name, folder)
    return name


def _shown(row: Row) -> str:
    low, high = row.quartiles
    return f"{row.median:.1f} ms ({low:.1f} … {high:.1f})"


def _say(text: str) -> None:
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
