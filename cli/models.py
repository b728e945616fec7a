"""`onnxscope models`: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import file_size, stdout

app = typer.Typer(
    name="models", add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
)

_NAME = Annotated[str, typer.Argument(metavar="NAME", help="A name of the catalogue.")]


@app.callback(invoke_without_command=True, epilog="Example: onnxscope models fetch squeezenet")
def models(ctx: typer.Context) -> None:
    """List published weights that are known by name, or fetch one of them."""
    if ctx.invoked_subcommand is None:
        list_models()


@app.command("list", epilog="Example: onnxscope models list")
def list_models() -> None:
    """List the catalogue; a dot marks weights that are here already."""
    from rich.text import Text

    from .. import models

    console = stdout()
    entries = models.catalogue().values()
    name, architecture = (
        max(len(getattr(entry, column)) for entry in entries) for column in ("name", "architecture")
    )
    columns = f"{{:1}} {{:{name}}}  {{:{architecture}}}  {{:>8}}  {{}}"
    console.print(columns.format("", "name", "architecture", "size", "licence"), style="dim")
    datasets: dict[str, list[str]] = {}
    for entry in entries:
        here = models.is_cached(entry.name)
        row = Text(
            columns.format(
                "●" if here else "",
                entry.name,
                entry.architecture,
                file_size(entry.size),
                entry.license.split(";")[0],
            )
        )
        row.stylize("green", 0, 1)
        row.stylize("bold", 2, 2 + name)
        console.print(row, soft_wrap=True)
        console.print(f"    {entry.source}", style="dim", soft_wrap=True)
        datasets.setdefault(entry.dataset, []).append(entry.name)
    for dataset, trained in datasets.items():
        which = "all" if len(trained) == len(entries) else ", ".join(trained)
        console.print(f"\nTrained on {dataset}: {which}. ● is here already.", soft_wrap=True)


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
