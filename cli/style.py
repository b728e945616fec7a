"""`onnxscope style`: one photograph in the textures of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import Making, PhotoName, read_photo, study

app = typer.Typer(add_completion=False)


@app.command(
    no_args_is_help=True, epilog="Example: onnxscope style squeezenet photo.jpg painting.jpg"
)
@expanded
def style(
    *,
    model: options.ModelName,
    photo: PhotoName,
    painting: Annotated[
        Path, typer.Argument(metavar="STYLE", help="The picture whose textures are taken over.")
    ],
    content: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER", help="Where the photo is kept; by default a layer in the middle."
        ),
    ] = None,
    styles: Annotated[
        list[str] | None,
        typer.Option(
            "--style-layer",
            metavar="LAYER",
            help="Where textures are compared; repeat as needed. By default five layers.",
        ),
    ] = None,
    strength: Annotated[
        float, typer.Option(help="How much the textures count beside the photo.")
    ] = 1.0,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Paint a photo in the textures of another picture: style transfer."""
    file = making.file(default_name(f"{photo.stem}-{painting.stem}", kind="style"))

    array, other = read_photo(photo), read_photo(painting)
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies.styling import stylize

    study(
        f"{photo.name} in the style of {painting.name}, by {opened.name}",
        lambda watch: stylize(
            opened,
            array,
            other,
            content=content,
            styles=styles or None,
            strength=strength,
            callback=watch,
            **making.settings(),
        ),
        file,
        making,
    )
