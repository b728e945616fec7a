"""`onnxscope prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from . import options, remembered
from .console import note, plural, stdout
from .given import given_besides
from .groups import Without, expanded
from .preprocessing import Preprocessing
from .typed import command_line, show_commands

if TYPE_CHECKING:
    from ..network.model import Model

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope prepare my.onnx --preprocessing imagenet -o my-ready.onnx

With classes: onnxscope prepare my.onnx --preprocessing caffe --labels names.txt -o ready.onnx

A detector: onnxscope prepare ssd.onnx --labels names.txt --channel-axis scores=2 -o ready.onnx

For this file, on this machine: onnxscope prepare my.onnx --preprocessing clip --remember"""

_WHAT = (
    "say what the network expects, such as --preprocessing imagenet, --input-range 0 255, what "
    "its classes are called, --labels FILE, or on which axis a layer's channels are, "
    "--channel-axis NAME=AXIS"
)


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def prepare(
    *,
    ctx: typer.Context,
    model: options.ModelName,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The file that says it itself."),
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="Remember it for this file, on this machine.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget what is remembered for this file.")
    ] = False,
    preprocessing: Annotated[Preprocessing, Without("layout", "colors", "image_input", "inputs")],
) -> None:
    """Say once what a model expects of pictures, and what and where its classes are.

    The new file is the old one with some lines of metadata more; its weights are the same bytes.
    """
    if forget:
        others = given_besides(ctx, "model", "forget")
        if others:
            raise InputError(f"--forget goes alone; leave out {', '.join(others)}")
        gone = remembered.forget(_opened(model, Preprocessing()).sha256)
        stdout().print("forgotten" if gone else f"nothing is remembered of {model}", soft_wrap=True)
        return
    if not preprocessing.given:
        raise InputError(_WHAT)
    if output is None and not remember:
        raise InputError("say with -o FILE where to write the new file, or --remember it here")
    opened = _opened(model, preprocessing)
    said = _said(opened, preprocessing)
    if remember:
        note(f"remembered in {remembered.remember(opened.sha256, said)}")
    if output is not None:
        _write(opened, output, said)


def _opened(name: str, preprocessing: Preprocessing) -> Model:
    from .. import models

    if name in models.catalogue():
        raise InputError(f"{name} is of the catalogue, and says itself what it expects")
    model = preprocessing.open(name, for_pictures=False, recalled=False)
    if model.metadata is not None:
        raise InputError(f"{name} was converted by onnxscope, and says itself what it expects")
    if preprocessing.says_pictures:
        _check_agreement(name, model)
    return model


def _check_agreement(name: str, model: Model) -> None:
    """See that a network that normalises pictures itself is given what it takes."""
    own = Preprocessing().open(name, for_pictures=False, recalled=False)
    words = own.expectation.words
    if own.preprocessing not in (None, model.preprocessing) and words.startswith("in the graph"):
        raise InputError(
            f"{name} normalises pictures itself ({words}), and takes {own.preprocessing}, not "
            f"{model.preprocessing}"
        )


def _said(model: Model, preprocessing: Preprocessing) -> dict[str, Any]:
    """What was given, as `onnxscope.load` takes it and JSON has it."""
    said: dict[str, Any] = {}
    if preprocessing.says_pictures and model.preprocessing is not None:
        said = model.preprocessing.to_json()
        # The file has it; where it leaves it open, it is asked for.
        del said["layout"]
    if preprocessing.labels is not None:
        said["labels"] = list(model.labels)
    if preprocessing.channel_axis is not None:
        said["channel_axis"] = model.arguments()["channel_axis"]
    return said


def _write(model: Model, output: Path, said: dict[str, Any]) -> None:
    from ..files import check_writable
    from ..network.preparing import said_of, write_prepared

    check_writable(output)
    wanted = model.preprocessing if "input_range" in said else None
    axes = said.get("channel_axis", {})
    metadata = said_of(wanted, model.labels if "labels" in said else (), axes)
    files = write_prepared(model.name, output, metadata)
    facts = [] if wanted is None else [str(wanted)]
    facts += [plural(len(said["labels"]), "label")] if "labels" in said else []
    names = model.names.naming.aliases
    facts += [f"channels of {names.get(name, name)} on axis {axis}" for name, axis in axes.items()]
    console = stdout()
    console.print(", ".join(map(str, files)), style="bold", soft_wrap=True)
    console.print(f"  {', '.join(facts)}", soft_wrap=True)
    show_commands(console, "its layers", [command_line("inspect", str(output))])
