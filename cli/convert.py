"""`onnxscope convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import file_size, plural, stdout

app = typer.Typer(add_completion=False)

EPILOG = "Example: onnxscope convert inception5h.zip -o inception_v1.onnx"


@app.command(no_args_is_help=True, epilog=EPILOG)
def convert(
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="A weights file as it was published.")
    ],
    output: options.Output,
    architecture: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="By default recognised from the tensors' names."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Class names, one a line, instead of those the weights bring."
        ),
    ] = None,
) -> None:
    """Turn published weights into an ONNX model that says itself what it is.

    Reads PyTorch state dicts, TensorFlow frozen graphs, Caffe models, safetensors, pickles of
    NumPy arrays, Google's Inception archives and GoogLeNets of the ONNX model zoo.
    """
    from .. import models
    from ..files import check_writable, write_bytes
    from ..graph.metadata import Metadata
    from ..network.inputs.label_files import read_labels

    check_writable(output)
    names = None if labels is None else list(read_labels(labels))
    model = models.convert(weights, architecture, names)
    data = model.SerializeToString(deterministic=True)
    write_bytes(output, data)
    metadata = Metadata.from_props({prop.key: prop.value for prop in model.metadata_props})
    console = stdout()
    console.print(str(output), style="bold", soft_wrap=True)
    facts = [file_size(len(data))]
    if metadata is not None:
        facts = [metadata.architecture, plural(len(metadata.layers), "layer"), *facts]
        facts.append(plural(len(metadata.labels), "label") if metadata.labels else "no labels")
        if "through" in metadata.extra:
            facts.append(f"ends at {metadata.extra['through']}")
    console.print(f"  {', '.join(facts)}", soft_wrap=True)
