"""`onnxscope accentuate`: more of what a unit sees in a photograph, the rest as it is."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import LayerOption, Making, PhotoName, read_photo, study

app = typer.Typer(add_completion=False)


@app.command(
    no_args_is_help=True, epilog="Example: onnxscope accentuate squeezenet photo.jpg fire8:5"
)
@expanded
def accentuate(
    *,
    model: options.ModelName,
    photo: PhotoName,
    target: options.Target,
    layer: LayerOption = None,
    strength: Annotated[
        float, typer.Option(help="How near to the photo; at 1 it weighs as much as the unit.")
    ] = 2.0,
    toward: Annotated[
        float | None,
        typer.Option(metavar="VALUE", help="The value that the unit shall reach."),
    ] = None,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Make a photo more of what a unit sees in it, and leave the rest as it is."""
    file = making.file(default_name(f"{photo.stem}-{target}", kind="accentuated"))

    array = read_photo(photo)
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..pictures import accentuation
    from ..studies.layers import early_layer

    near = early_layer(opened) if layer is None else layer
    study(
        f"{photo.name}, more of what {target} of {opened.name} sees, near it at {near}",
        lambda watch: accentuation.accentuate(
            opened,
            target,
            array,
            layer=near,
            strength=strength,
            toward=toward,
            callback=watch,
            **making.settings(),
        ),
        file,
        making,
    )
