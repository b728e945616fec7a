"""`onnxscope relevance`: how much each channel of a layer counts for a target, as weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from . import options
from .console import plural, stdout
from .given import parse_size
from .groups import expanded
from .preprocessing import Preprocessing

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope relevance squeezenet tabby fire5 cats/ -o counts.npy

Its use: onnxscope render squeezenet \
'"tabby" - 20 * distribution("fire5", "cat.jpg", weights=array("counts.npy"))'"""

_SHOWN = 8


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def relevance(
    *,
    model: options.ModelName,
    target: options.Target,
    layer: Annotated[
        str, typer.Argument(metavar="LAYER", help="A layer before the target that has cells.")
    ],
    photos: Annotated[
        list[Path],
        typer.Argument(
            metavar="PHOTO...", help="Photographs or folders of them, such as the target's best."
        ),
    ],
    output: options.Output,
    size: options.Size = None,
    provider: options.Provider = "auto",
    preprocessing: Preprocessing,
) -> None:
    """Measure how much each channel of a layer counts for a target on photographs.

    Activation times gradient, the largest of a channel's cells, from 0 to 1 over the channels. The
    file, .npy, is what `distribution` takes as weights.
    """
    import numpy as np

    from ..files import atomic_path, check_writable
    from ..photo_files import PhotoFiles
    from ..studies.relevance import relevance as measured

    check_writable(output)
    if output.suffix.lower() != ".npy":
        raise InputError(f"-o is an .npy file, such as counts.npy, not {output}")
    files = PhotoFiles.found(photos).files
    opened = preprocessing.open(model)
    counts = measured(opened, target, layer, files, size=parse_size(size), provider=provider)
    with atomic_path(output) as temporary:
        np.save(temporary, counts)
    first = np.argsort(-counts, kind="stable")[:_SHOWN]
    stdout().print(str(output), style="bold", soft_wrap=True)
    stdout().print(f"  {plural(len(counts), 'channel')} on {plural(len(files), 'photo')}")
    for channel in first:
        stdout().print(f"  {layer}:{channel}  {counts[channel]:.2f}")
