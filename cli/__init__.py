"""The command line: parse, call the library, show.

`onnxscope --help` lists the commands. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line on `sys.argv` and exit."""
    from .app import app

    app(prog_name="onnxscope")
