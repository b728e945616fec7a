"""`onnxscope interpolate`: from one unit to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files import check_writable
from . import options
from .completion import complete_target
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import LayerOption, Making, finish, run_study

app = typer.Typer(add_completion=False)

EPILOG = "Example: onnxscope interpolate squeezenet fire8:5 fire8:11 --animation morph.gif"


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def interpolate(
    *,
    model: options.ModelName,
    start: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="Of the first picture, as render takes it.",
            autocompletion=complete_target,
        ),
    ],
    stop: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="Of the last picture.",
            autocompletion=complete_target,
        ),
    ],
    count: Annotated[int, typer.Option(metavar="N", help="How many pictures.")] = 6,
    layer: LayerOption = None,
    strength: Annotated[
        float, typer.Option(help="How much neighbours shall be alike; 0 for not at all.")
    ] = 1.0,
    animation: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write them as a .gif, .webp or .png that moves."),
    ] = None,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Show how one unit goes over into another, in pictures whose parts stay in place."""
    from ..pictures.formats import check_animation_suffix

    file = making.file(default_name(f"{start}-{stop}"))
    if animation is not None:
        check_animation_suffix(animation)
        check_writable(animation)
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies.interpolation import morph

    description = f"from {start} to {stop} of {opened.name}"
    found, files = run_study(
        description,
        lambda watch: morph(
            opened,
            start,
            stop,
            count,
            layer=layer,
            strength=strength,
            callback=watch,
            **making.settings(),
        ),
        file,
        quiet=making.quiet,
    )
    if animation is not None:
        files.append(found.save_animation(animation))
    finish(description, found, files, quiet=making.quiet)
