"""Where output goes: results to stdout, progress, warnings and errors to stderr."""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import onnx
    from rich.console import Console
    from rich.text import Text

_NAMELESS = re.compile(r"[^()+*\s]+\.\d+")


def stdout() -> Console:
    """Return a console for results."""
    return _console(stderr=False)


def stderr() -> Console:
    """Return a console for everything else."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    # Layer names and paths are shown as they are: "[" starts no markup, ":a:" is no emoji.
    return _printable_console()(stderr=stderr, markup=False, emoji=False, highlight=False)


@cache
def _printable_console() -> type[Console]:
    """The class of consoles, which takes longer to import than the command line."""
    from rich.console import Console
    from rich.text import Text

    class Printable(Console):
        """Prints what people read, not what names hold that terminals take for commands."""

        def print(self, *objects: Any, **options: Any) -> None:
            """Print objects, texts with escapes."""
            super().print(*map(escaped, objects), **options)

    def escaped(shown: Any) -> Any:
        if isinstance(shown, str):
            return printable(shown)
        if isinstance(shown, Text) and printable(shown.plain) != shown.plain:
            return Text(printable(shown.plain), shown.style)
        return shown

    return Printable


def warn(message: str) -> None:
    """Print a warning."""
    _labelled("warning", "bold yellow", message)


def printable(text: str) -> str:
    """Return a text with escapes for what a terminal takes for commands, or cannot show."""
    # It needs NumPy, which takes longer than all of `--help`.
    from ..plain import on_one_line

    return "\n".join("\t".join(map(on_one_line, line.split("\t"))) for line in text.split("\n"))


def note(message: str) -> None:
    """Print a remark that is neither a result nor a warning."""
    stderr().print(message, style="dim", soft_wrap=True)


def fail(message: str) -> None:
    """Print an error."""
    _labelled("error", "bold red", message)


def _labelled(label: str, style: str, message: str) -> None:
    console = stderr()
    text = labelled(label, style, message)
    # Whole lines, so that a path can be copied, and a sentence found with grep.
    console.print(text, soft_wrap=True)
    sys.stderr.flush()


def labelled(label: str, style: str, message: str) -> Text:
    """Return a message with what it is before it."""
    from rich.text import Text

    return Text.assemble((f"{label}:", style), f" {message}")


def file_size(count: int) -> str:
    """Return a number of bytes for people."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"


def plural(count: int, noun: str) -> str:
    """Return `1 layer`, `2 layers`, `2 classes`."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"


def times(shape: Sequence[int]) -> str:
    """Return a shape as `512×14×14`."""
    return "×".join(str(size) for size in shape)


def show_facts(console: Console, title: str, facts: Iterable[tuple[str, str]]) -> None:
    """Print facts with their names before them, under a title if there is one.

    Commands to type come last, each on a line of its own.
    """
    from rich.table import Table

    if title:
        console.print(title, style="bold", soft_wrap=True)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    commands = []
    for name, fact in facts:
        if fact.startswith("onnxscope "):
            commands.append((name, fact))
        else:
            grid.add_row(f"  {name}", fact)
    console.print(grid)
    for name, command in commands:
        # Never wrapped: it is copied as it stands.
        console.print(f"  {name}", style="dim")
        console.print(f"    {command}", soft_wrap=True)


def kind_of(value: onnx.ValueInfoProto) -> str:
    """Return a value's type and shape: `float32 1×3×H×W`."""
    from onnx import TensorProto

    if not value.type.HasField("tensor_type"):
        return str(value.type.WhichOneof("value")).removesuffix("_type")
    tensor = value.type.tensor_type
    name = TensorProto.DataType.Name(tensor.elem_type).lower()
    if not tensor.HasField("shape"):
        return f"{ {'float': 'float32', 'double': 'float64'}.get(name, name) } of any shape"
    dims = [
        str(dim.dim_value) if dim.HasField("dim_value") else _open_size(dim.dim_param)
        for dim in tensor.shape.dim
    ]
    # Sizes that follow from others are formulas.
    shape = "×".join(f"({dim})" if " " in dim else dim for dim in dims) or "one number"
    return f"{ {'float': 'float32', 'double': 'float64'}.get(name, name) } {shape}"


def _open_size(name: str) -> str:
    """A size that the file names, or `?`: `X.0` is how a graph tells apart what has no name."""
    return "?" if not name or _NAMELESS.fullmatch(name) else name
