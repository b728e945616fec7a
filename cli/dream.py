"""`onnxscope dream`: a photograph, in which what a layer or unit sees grows."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .console import note
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import Making, PhotoName, read_photo, study

app = typer.Typer(add_completion=False)

_MANY = 1_000_000
"""So many pixels take minutes without a GPU."""

_USUAL = 640


@app.command(
    no_args_is_help=True, epilog="Example: onnxscope dream squeezenet photo.jpg fire8 -o dream.png"
)
@expanded
def dream(
    *,
    model: options.ModelName,
    photo: PhotoName,
    target: options.Target,
    octaves: Annotated[
        int, typer.Option(metavar="N", help="In how many sizes, the smallest first.")
    ] = 4,
    ratio: Annotated[
        float, typer.Option(help="How many times as large each is as the one before.")
    ] = 1.4,
    strength: Annotated[
        float, typer.Option(help="How far each step goes; at 1 the photo is still recognised.")
    ] = 1.0,
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="How much the network sees at a time; by default all, or what fits into memory.",
        ),
    ] = None,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Let a network dream over a photo, in the photo's own size: Deep Dream."""
    file = making.file(default_name(f"{photo.stem}-{target}", kind="dream"))

    array = read_photo(photo)
    height, width = array.shape[:2]
    if making.size is None and height * width > _MANY and not making.quiet:
        note(
            f"{photo} has {height}×{width} pixels, each of which is climbed; a smaller picture is "
            f"faster: --size {height * _USUAL // max(height, width)}x"
            f"{width * _USUAL // max(height, width)}"
        )
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies import dreaming

    study(
        f"{photo.name}, dreamt by {target} of {opened.name}",
        lambda watch: dreaming.dream(
            opened,
            array,
            target,
            octaves=octaves,
            ratio=ratio,
            strength=strength,
            tile=tile,
            callback=watch,
            **making.settings(),
        ),
        file,
        making,
    )
