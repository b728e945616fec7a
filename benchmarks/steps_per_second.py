"""Steps per second of onnxscope against what one would use instead, side by side in one run.

Measured is one step of feature visualization of Inception v3 on the CPU: onnxscope's `render` as a
user calls it, and the same step in eager PyTorch (`inception_v3_torch.py`), in both memory layouts;
with `--compile` also by `torch.compile`. Below stand value and gradient of the network alone:
onnxscope's graph and onnx-ad's in the same ONNX Runtime, and PyTorch.

How it is kept fair:

- Before anything is timed, PyTorch must give onnxscope's value and gradient with respect to the
  spectrum for the same picture, from the same weights in float32: relative difference ≤ 1e-4, and
  ≤ 1e-2 for the gradient behind a warp that turns, where the kinks of ReLU multiply roundings.
- Every contestant runs in a process of its own. Rounds are interleaved: a few steps of each in
  turn, so that other work on the machine falls on all alike. The first steps of a round, in which
  caches and threads wake up, do not count. The median counts.
- PyTorch's forward pass ends at the layer and its weights are frozen. That onnxscope computes only
  the branch and the channel that the objective needs is its own merit and counts as such; onnx-ad
  differentiates the network cut at the layer.
- The time to the first step runs from the start of a fresh process to the end of its first step,
  with Python's imports, reading the weights (for onnxscope the ONNX file that was converted once
  before) and building the graph. The peak memory is that of such a process after all rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

TOLERANCES = {"value": 1e-4, "gradient": 1e-4, "value turned": 1e-4, "gradient turned": 1e-2}
WARM_UP = 2
STARTS = 3

STEP = {
    "onnxscope": "onnxscope render",
    "torch": "PyTorch eager",
    "torch-channels-last": "PyTorch eager, channels_last",
}
COMPILED = {"torch-compile": "PyTorch torch.compile"}
NETWORK = {
    "onnxscope-network": "network: onnxscope",
    "onnx-ad-network": "network: onnx-ad",
    "torch-network": "network: PyTorch eager",
    "torch-network-channels-last": "network: PyTorch, channels_last",
}


class Contestant:
    """A process that takes steps on demand (see `_one.py`)."""

    def __init__(self, what: str, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [*_command(what), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._answer() != "ready":
            self._process.wait()
            raise RuntimeError(
                f"{what} ended with {self._process.returncode} before its first step"
            )
        self.first_step = time.perf_counter() - began

    def run(self, steps: int) -> list[float]:
        """Milliseconds of each of so many steps."""
        self._tell(f"{steps}\n")
        taken: list[float] = json.loads(self._answer())
        return taken

    def end(self) -> float | None:
        """End the process; gives its peak memory in MiB."""
        self._tell("\n")
        peak: float | None = json.loads(self._answer())
        self._process.wait()
        return peak

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass
class Row:
    """What was measured of one contestant."""

    title: str
    milliseconds: list[float] = field(default_factory=list)
    first_steps: list[float] = field(default_factory=list)
    peak_memory: float | None = None

    @property
    def median(self) -> float:
        """The median step in milliseconds."""
        return statistics.median(self.milliseconds)

    def summary(self, reference: float) -> dict[str, Any]:
        """The row as plain data; times relative to `reference` milliseconds."""
        quartiles = statistics.quantiles(self.milliseconds, n=4)
        return {
            "title": self.title,
            "median_ms": round(self.median, 2),
            "quartiles_ms": [round(quartiles[0], 2), round(quartiles[2], 2)],
            "fastest_ms": round(min(self.milliseconds), 2),
            "steps_per_second": round(1000 / self.median, 2),
            "relative_time": round(self.median / reference, 2),
            "first_step_s": round(statistics.median(self.first_steps), 2),
            "peak_memory_mib": None if self.peak_memory is None else round(self.peak_memory),
            "steps": len(self.milliseconds),
        }


def measure(titles: dict[str, str], arguments: Sequence[str], rounds: int, steps: int) -> list[Row]:
    """Interleaved rounds of all contestants."""
    rows = {what: Row(title) for what, title in titles.items()}
    for _ in range(STARTS - 1):
        for what, row in rows.items():
            contestant = Contestant(what, arguments)
            row.first_steps.append(contestant.first_step)
            contestant.end()
    contestants = {}
    for what, row in rows.items():
        contestants[what] = Contestant(what, arguments)
        row.first_steps.append(contestants[what].first_step)
    order = list(titles)
    for number in range(rounds):
        # Each goes first as often as the others.
        turn = number % len(order)
        for what in order[turn:] + order[:turn]:
            rows[what].milliseconds += contestants[what].run(WARM_UP + steps)[WARM_UP:]
    for what, contestant in contestants.items():
        rows[what].peak_memory = contestant.end()
    return list(rows.values())


def surroundings() -> dict[str, Any]:
    """Machine, versions and date."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    except OSError:
        pass
    packages = ("onnxscope", "onnxruntime-gpu", "onnxruntime", "torch", "onnx-ad", "numpy")
    return {
        "date": date.today().isoformat(),
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages if _installed(name)},
    }


def show(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print a table."""
    print(
        f"\n{title:32} {'ms/step':>8} {'steps/s':>8} {'× time':>7} {'first step':>11} {'peak':>9}"
    )
    for row in rows:
        peak = "?" if row["peak_memory_mib"] is None else f"{row['peak_memory_mib']} MiB"
        print(
            f"{row['title']:32} {row['median_ms']:8.1f} {row['steps_per_second']:8.1f} "
            f"{row['relative_time']:7.2f} {row['first_step_s']:9.2f} s {peak:>9}"
        )


def main() -> int:
    """Verify, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", type=Path, required=True, help="inception_v3_trunk.safetensors"
    )
    parser.add_argument("--target", default="mixed_4:300", help="LAYER:CHANNEL")
    parser.add_argument("--size", type=int, default=224, help="of the picture, in pixels")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=8, help="counted steps in a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of PyTorch")
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    options = parser.parse_args()
    problem = _problem(options.weights)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        return _compare(options, Path(folder) / "model.onnx")


def _compare(options: argparse.Namespace, model: Path) -> int:
    import onnx
    from onnxscope.models import convert

    onnx.save(convert(options.weights), model)
    given = {"weights": options.weights, "model": model, "target": options.target}
    given |= {"size": options.size, "threads": options.threads}
    arguments = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    checked = subprocess.run(
        [*_command("verify"), *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    difference = json.loads(checked.stdout)
    shown = ", ".join(f"{name} {number:.1e}" for name, number in difference.items())
    print(f"relative difference of PyTorch and onnxscope: {shown}")
    if any(number > TOLERANCES[name] for name, number in difference.items()):
        print(f"the contestants do not compute the same; allowed are {TOLERANCES}", file=sys.stderr)
        return 1
    before = _load()
    tables = {}
    for name, titles in (
        ("step", STEP | COMPILED if options.compile else STEP),
        ("network", NETWORK if _installed("onnx-ad") else _without_onnx_ad()),
    ):
        rows = measure(titles, arguments, options.rounds, options.steps)
        tables[name] = [row.summary(rows[0].median) for row in rows]
    result = surroundings() | {
        "target": options.target,
        "size": options.size,
        "threads": options.threads,
        "difference": difference,
        "load_average": [before, _load()],
        **tables,
    }
    versions = ", ".join(f"{name} {text}" for name, text in result["versions"].items())
    print(f"{result['date']}, {result['cpu']}, {result['cores']} cores, Python {result['python']}")
    print(f"{versions}; load average {before} before, {_load()} after")
    show(f"{options.target}, {options.size}×{options.size}", tables["step"])
    show("value and gradient alone", tables["network"])
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def _problem(weights: Path) -> str:
    if not weights.is_file():
        return f"there is no weights file {weights}"
    for package in ("torch", "onnxscope"):
        if not _installed(package):
            return f"{package} is not installed in this Python; benchmarks/README.md says how"
    return ""


def _without_onnx_ad() -> dict[str, str]:
    return {what: title for what, title in NETWORK.items() if what != "onnx-ad-network"}


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _command(what: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("_one.py")), what]


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


if __name__ == "__main__":
    raise SystemExit(main())
