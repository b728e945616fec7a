"""`onnxscope diversity`: several pictures of one unit that differ."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .groups import expanded
from .outputs import default_name
from .preprocessing import Preprocessing
from .studying import LayerOption, Making, study

app = typer.Typer(add_completion=False)


@app.command(
    no_args_is_help=True, epilog="Example: onnxscope diversity squeezenet fire8:5 --count 6"
)
@expanded
def diversity(
    *,
    model: options.ModelName,
    target: options.Target,
    count: Annotated[int, typer.Option(metavar="N", help="How many pictures.")] = 4,
    layer: LayerOption = None,
    strength: Annotated[
        float,
        typer.Option(help="How much they shall differ; at 1 that weighs as much as the unit."),
    ] = 0.3,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Show the facets of a unit: several pictures that differ as much as they can."""
    file = making.file(default_name(target, kind="diverse"))
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies.diversity import diversify

    study(
        f"{count} pictures of {target} of {opened.name}",
        lambda watch: diversify(
            opened,
            target,
            count,
            layer=layer,
            strength=strength,
            callback=watch,
            **making.settings(),
        ),
        file,
        making,
    )
