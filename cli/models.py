"""`onnxscope models`: the catalogue."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from .console import file_size, stdout

if TYPE_CHECKING:
    from rich.console import Console

    from ..models.catalogue import Entry

app = typer.Typer(
    name="models", add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
)

_NAME = Annotated[str, typer.Argument(metavar="NAME", help="A name of the catalogue.")]


@app.callback(invoke_without_command=True, epilog="Example: onnxscope models fetch squeezenet")
def models(ctx: typer.Context) -> None:
    """List published weights that are known by name, or fetch one of them."""
    if ctx.invoked_subcommand is None:
        list_models(as_json=False)


@app.command("list", epilog="Example: onnxscope models list")
def list_models(
    *,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON list of objects: name, architecture, dataset, size in bytes, "
            "license, source, here.",
        ),
    ] = False,
) -> None:
    """List the catalogue by architecture; a dot marks weights that are here already."""
    from .. import models

    entries = list(models.catalogue().values())
    if as_json:
        typer.echo(json.dumps([_as_json(entry) for entry in entries], indent=2))
        return
    console = stdout()
    width = max(len(entry.name) for entry in entries)
    for architecture, group in groupby(entries, key=lambda entry: entry.architecture):
        console.print(architecture, style="dim", soft_wrap=True)
        for entry in group:
            _show(console, entry, width)
    datasets: dict[str, list[str]] = {}
    for entry in entries:
        datasets.setdefault(entry.dataset, []).append(entry.name)
    for dataset, trained in datasets.items():
        which = "all" if len(trained) == len(entries) else ", ".join(trained)
        console.print(f"\nTrained on {dataset}: {which}. ● is here already.", soft_wrap=True)


def _as_json(entry: Entry) -> dict[str, object]:
    from .. import models

    return {
        "name": entry.name,
        "architecture": entry.architecture,
        "dataset": entry.dataset,
        "size": entry.size,
        "license": entry.license,
        "source": str(entry.source),
        "here": models.is_cached(entry.name),
    }


def _show(console: Console, entry: Entry, width: int) -> None:
    from rich.text import Text

    from .. import models

    dot = "●" if models.is_cached(entry.name) else " "
    licence = entry.license.split(";")[0]
    row = Text(f"{dot} {entry.name:{width}}  {file_size(entry.size):>8}  {licence}")
    row.stylize("green", 0, 1)
    row.stylize("bold", 2, 2 + len(entry.name))
    console.print(row, soft_wrap=True)
    # Without what every address begins with it fits into 80 columns.
    source = str(entry.source)
    console.print(f" {source.partition('://')[2] or source}", style="dim", soft_wrap=True)


@app.command("fetch", epilog="Example: onnxscope models fetch squeezenet")
def fetch(name: _NAME) -> None:
    """Download weights, check them and convert them to ONNX, as far as that is not done."""
    from .download import fetch

    typer.echo(fetch(name))


@app.command("path", epilog='Example: python script.py "$(onnxscope models path squeezenet)"')
def path(name: _NAME) -> None:
    """Print where the ONNX file of weights is that are here already."""
    from .. import models

    typer.echo(models.path(name))
