"""`onnxscope arithmetic`: units added to each other."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .completion import complete_target
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import Making, study

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope arithmetic squeezenet fire8:5 fire5:100 fire6:3

Two rows: onnxscope arithmetic squeezenet fire8:5 fire8:11 fire5:100 fire6:3 --rows 2"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def arithmetic(
    *,
    model: options.ModelName,
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET…",
            help="The units of the rows, then those of the columns, as render takes them.",
            autocompletion=complete_target,
        ),
    ],
    rows: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many of them are for the rows.")
    ] = 1,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Add units to each other: a table of the pictures of two units at once."""
    from ..errors import InputError

    if len(targets) <= rows:
        raise InputError(
            f"give more targets than --rows {rows}: the first are for the rows, the others for the "
            "columns"
        )
    file = making.file(default_name("-".join(targets), kind="sums"))
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies.arithmetic import arithmetic as added

    study(
        f"sums of {len(targets)} units of {opened.name}",
        lambda watch: added(
            opened, targets[:rows], targets[rows:], callback=watch, **making.settings()
        ),
        file,
        making,
    )
