"""Interleaved rounds: a few steps of each contestant in turn, each in a process of its own.

Other work on the machine then falls on all alike, and no library's threads disturb another's. The
first steps of a turn, until caches, threads and the scheduler have settled, do not count. Medians
and quartiles do.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OnnxscopeError
from .contestants import CONTESTANTS
from .subject import Subject

Say = Callable[[str], None]


@dataclass
class Row:
    """What was measured of one contestant.

    Attributes:
        name: Of the contestant.
        milliseconds: Of each step that counts.
        first_step: Seconds from the start of its process to the end of its first step.
        peak_memory: Of that process, in MiB.
        results: What its first step computed.
    """

    name: str
    milliseconds: list[float] = field(default_factory=list)
    first_step: float = 0.0
    peak_memory: float | None = None
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name for people."""
        return CONTESTANTS[self.name].title

    @property
    def median(self) -> float:
        """The median step in milliseconds."""
        return statistics.median(self.milliseconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The times between which the middle half of the steps lies, in milliseconds."""
        low, _, high = statistics.quantiles(self.milliseconds, n=4)
        return low, high

    @property
    def undisturbed(self) -> float:
        """What a step takes where other work on the machine slows it little: the lower quartile."""
        return self.quartiles[0]

    def to_json(self) -> dict[str, Any]:
        """Write it as plain data."""
        return {
            "name": self.name,
            "title": self.title,
            "median_ms": round(self.median, 3),
            "quartiles_ms": [round(quartile, 3) for quartile in self.quartiles],
            "fastest_ms": round(min(self.milliseconds), 3),
            "first_step_s": round(self.first_step, 2),
            "peak_memory_mib": None if self.peak_memory is None else round(self.peak_memory),
            "steps": len(self.milliseconds),
        }


class ContestantError(OnnxscopeError):
    """A contestant that ended before its time."""


class Process:
    """A contestant's process (see `contestant`).

    Attributes:
        row: What it has shown so far.
    """

    def __init__(self, name: str, subject: Subject, folder: Path) -> None:
        """Start it and wait for its first step.

        Args:
            name: Of the contestant.
            subject: Its work.
            folder: For its files, an empty one.

        Raises:
            ContestantError: there was none.
        """
        self.row = Row(name)
        results, self._errors = folder / "results.npz", folder / "errors.txt"
        command = [sys.executable, "-m", "onnxscope.benchmarks.contestant"]
        began = time.perf_counter()
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, name, subject.to_text(), str(results)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            self._answer()
        except ContestantError:
            self.stop()
            raise
        self.row.first_step = time.perf_counter() - began
        with np.load(results) as found:
            self.row.results = {key: found[key] for key in found.files}

    def turn(self, steps: int) -> None:
        """Take some steps.

        Raises:
            ContestantError: it ended instead.
        """
        self._tell(f"{steps}\n")
        self.row.milliseconds += json.loads(self._answer())

    def end(self) -> None:
        """Let it end.

        Raises:
            ContestantError: it had ended already.
        """
        self._tell("\n")
        self.row.peak_memory = json.loads(self._answer())

    def stop(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            # The answer, or its absence, says what happened.
            return

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline().strip()
        if answer:
            return answer
        code = self._process.wait()
        text = self._errors.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"it ended with {code}"
        raise ContestantError(f"it ended: {reason}")


def measure(
    entrants: Mapping[str, tuple[str, Subject]], *, rounds: int, steps: int, say: Say
) -> tuple[dict[str, Row], dict[str, str]]:
    """Run interleaved rounds of all contestants that can take part.

    Args:
        entrants: By a key of the caller's: a contestant's name and its work.
        rounds: How many turns each has.
        steps: That count in each turn.
        say: Told what is going on.

    Returns:
        The rows by key, and for each entrant that is missing the reason.
    """
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running: dict[str, Process] = {}

        def attempt(key: str, work: Callable[[], None]) -> None:
            try:
                work()
            except ContestantError as error:
                running.pop(key, None)
                missing[key] = str(error)

        def start(key: str, name: str, subject: Subject) -> None:
            own = folder / str(len(running) + len(missing))
            own.mkdir()
            running[key] = Process(name, subject, own)
            stack.callback(running[key].stop)

        for key, (name, subject) in entrants.items():
            reason = CONTESTANTS[name].missing(subject)
            if reason:
                missing[key] = reason
                continue
            say(f"starting {CONTESTANTS[name].title} ({CONTESTANTS[name].part})")
            attempt(key, partial(start, key, name, subject))
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            order = list(running)
            # Each goes first as often as the others.
            at = number % max(len(order), 1)
            for key in order[at:] + order[:at]:
                attempt(key, partial(running[key].turn, steps))
        for key in list(running):
            attempt(key, running[key].end)
        return {key: process.row for key, process in running.items()}, missing
