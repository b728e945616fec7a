"""`onnxscope spectrum`: a unit's negative picture, photographs by quantile, and its picture."""

from __future__ import annotations

from pathlib import Path

import typer

from ..errors import InputError
from . import options
from .console import stdout
from .given import parse_size
from .groups import expanded
from .outputs import default_name
from .photo_progress import PhotoWatch
from .preprocessing import Preprocessing
from .studying import Making, finish, run_study

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope spectrum squeezenet fire8:5 photos/"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def spectrum(
    *,
    model: options.ModelName,
    target: options.Unit,
    photos: options.Photos = None,
    making: Making,
    preprocessing: Preprocessing,
) -> None:
    """Show a unit from what it likes least, over photographs, to what it likes most.

    The photographs are those that are nearest to quantiles of its strongest cell's value before the
    activation function, cut to what that cell sees. What is interrupted goes on with the same
    command.
    """
    if not photos:
        raise InputError("spectrum takes folders of photographs behind the unit")
    file = making.file(default_name(target, kind="spectrum"))
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..studies import spectra

    state = file.with_name(f"{file.stem}-unfinished.npz")
    description = f"{target} of {opened.name}, least to most"
    with PhotoWatch("photos", quiet=making.quiet) as watch:
        found = spectra.photos_for(
            opened,
            target,
            [Path(text) for text in photos],
            size=parse_size(making.size),
            seed=making.seed,
            provider="auto" if making.provider is None else making.provider,
            state=state,
            callback=watch,
        )
    settings = making.settings()
    settings.pop("size", None)
    made, files = run_study(
        description,
        lambda steps: spectra.unit_spectrum(opened, target, found, callback=steps, **settings),
        file,
        quiet=making.quiet,
    )
    state.unlink(missing_ok=True)
    if not making.quiet:
        for title, place in made.places:
            stdout().print(f"  {title}  {Path(place.path).name}  {place.value:.4g}", soft_wrap=True)
    finish(description, made, files, quiet=making.quiet)
