"""`onnxscope cache`: the finished graphs that are kept on disk."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="cache",
    add_completion=False,
    no_args_is_help=True,
    help="Finished graphs on disk, which make the next start faster.",
)


@app.command()
def path() -> None:
    """Print the folder; it can be deleted at any time."""
    from ..cache import graph_folder

    typer.echo(graph_folder())


@app.command()
def size() -> None:
    """Print how much it takes."""
    from ..cache import LIMIT, GraphCache, graph_folder
    from .console import file_size

    taken = GraphCache(graph_folder()).size()
    typer.echo(f"{file_size(taken)} of at most {file_size(LIMIT)}")


@app.command()
def clear() -> None:
    """Remove all graphs."""
    from ..cache import GraphCache, graph_folder
    from .console import file_size

    cache = GraphCache(graph_folder())
    taken = cache.size()
    cache.clear()
    typer.echo(f"{file_size(taken)} removed")
