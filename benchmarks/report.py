"""One table for one machine: measure everything that is installed, and say what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_bytes
from . import graphs
from .contestants import CONTESTANTS, USUAL
from .machine import load_average, surroundings
from .profiling import Kernel, profile, table
from .rounds import Row, Say, measure
from .subject import Subject

_DIFFERENT = {"float32": 1e-2, "tf32": 0.4, "float16": 0.4}
"""Relative difference from which two networks are not the same, by precision.

Kinks of ReLU and winners of pools magnify roundings: gradients of one network are up to some 1e-3
from each other in float32, and 0.1 where eleven bits are left."""

_REFERENCES = {"step": "onnxscope", "network": "onnxscope-network", "part": "onnxscope-network"}

_PARTS = {
    "step": "the whole step",
    "network": "value and gradient of the network alone",
    "part": "parts and limits",
}


@dataclass(frozen=True)
class Measurement:
    """What came out for one subject.

    Attributes:
        subject: What was measured.
        rows: By contestant.
        missing: Why a contestant took no part.
        differences: Of contestants that differentiate the network, relative to onnxscope's value
            and gradient.
        limit: Milliseconds that the convolutions alone take at the peak rate, `None` where that
            was not measured.
        rate: The peak rate in operations per second.
        kernels: Where the step's time goes, empty where that was not asked for.
    """

    subject: Subject
    rows: Mapping[str, Row]
    missing: Mapping[str, str]
    differences: Mapping[str, tuple[float, float]]
    limit: float | None
    rate: float | None
    kernels: Sequence[Kernel] = ()

    def ratio(self, name: str, reference: str) -> float | None:
        """Return how many times as long one takes as another; `None` where one is missing."""
        if name not in self.rows or reference not in self.rows:
            return None
        return self.rows[name].median / self.rows[reference].median

    def to_json(self) -> dict[str, Any]:
        """Write it as plain data."""
        subject = self.subject
        return {
            "target": subject.target,
            "objective": subject.kind,
            "size": subject.size,
            "batch": subject.batch,
            "provider": subject.provider,
            "precision": subject.precision,
            "rows": [
                row.to_json() | {"part": part, "relative_time": self._relative(part, name)}
                for part in _PARTS
                for name, row in self._of(part)
            ],
            "missing": dict(self.missing),
            "differences": {
                name: {"value": value, "gradient": gradient}
                for name, (value, gradient) in self.differences.items()
            },
            "limit_ms": self.limit,
            "peak_flops_per_second": self.rate,
            "kernels": [asdict(kernel) for kernel in self.kernels],
        }

    def lines(self) -> list[str]:
        """Write it as a table for people."""
        subject = self.subject
        pictures = "one picture" if subject.batch == 1 else f"{subject.batch} pictures"
        found = [
            f"{subject.kind} {subject.target}, {pictures} of {subject.size}×{subject.size}, "
            f"{subject.provider}, {subject.precision}"
        ]
        for part, title in _PARTS.items():
            lines = [self._line(part, name, row) for name, row in self._of(part)]
            if part == "part" and self.limit is not None:
                lines.append(self._limit_line())
            if lines:
                head = f"{'ms':>9} {'middle half':>17} {'/s':>8} {'× time':>7} {'first':>7}"
                found += ["", f"{title:40} {head} {'memory':>9}", *lines]
        if self.differences:
            found.append("")
        for name, (value, gradient) in self.differences.items():
            found.append(
                f"{CONTESTANTS[name].title}: value differs by {value:.0e} of onnxscope's, "
                f"gradient by {gradient:.0e}"
            )
        if self.missing:
            found.append("")
        for name, reason in self.missing.items():
            entry = CONTESTANTS[name]
            found.append(f"no row for {entry.title} ({_PARTS[entry.part]}): {reason}")
        if self.kernels:
            found += ["", *table(self.kernels)]
        return found

    def _of(self, part: str) -> list[tuple[str, Row]]:
        return [(n, row) for n, row in self.rows.items() if CONTESTANTS[n].part == part]

    def _relative(self, part: str, name: str) -> float | None:
        ratio = self.ratio(name, _REFERENCES[part])
        return None if ratio is None or name == "peak" else round(ratio, 3)

    def _line(self, part: str, name: str, row: Row) -> str:
        low, high = row.quartiles
        relative = self._relative(part, name)
        shown = "" if relative is None else f"{relative:.2f}"
        memory = "" if row.peak_memory is None else f"{row.peak_memory:.0f} MiB"
        title = row.title if name != "peak" else str(row.results["chain"])
        return (
            f"{title:40} {row.median:9.2f} {f'{low:.1f} … {high:.1f}':>17} "
            f"{1000 / row.median * self.subject.batch:8.1f} {shown:>7} "
            f"{row.first_step:5.1f} s {memory:>9}"
        )

    def _limit_line(self) -> str:
        assert self.limit is not None
        assert self.rate is not None
        title = f"its convolutions alone at {_rate(self.rate)}"
        shown = [
            f"{what} takes {self.rows[name].undisturbed / self.limit:.2f} times that"
            for name, what in (("onnxscope", "the step"), ("onnxscope-network", "the network"))
            if name in self.rows
        ]
        return f"{title:40} {self.limit:9.2f}   " + ", ".join(shown)


def bench(
    subject: Subject, *, rounds: int, steps: int, say: Say, names: Sequence[str] | None = None
) -> Measurement:
    """Measure all contestants that can take part.

    Args:
        subject: Their work.
        rounds: How many turns each has.
        steps: That count in each turn.
        say: Told what is going on.
        names: Of contestants, by default the usual ones.
    """
    names = USUAL if names is None else names
    rows, missing = measure(
        {name: (name, subject) for name in names}, rounds=rounds, steps=steps, say=say
    )
    differences = _differences(rows)
    allowed = _DIFFERENT[subject.precision]
    for name, pair in list(differences.items()):
        # A row for other work than ours would be no comparison.
        if not max(pair) <= allowed:
            del rows[name], differences[name]
            missing[name] = (
                f"its value differs by {pair[0]:.1e} and its gradient by {pair[1]:.1e} of "
                f"onnxscope's; more than {allowed:.0e} is not the same network"
            )
    rate = limit = None
    if "peak" in rows:
        rate = float(rows["peak"].results["flops"]) / rows["peak"].undisturbed * 1000
        limit = graphs.convolution_flops(subject) / rate * 1000
    return Measurement(subject, rows, missing, differences, limit, rate)


def report(
    subjects: Sequence[Subject], *, rounds: int, steps: int, say: Say, profiled: bool = False
) -> tuple[list[Measurement], dict[str, Any]]:
    """Measure several subjects; gives the measurements, and all of it as plain data.

    Args:
        subjects: One table each.
        rounds: How many turns each contestant has.
        steps: That count in each turn.
        say: Told what is going on.
        profiled: Also find out where the time of onnxscope's step goes.
    """
    facts = surroundings()
    before = load_average()
    found = [bench(subject, rounds=rounds, steps=steps, say=say) for subject in subjects]
    facts["load_average"] = [before, load_average()]
    if profiled:
        say("profiling")
        found = [replace(one, kernels=tuple(profile(one.subject))) for one in found]
    return found, facts | {"measurements": [one.to_json() for one in found]}


def heading(facts: Mapping[str, Any]) -> list[str]:
    """Return date, machine, versions and load as lines for people."""
    versions = ", ".join(f"{name} {text}" for name, text in facts["versions"].items())
    gpu = f"; {facts['gpu']}" if facts["gpu"] else "; no GPU"
    before, after = facts["load_average"]
    return [
        f"{facts['date']}; {facts['cpu']}, {facts['cores']} cores{gpu}",
        f"Python {facts['python']}, {versions}",
        f"load average {before} before, {after} after (its own work is part of it)",
    ]


def publish(facts: Mapping[str, Any], path: Path) -> None:
    """Write plain data as JSON.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode())


def _differences(rows: Mapping[str, Row]) -> dict[str, tuple[float, float]]:
    if "onnxscope-network" not in rows:
        return {}
    ours = rows["onnxscope-network"].results
    return {
        name: (
            _distance(row.results["value"], ours["value"]) if "value" in row.results else 0.0,
            _distance(row.results["gradient"], ours["gradient"]),
        )
        for name, row in rows.items()
        if name != "onnxscope-network" and "gradient" in row.results
    }


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    expected = expected.astype(np.float64)
    return float(np.linalg.norm(found - expected) / (np.linalg.norm(expected) + 1e-30))


def _rate(flops: float) -> str:
    return f"{flops / 1e9:.0f} GFLOP/s" if flops < 1e12 else f"{flops / 1e12:.1f} TFLOP/s"
