"""Commands to type: quoted for the shell, on lines of their own, never cut or wrapped."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def command_line(*words: str) -> str:
    """Return `onnxscope` with some words as the shell of this system takes it."""
    every = ["onnxscope", *words]
    # Windows' shells know no single quotes.
    return subprocess.list2cmdline(every) if sys.platform == "win32" else shlex.join(every)


def show_commands(console: Console, why: str, lines: Iterable[str]) -> None:
    """Print commands under a remark, each on its line, however narrow the terminal is."""
    console.print(f"\n{why}:", style="dim", soft_wrap=True)
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)
