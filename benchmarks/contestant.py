"""One contestant in a process of its own, driven by lines on its standard input.

`python -m onnxscope.benchmarks.contestant NAME SUBJECT FILE`: SUBJECT is JSON (see `subject`). It
prints `ready` after its first step, having written to FILE (`.npz`) what that step computed. Then
each line holds a number of steps to measure, and the answer is a line of their milliseconds; other
steps go before them, until caches and threads are awake. At the end of the input it prints its peak
memory in MiB.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np

from .contestants import CONTESTANTS, Clock
from .machine import peak_memory
from .subject import Subject

# At the start of each turn. Threads that have slept share a core at first, until the system's
# scheduler has moved one: steps of few milliseconds then take twice as long.
_WARM_UP_STEPS = 2
_WARM_UP_SECONDS = 0.25


class Stopwatch(Clock):
    """Takes the time between steps and waits for the next command between rounds."""

    def __init__(self, answers: TextIO, results: str) -> None:
        """Answer on a stream, and write what the first step computed to a file."""
        self._answers, self._results = answers, results
        self._left = 0
        self._warming_up = 0
        self._turn = self._start = 0.0
        self._taken: list[float] = []
        self._ready = False

    def __call__(self, result: Mapping[str, Any] | None = None) -> bool:
        """Be called after each step; `False` asks for the end."""
        now = time.perf_counter()
        if not self._ready:
            self._ready = True
            np.savez(self._results, **(result or {}))
            self._say("ready")
        elif self._warming_up > 0 or now - self._turn < _WARM_UP_SECONDS:
            self._warming_up -= 1
        elif self._left:
            self._taken.append((now - self._start) * 1000)
            self._left -= 1
        if not self._left:
            if self._taken:
                self._say(json.dumps(self._taken))
                self._taken = []
            line = sys.stdin.readline()
            if not line.strip():
                self._say(json.dumps(peak_memory()))
                return False
            self._left = int(line)
            self._warming_up = _WARM_UP_STEPS
            self._turn = time.perf_counter()
        self._start = time.perf_counter()
        return True

    def _say(self, line: str) -> None:
        print(line, file=self._answers, flush=True)


def main() -> None:
    """Run what the command line names."""
    name, subject, results = sys.argv[1:]
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    CONTESTANTS[name].run(Subject.from_text(subject), Stopwatch(answers, results))


if __name__ == "__main__":
    main()
