"""The command line: parse, call the library, show.

`onnxscope --help` lists the commands. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line on `sys.argv` and exit."""
    try:
        from .app import app

        app(prog_name="onnxscope")
    except KeyboardInterrupt:
        # Commands end with a sentence themselves; this is before one, while modules load.
        sys.exit(130)
