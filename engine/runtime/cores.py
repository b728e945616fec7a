"""How many cores of the CPU a process may use."""

from __future__ import annotations

import os

from .creation import allowed_threads


def cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return min(count, allowed_threads() or count)
