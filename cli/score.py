"""`onnxscope score`: in how far pictures of units can be trusted, by photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from . import options
from .console import note, plural, stdout, warn
from .given import targets_and_photos
from .groups import Without, expanded
from .photo_progress import PhotoWatch
from .preprocessing import Preprocessing, fetch_published
from .progress import Watch
from .studying import Making

if TYPE_CHECKING:
    from ..network.model import Model
    from ..studies.collection import Examples
    from ..studies.unit_score import Score

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope score squeezenet fire8:0-3 photos/

Of photos that were looked at already: onnxscope score squeezenet fire8:5 examples/examples.npz"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def score(
    *,
    model: options.ModelName,
    given: options.TargetsAndPhotos = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A picture of the one target, of the size of --size; by default its channel is "
            "rendered.",
        ),
    ] = None,
    eye: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="The second network; by default one of the catalogue that is here, if there is.",
        ),
    ] = None,
    making: Annotated[Making, Without("output")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON, with those by layer.")
    ] = False,
    preprocessing: Preprocessing,
) -> None:
    """Say in how far pictures of units can be trusted.

    Superstimulus: what the picture is worth to the unit, over the best photo. Agreement: is it
    nearer to the unit's best photos than to random ones, to a second network; 0.5 is chance. Path:
    does it travel through the layers as such photos do; from 0, as any photo, to 1.
    """
    targets, photos = targets_and_photos(given or [])
    opened = preprocessing.open(model, cache=not making.no_cache)

    from ..network.loading import load
    from ..studies.scoring import scores
    from ..studies.second_eye import other_network

    quiet = making.quiet or as_json
    settings: dict[str, Any] = dict(making.settings())
    size = settings.pop("size")
    name = eye or other_network(opened)
    second = None
    if name is not None:
        fetch_published(name)
        second = load(name, cache=not making.no_cache)
    elif not quiet:
        note("agreement is left out: --eye MODEL gives a second network")
    found = _examples(opened, targets, photos, size, making, quiet=quiet)
    names = _names(opened, targets)
    if picture is not None and len(names) != 1:
        raise InputError(f"--picture is of one target, not of {len(names)}")
    given_pictures = None if picture is None else {names[0]: picture}
    results: list[Score] = []
    if not quiet:
        stdout().print(_row("unit", "superstimulus", "agreement", "path"), style="dim")
    what = names[0] if len(names) == 1 else plural(len(names), "unit")
    with Watch(f"pictures of {what}", quiet=quiet or picture is not None) as watch:
        for one in scores(
            opened, targets, found, given_pictures, eye=second, callback=watch, **settings
        ):
            results.append(one)
            if not as_json:
                label = f"  {one.label}" if one.label else ""
                numbers = map(_number, (one.superstimulus, one.agreement, one.path))
                watch.show("", _row(one.name, *numbers) + label)
    if as_json:
        import json

        typer.echo(json.dumps([one.to_json() for one in results], indent=2, ensure_ascii=False))
    elif not quiet and second is not None:
        best, others = results[0].photos
        note(f"against {best} best and {others} random photos of {found.seen:,}; by {second.name}")


def _examples(
    model: Model,
    targets: Sequence[str],
    photos: Sequence[Path],
    size: tuple[int, int] | None,
    making: Making,
    *,
    quiet: bool,
) -> Examples:
    """What `examples` found, read from its file or found now."""
    from ..studies.collecting import examples
    from ..studies.collection import read_examples

    if len(photos) == 1 and photos[0].suffix == ".npz":
        if size is not None:
            warn("--size is left out: the photos were looked at already")
        return read_examples(photos[0])
    with PhotoWatch("photos", quiet=quiet) as watch:
        return examples(
            model,
            targets,
            photos,
            size=size,
            seed=making.seed,
            provider="auto" if making.provider is None else making.provider,
            callback=watch,
        )


def _names(model: Model, targets: Sequence[str]) -> list[str]:
    """The single units."""
    from ..studies.measuring import aims_of

    aims = aims_of(model, targets)
    for aim in aims:
        if not aim.layer:
            raise InputError(f"scores are of units, such as LAYER:UNIT or a class, not {aim.title}")
    return [f"{aim.title}:{unit}" for aim in aims for unit in aim.units]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _row(name: str, *numbers: str) -> str:
    return f"{name:24}" + "".join(f"{number:>15}" for number in numbers)
