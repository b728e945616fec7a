"""`onnxscope compare`: what one unit's neurons, its channel and its negative look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .console import stdout
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import Making, finish, run_study

if TYPE_CHECKING:
    from ..studies.comparison import Comparison

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope compare squeezenet fire5:100

As data: onnxscope compare squeezenet fire5:100 --json"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def compare(
    *,
    model: options.ModelName,
    target: options.Unit,
    making: Making,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print values and findings as JSON instead of a table."),
    ] = False,
    preprocessing: Preprocessing,
) -> None:
    """Show what is different between a unit's neurons, its channel and its negative.

    One picture for the neuron in the middle, for two others and for one in the corner, for the
    channel and for its negative; the cells that each excites; the value of each under each
    objective; and what follows from that, in sentences.
    """
    file = making.file(default_name(target, kind="compared"))
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies import comparing

    description = f"neuron and channel of {target} of {opened.name}"
    found, files = run_study(
        description,
        lambda watch: comparing.compare(opened, target, callback=watch, **making.settings()),
        file,
        quiet=making.quiet or as_json,
    )
    if as_json:
        import json

        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    elif not making.quiet:
        _show(found)
    finish(description, found, files, quiet=making.quiet, say=not as_json)


def _show(found: Comparison) -> None:
    """The values as a table, and a line for each finding."""
    from rich.table import Table

    console = stdout()
    head, *rows = found.table()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, words in enumerate(head):
        table.add_column(words, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()
    for finding in found.findings:
        console.print(f"• {finding}", soft_wrap=True)
    console.print()
