"""`onnxscope expose`: inner values of a model as its outputs."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .console import file_size, kind_of, plural, stdout
from .groups import expanded
from .preprocessing import fetch_published

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope expose squeezenet fire5 fire9 -o squeezenet-fire.onnx

The part up to a layer: onnxscope expose my.onnx layer3 --cut -o backbone.onnx"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def expose(
    *,
    model: options.ModelName,
    layers: Annotated[
        list[str],
        typer.Argument(
            metavar="LAYER...", help="Names of layers, or of values that the file's nodes compute."
        ),
    ],
    output: options.Output,
    cut: Annotated[
        bool,
        typer.Option(
            "--cut",
            help="Only these outputs; what computes the others is dropped with its weights.",
        ),
    ] = False,
) -> None:
    """Write a model as its file has it, with inner values as further outputs.

    Everything else stays byte for byte as it is. Weights that the file has beside it are written
    beside the new one.
    """
    from ..files import check_writable
    from ..network.exposing import exposed

    check_writable(output)
    fetch_published(model)
    found = exposed(model, layers, cut=cut)
    files = found.save(output)
    console = stdout()
    console.print(", ".join(map(str, files)), style="bold", soft_wrap=True)
    size = sum(file.stat().st_size for file in files)
    console.print(f"  {plural(len(found.proto.graph.node), 'node')}, {file_size(size)}")
    for name, value in zip(layers, found.values, strict=True):
        told = next(given for given in found.proto.graph.output if given.name == value)
        known = "" if name == value else f"  ({name})"
        console.print(f"  out  {value}  {kind_of(told)}{known}", soft_wrap=True)
