"""`onnxscope blocks`: a page of what a network sees in photographs, cell by cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from . import options
from .console import file_size, note, plural, stdout
from .groups import expanded
from .outputs import check_folder
from .preprocessing import Preprocessing
from .progress import Stages

if TYPE_CHECKING:
    from ..studies.anatomy import Blocks
    from ..studies.building import BlockMaker

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope blocks squeezenet cat.jpg city.jpg -o blocks/

Layers of your choice: onnxscope blocks squeezenet cat.jpg --layers fire5,fire8 -o blocks/"""


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def blocks(
    *,
    model: options.ModelName,
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO...", help="Photographs; the middle of each is shown."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Where the page goes; it opens as index.html."
        ),
    ] = Path("blocks"),
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Layers with cells, with commas between them; by default four, from an early one "
            "to the last.",
        ),
    ] = None,
    groups: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS",
            help="Into how many groups neurons are divided: a range such as 2-8, or numbers with "
            "commas between them; 0 for none.",
        ),
    ] = "2-8",
    classes: Annotated[
        int, typer.Option(metavar="N", help="How many classes, those with the highest scores.")
    ] = 5,
    strongest: Annotated[
        int, typer.Option(metavar="N", help="How many of a cell's strongest units are shown.")
    ] = 4,
    side: Annotated[
        int | None,
        typer.Option(
            "--side",
            metavar="PIXELS",
            help="Side of the small pictures; by default 40 for early layers, else 64.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="How many steps each small picture climbs.")] = 32,
    seed: Annotated[int, typer.Option(help="Same seed, same pictures.")] = 0,
    provider: options.Provider = "auto",
    preprocessing: Preprocessing,
) -> None:
    """Take apart what a network sees in photographs, as a page to be pointed at."""
    from ..images import read_photo
    from ..pages.building_blocks import write_blocks
    from ..pages.site import check_jinja
    from ..studies.building import BlockMaker

    check_jinja()
    counts = _counts(groups)
    for photo in photos:
        # What cannot be read is told before minutes of work.
        read_photo(photo)
    check_folder(output)
    if (output / "index.html").exists():
        note(f"replaces {output / 'index.html'}")
    began = time.perf_counter()
    maker = BlockMaker(
        preprocessing.open(model),
        None if layers is None else [name.strip() for name in layers.split(",") if name.strip()],
        classes=classes,
        units=strongest,
        groups=counts,
        size=side,
        steps=steps,
        seed=seed,
        provider=provider,
    )
    page = write_blocks(_made(maker, photos), output)
    weight = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    seconds = time.perf_counter() - began
    stdout().print(str(page), style="bold", soft_wrap=True)
    names = ", ".join(layer.title for layer in maker.layers)
    stdout().print(
        f"  {plural(len(photos), 'photo')}, {names}: {file_size(weight)}, {seconds:.0f} s",
        soft_wrap=True,
    )


def _made(maker: BlockMaker, photos: list[Path]) -> Iterator[Blocks]:
    for photo in photos:
        with Stages(photo.name) as stages:
            yield maker(photo, report=stages)


def _counts(text: str) -> list[int]:
    """`2-8` or `2,4,6` as numbers; `0` as none.

    Raises:
        InputError: it is neither.
    """
    counts: set[int] = set()
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            counts.update(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        counts = {-1}
    if counts == {0}:
        return []
    if not counts or min(counts) < 1 or max(counts) > 64:
        raise InputError(
            f"--groups are numbers from 1 to 64 such as 2-8 or 2,4,6, or 0 for none, not {text!r}"
        )
    return sorted(counts)
