"""What the commands of studies share: their options, and a study under the user's eyes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict, TypeVar

import typer

from ..files import check_writable
from . import options
from .console import fail, plural, stdout, times, warn
from .given import parse_sizes
from .progress import Watch
from .running import FAILED, INTERRUPTED, say_why_not_cuda

if TYPE_CHECKING:
    import numpy as np

    from ..pictures.picture import Picture
    from ..studies.study import Study

Found = TypeVar("Found", bound="Study | Picture")


def read_photo(path: Path) -> np.ndarray:
    """Read a photograph, or an array `.npy` of what a network takes, before any work.

    Raises:
        InputError: it cannot be read.
    """
    from ..planes import kept

    return kept(path)


PhotoName = Annotated[
    Path,
    typer.Argument(
        metavar="PHOTO",
        help="A photograph, or a .npy of the network's other pictures; where a size is given, the "
        "middle of it is shown.",
    ),
]
PhotoLayers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LAYER...", help="A picture each; by default five from the first to the last."
    ),
]
LayerOption = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER", help="Where pictures are compared; by default what suits the target."
    ),
]


class Common(TypedDict, total=False):
    """What all studies take besides what they are about."""

    steps: int
    size: tuple[int, ...] | None
    seed: int
    provider: str
    cache: bool


@dataclass(frozen=True)
class Making:
    """How the pictures of a study are made, and where they go.

    Attributes:
        output: The file; `None` for one named after the study.
        steps: How many steps each picture climbs; `None` for as many as the study wants.
        size: As `parse_sizes` reads it.
        seed: Of all that is random.
        provider: Where to compute.
        quiet: Whether nothing but the files' names is printed.
        no_cache: Whether finished graphs are neither taken from disk nor kept.
    """

    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The picture to write, .png, .jpg or .webp, by default named after what it shows.",
        ),
    ] = None
    steps: Annotated[
        int | None,
        typer.Option(help="How many steps each picture climbs; by default what this needs."),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Such as 224, or 240x320 (height first); by default the model's own, with dream "
            "and style the photo's.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Same seed, same picture.")] = 0
    provider: options.OptionalProvider = None
    quiet: options.Quiet = False
    no_cache: options.NoCache = False

    def settings(self) -> Common:
        """Return it as studies take it."""
        found: Common = {
            "size": parse_sizes(self.size),
            "seed": self.seed,
            "provider": "auto" if self.provider is None else self.provider,
            "cache": not self.no_cache,
        }
        if self.steps is not None:
            found["steps"] = self.steps
        return found

    def file(self, name: Path) -> Path:
        """Return where the figure goes.

        Args:
            name: Where none is given.

        Raises:
            OutputError: it cannot be written there.
        """
        from ..pictures.formats import check_suffix

        file = name if self.output is None else self.output
        check_suffix(file)
        check_writable(file)
        return file


def run_study(
    description: str, make: Callable[[Watch], Found], file: Path, *, quiet: bool
) -> tuple[Found, list[Path]]:
    """Make a study and write its figure; what there is after Ctrl-C as well.

    Args:
        description: What it is about.
        make: The work, given the callback.
        file: Where the figure goes.
        quiet: Show no progress.

    Returns:
        The study, and the files that were written. `finish` says what there is to say of them.

    Raises:
        typer.Exit: it failed on the way; the pictures that there were by then are written.
        OnnxscopeError: it failed before, or the writing did.
    """
    from ..errors import AscentError
    from ..pictures.picture import Picture

    with Watch(description, quiet=quiet) as watch:
        try:
            found = make(watch)
        except AscentError as error:
            error.picture.save(file)
            fail(f"{error}; {file} shows how far it came")
            raise typer.Exit(FAILED) from None
    files = [found.save(file)]
    if isinstance(found, Picture) and not found.held:
        files.append(file.with_suffix(".npy"))
    return found, files


def study(
    description: str, make: Callable[[Watch], Study | Picture], file: Path, making: Making
) -> None:
    """Make a study, write it, and say so.

    Args:
        description: What it is about.
        make: The work, given the callback.
        file: Where it goes.
        making: As the user has it.

    Raises:
        typer.Exit: it was interrupted, or it failed on the way.
        OnnxscopeError: it failed before.
    """
    found, files = run_study(description, make, file, quiet=making.quiet)
    finish(description, found, files, quiet=making.quiet)


def finish(
    description: str, found: Study | Picture, files: list[Path], *, quiet: bool, say: bool = True
) -> None:
    """Say what was written.

    Args:
        description: What the study is about.
        found: The study.
        files: What was written.
        quiet: Whether the files' names alone are printed.
        say: Whether anything is; warnings are all the same.

    Raises:
        typer.Exit: it was interrupted.
    """
    from ..studies.study import Study

    picture = found.picture if isinstance(found, Study) else found
    if quiet and say:
        for file in files:
            typer.echo(file)
    elif say:
        console = stdout()
        console.print(", ".join(map(str, files)), style="bold", soft_wrap=True)
        facts = [
            plural(len(picture), "picture"),
            times(picture.images.shape[1:-1]),
            plural(len(picture.values), "step"),
            picture.provider.name,
        ]
        console.print(f"  {description}: {', '.join(facts)}", soft_wrap=True)
        say_why_not_cuda(picture.provider)
    for warning in found.warnings:
        warn(warning)
    if found.interrupted:
        fail(f"interrupted; {files[0]} shows how far it came")
        raise typer.Exit(INTERRUPTED)
