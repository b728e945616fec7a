"""The command line: parse, call the library, show.

`onnxscope --help` lists the commands. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line on `sys.argv` and exit.

    A shutdown, or a terminal that is closed, interrupts it as Ctrl-C does.
    """
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        # What is ignored, as under nohup, stays ignored.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        from .app import app

        app(prog_name="onnxscope")
    except KeyboardInterrupt:
        # Commands end with a sentence themselves; this is before one, while modules load.
        sys.exit(130)
