"""`onnxscope caricature`: what layers see in a photograph, exaggerated."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import Making, PhotoLayers, PhotoName, read_photo, study

app = typer.Typer(add_completion=False)


@app.command(
    no_args_is_help=True,
    epilog="Example: onnxscope caricature squeezenet photo.jpg fire4 fire6 fire8",
)
@expanded
def caricature(
    *,
    model: options.ModelName,
    photo: PhotoName,
    layers: PhotoLayers = None,
    cosine: Annotated[
        float,
        typer.Option(help="How exactly a layer's direction is kept: the power of the cosine."),
    ] = 1.0,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Show what layers see in a photo, exaggerated."""
    file = making.file(default_name(photo.stem, kind="caricatures"))

    array = read_photo(photo)
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies.depths import caricatures

    study(
        f"caricatures of {photo.name} by {opened.name}",
        lambda watch: caricatures(
            opened, array, layers or None, cosine=cosine, callback=watch, **making.settings()
        ),
        file,
        making,
    )
