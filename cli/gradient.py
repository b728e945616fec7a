"""`onnxscope gradient`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from . import options
from .console import file_size, kind_of, plural, stdout
from .given import given_besides, parse_size
from .groups import expanded
from .inputs import AboutInputs
from .preprocessing import Preprocessing, fetch_published

if TYPE_CHECKING:
    import onnx

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope gradient squeezenet fire5:11 -o fire5-11-gradient.onnx

Of any value of any model: onnxscope gradient my.onnx loss --wrt hidden --wrt scale -o g.onnx"""

_BARE = "The bare gradient"
_WIDTHS = {"float": "float32", "double": "float64"}


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def gradient(
    *,
    ctx: typer.Context,
    model: options.ModelName,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="LAYER:UNIT such as mixed4a:11, a LAYER, or a class by name or number; with "
            "--wrt, the name of a value.",
        ),
    ],
    output: options.Output,
    wrt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Differentiate the model as it is, whatever it takes, with respect to this "
            "input, weight or value on the way; may be repeated.",
            rich_help_panel=_BARE,
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=1,3,224,224",
            help="With --wrt, the shape of an input that the file leaves open, to be built in; "
            "may be repeated.",
            rich_help_panel=_BARE,
        ),
    ] = None,
    aim: options.Aim,
    size: options.Size = None,
    batch: Annotated[int, typer.Option(help="How many pictures it takes at once.")] = 1,
    preprocessing: Preprocessing,
) -> None:
    """Write the gradient of an objective with respect to the picture as an ONNX model.

    It is self-contained and of standard operators only: pictures in, values and gradients out.

    With --wrt it is the model itself, which gives grad_NAME for each NAME besides its outputs.

    What --input gives a value is a constant of it, so that branches and loops that depend on it are
    known.

    There, where TARGET is more than a number, an input grad_TARGET takes its elements' weights.
    """
    from ..files import check_writable

    check_writable(output)
    if wrt is not None:
        others = given_besides(ctx, "model", "target", "output", "wrt", "shape", "inputs")
        if others:
            raise InputError(
                f"--wrt differentiates the model as it is; leave out {', '.join(others)}"
            )
        about = AboutInputs(shape or (), preprocessing.inputs or ())
        _write_bare(model, target, wrt, about, output)
        return
    if shape is not None:
        raise InputError("--shape is for --wrt NAME; the pictures' size is --size")
    pixels = parse_size(size)

    from ..gradient.of_pictures import Gradient

    opened = preprocessing.open(model)
    wanted, described = aim.resolve(opened, target)
    proto = Gradient(opened, wanted).to_onnx(size=pixels, batch=batch)
    _write(proto, output, f"{described} of {opened.name}")


def _write_bare(model: str, value: str, wrt: list[str], about: AboutInputs, output: Path) -> None:
    from ..gradient.differentiation import differentiate

    shapes, inputs = about.parsed_shapes, about.values
    source = fetch_published(model) or model
    proto = differentiate(source, value, wrt, shapes=shapes, inputs=inputs)
    gradients = [output.name for output in proto.graph.output][-len(wrt) :]
    _write(proto, output, f"{value} of {model} by {', '.join(wrt)}", [value, *gradients])


def _write(
    proto: onnx.ModelProto, output: Path, described: str, outputs: Collection[str] = ()
) -> None:
    """Write a gradient, and say what it takes and gives: these outputs, or all."""
    from ..importer.model_file import write_model

    files = write_model(output, proto)
    size = sum(file.stat().st_size for file in files)
    console = stdout()
    console.print(", ".join(map(str, files)), style="bold", soft_wrap=True)
    opset = next(entry.version for entry in proto.opset_import if not entry.domain)
    facts = [f"opset {opset}", plural(len(proto.graph.node), "node"), file_size(size)]
    console.print(f"  {described}: {', '.join(facts)}", soft_wrap=True)
    for value in proto.graph.input:
        console.print(f"  in   {value.name}  {kind_of(value)}", soft_wrap=True)
    shown = [value for value in proto.graph.output if not outputs or value.name in outputs]
    for value in shown:
        console.print(f"  out  {value.name}  {kind_of(value)}", soft_wrap=True)
    rest = len(proto.graph.output) - len(shown)
    if rest:
        console.print(f"       and {plural(rest, 'more output')} of the model", style="dim")
