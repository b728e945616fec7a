"""`onnxscope examples`: the photographs that excite units most and least."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .console import note, plural, stdout
from .given import parse_size, targets_and_photos
from .groups import expanded
from .outputs import check_folder, default_name, make_folder
from .photo_progress import PhotoWatch
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from ..studies.collection import Examples

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope examples squeezenet fire5:0-15 photos/

All units of two layers: onnxscope examples squeezenet fire5 fire8 photos/ -o examples/

What made the daisy: onnxscope examples squeezenet fire8 photos/ --relevance daisy"""

_STATE = "unfinished.npz"


class By(StrEnum):
    """What of a unit's cells counts."""

    MAX = "max"
    MEAN = "mean"


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def examples(
    *,
    model: options.ModelName,
    given: options.TargetsAndPhotos = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            help="For examples.json, examples.npz and contact sheets.",
        ),
    ] = Path("examples"),
    count: Annotated[
        int, typer.Option(metavar="N", help="How many photos of each unit, at either end.")
    ] = 8,
    by: Annotated[
        By, typer.Option(help="Rank photos by a unit's strongest cell, or its mean over all.")
    ] = By.MAX,
    relevance: Annotated[
        str | None,
        typer.Option(
            metavar="TARGET",
            help="Rank by the relevance to it, activation times gradient; highest means each "
            "photo's class with the highest score.",
        ),
    ] = None,
    before_activation: options.BeforeActivation = False,
    no_sheets: Annotated[
        bool, typer.Option("--no-sheets", help="Draw no contact sheets, as of very many units.")
    ] = False,
    size: options.Size = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many photos at once; by default what is fastest and fits."
        ),
    ] = None,
    provider: options.Provider = "auto",
    quiet: options.Quiet = False,
    preprocessing: Preprocessing,
) -> None:
    """Find the photographs that excite units most and least, and where in them.

    All units are looked at in one pass. What is interrupted or killed goes on with the same
    command. Files that cannot be read are left out, and named.
    """
    from ..studies.collecting import examples as collect

    targets, photos = targets_and_photos(given or [])
    check_folder(output)
    pixels = parse_size(size)
    opened = preprocessing.open(model)
    state = output / _STATE
    # Made by whoever writes to it first: what is refused leaves nothing behind.
    made = not output.exists()
    make_folder(output)
    watch = PhotoWatch("examples", quiet=quiet)
    try:
        with watch:
            found = collect(
                opened,
                targets,
                photos,
                count=count,
                by=by.value,
                relevance=relevance,
                before_activation=before_activation,
                size=pixels,
                provider=provider,
                batch_size=batch_size,
                state=state,
                callback=watch,
            )
    except KeyboardInterrupt:
        if state.exists() and watch.last is not None:
            done, total = watch.last.done, watch.last.total
            note(f"the same command goes on behind {done:,} of {total:,} photos")
        raise
    finally:
        if made and not any(output.iterdir()):
            output.rmdir()
    files = [found.save(output / "examples.json"), found.save(output / "examples.npz")]
    if not no_sheets:
        files += _sheets(found, output)
    state.unlink(missing_ok=True)
    _say(found, files, quiet=quiet)


def _sheets(found: Examples, folder: Path) -> list[Path]:
    """Contact sheets of each layer, several of one with more units than fit on one."""
    from ..pictures.formats import save_image

    written = []
    for title in found.layers:
        of = [name for name in found.names if name == title or name.startswith(f"{title}:")]
        stem = default_name(title).stem
        parts = [of[start : start + 32] for start in range(0, len(of), 32)]
        for number, names in enumerate(parts, 1):
            name = f"{stem}-{number:0{len(str(len(parts)))}}" if len(parts) > 1 else stem
            written.append(save_image(found.sheet(names), folder / f"{name}.png"))
    return written


def _say(found: Examples, files: list[Path], *, quiet: bool) -> None:
    console = stdout()
    if quiet:
        for file in files:
            console.print(str(file), soft_wrap=True)
        return
    left = f"; {plural(len(found.skipped), 'file')} left out" if found.skipped else ""
    console.print(f"{plural(found.seen, 'photo')} by {found.measure}{left}", soft_wrap=True)
    sheets = [file for file in files if file.suffix == ".png"]
    shown = [*files[:2], *sheets[:1]]
    for file in shown:
        console.print(str(file), style="bold", soft_wrap=True)
    if len(sheets) > 1:
        console.print(f"… to {sheets[-1]}", style="bold", soft_wrap=True)
