"""`onnxscope invert`: what layers keep of a photograph."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .groups import expanded
from .outputs import default_name
from .parts import parse_optimizer
from .preprocessing import Preprocessing
from .studying import Making, PhotoLayers, PhotoName, read_photo, study

app = typer.Typer(add_completion=False)


@app.command(
    no_args_is_help=True,
    epilog="Example: onnxscope invert squeezenet photo.jpg conv1 fire4 fire8",
)
@expanded
def invert(
    *,
    model: options.ModelName,
    photo: PhotoName,
    layers: PhotoLayers = None,
    smooth: Annotated[
        float, typer.Option(help="How smooth the pictures shall be; 0 for not at all.")
    ] = 0.03,
    optimizer: options.OptimizerName = None,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Show what layers keep of a photo: pictures that are to them the same as it."""
    file = making.file(default_name(photo.stem, kind="inverted"))

    array = read_photo(photo)
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies import depths

    study(
        f"what layers of {opened.name} keep of {photo.name}",
        lambda watch: depths.invert(
            opened,
            array,
            layers or None,
            smooth=smooth,
            optimizer=None if optimizer is None else parse_optimizer(optimizer, None),
            callback=watch,
            **making.settings(),
        ),
        file,
        making,
    )
