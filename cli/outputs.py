"""The files that `render` writes: their names, which steps they need, and writing them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, OutputError
from ..files import check_allowed, check_writable
from .console import times, warn
from .given import parse_channels

if TYPE_CHECKING:
    from ..pictures.picture import Picture

STRIP_STEPS = (1, 32, 128, 512)
_FRAMES = 60
_LONGEST_NAME = 100
_NEARLY_ALL = 0.8
# Fewer steps leave any picture plain.
_ENOUGH = 64
# Windows takes these for devices, whatever the suffix.
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{n}{i}" for n in ("com", "lpt") for i in range(1, 10)}


def default_name(target: str, *, kind: str = "") -> Path:
    """Return the picture's name where none is given: `mixed4a-11-negative.png` for `mixed4a:11`.

    Args:
        target: What the picture is of.
        kind: What is behind that in the name, such as `negative`.
    """
    stem = re.sub(r"[^\w.]+", "-", target).strip("-.") or "picture"
    if len(stem) > _LONGEST_NAME:
        # Two long names may differ in their ends alone.
        digest = hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = f"{stem[: _LONGEST_NAME - 9]}-{digest}"
    if stem.split(".")[0].casefold() in _RESERVED:
        stem += "-"
    return Path("-".join([stem, *([kind] if kind else [])]) + ".png")


def is_folder(output: str) -> bool:
    """Return whether `-o` names a folder: what ends as one, or one that is there.

    A folder whose name is a picture's, such as `a.png`, is more likely in the way.
    """
    path = Path(output)
    return output.endswith(("/", os.sep)) or (path.is_dir() and not path.suffix)


def check_folder(folder: Path) -> None:
    """See that files can be written to a folder, which is made when the first one is.

    Raises:
        OutputError: they cannot, or would lie among photographs that the command reads.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise OutputError(f"cannot write to {folder}: {there} is no folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    check_allowed(folder)


def make_folder(folder: Path) -> None:
    """Make a folder and those around it, as far as they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}") from error


@dataclass(frozen=True)
class View:
    """What of a picture is shown.

    Attributes:
        crop: Whether only what the objective sees is written.
        mark: Whether that is framed.
        enlarge: How many pixels one becomes.
        alpha: Whether only what the objective felt is to be seen.
        show: Which channels are looked at, as `parse_channels` reads them.
    """

    crop: Annotated[
        bool,
        typer.Option("--crop", help="Write only what a neuron sees, its receptive field."),
    ] = False
    mark: Annotated[
        bool, typer.Option("--mark", help="Draw a frame around what a neuron sees.")
    ] = False
    enlarge: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=64, help="How many pixels each becomes with --crop."),
    ] = 1
    alpha: Annotated[
        bool,
        typer.Option(
            "--alpha", help="Make transparent what the objective hardly felt, in .png or .webp."
        ),
    ] = False
    show: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B|C",
            help="Of other pictures than RGB, which channels are shown as red, green and blue, or "
            "which one in grey; by default all, side by side.",
        ),
    ] = None

    @property
    def channels(self) -> tuple[int, ...] | None:
        """The channels that are looked at, `None` for all.

        Raises:
            InputError: they are no numbers.
        """
        return None if self.show is None else parse_channels("--show", self.show)

    def check(self) -> None:
        """See that the options fit each other.

        Raises:
            InputError: they do not.
        """
        if self.crop and self.mark:
            raise InputError("--crop cuts out what --mark would frame; give one of both")
        _ = self.channels
        if self.enlarge != 1 and not self.crop:
            raise InputError("--enlarge goes with --crop")

    @property
    def mode(self) -> str:
        """What pictures are made of, by Pillow's name."""
        return "RGBA" if self.alpha else "RGB"

    def hint(self, picture: Picture) -> str:
        """Return what to type where a picture shows something in a small part; else nothing."""
        from ..pictures.fields import is_mostly_grey

        pale = len(picture.values) < _ENOUGH or picture.form.stack is not None
        if self.crop or self.mark or pale or not is_mostly_grey(picture.images[0]):
            return ""
        return "most of it is plain, as of a neuron that sees few pixels: --crop writes those alone"

    def pixels(self, picture: Picture) -> str:
        """Return the size of a picture, and of what is cut out of it and written, in words."""
        whole = times(picture.images.shape[1:-1])
        if not self.crop:
            return whole
        written = picture.cropped(enlarge=self.enlarge).images.shape[1:-1]
        if self.enlarge == 1:
            return whole if times(written) == whole else f"{times(written)} of {whole}"
        cut = times([side // self.enlarge for side in written])
        return f"{times(written)} ({cut} of {whole}, enlarged {self.enlarge} times)"

    def of(self, picture: Picture) -> Picture:
        """Return the picture as it is written."""
        if self.channels is not None:
            picture = picture.showing(*self.channels)
        if self.mark:
            return picture.marked()
        if not self.crop:
            return picture
        cropped = picture.cropped(enlarge=self.enlarge)
        whole, left = picture.images[0].size, cropped.images[0].size // self.enlarge**2
        if left > _NEARLY_ALL * whole:
            warn("--crop has next to nothing to cut off: the objective sees the whole picture")
        return cropped


@dataclass(frozen=True)
class Outputs:
    """What to write.

    Attributes:
        picture: The last picture's file.
        strip: The snapshots' file, if they are wanted.
        animation: The animation's file, if it is wanted.
        strip_steps: After which steps the snapshots are taken.
        view: What of the picture is shown.
        makes_folder: Whether the picture's folder is made where it is missing.
    """

    picture: Path
    strip: Path | None = None
    animation: Path | None = None
    strip_steps: tuple[int, ...] = STRIP_STEPS
    view: View = View()
    makes_folder: bool = False

    def check(self) -> None:
        """See that all files can be written, before any work.

        Raises:
            OutputError: one of them cannot, or two are the same.
        """
        from ..pictures.formats import check_animation_suffix, check_suffix

        self.view.check()
        seen: dict[Path, str] = {}
        for option, file in self._by_option().items():
            other = seen.setdefault(file.resolve(), option)
            if other != option:
                raise OutputError(f"{other} and {option} are the same file, {file}")
        check_suffix(self.picture, self.view.mode)
        if self.strip is not None:
            check_suffix(self.strip)
        if self.makes_folder:
            check_folder(self.picture.parent)
        else:
            check_writable(self.picture)
        if self.strip is not None:
            check_writable(self.strip)
        if self.animation is not None:
            check_animation_suffix(self.animation)
            check_writable(self.animation)

    def _by_option(self) -> dict[str, Path]:
        files = {"-o": self.picture, "--strip": self.strip, "--animation": self.animation}
        return {option: file for option, file in files.items() if file is not None}

    def snapshots(self, steps: int) -> set[int]:
        """Return the steps after which pictures have to be kept."""
        wanted: set[int] = set()
        if self.strip is not None:
            wanted.update(self.strip_steps)
        if self.animation is not None:
            wanted.update(animation_steps(steps))
        return {step for step in wanted if step <= steps}

    def write(self, picture: Picture, steps: int) -> list[Path]:
        """Write all files.

        Args:
            picture: What was made, perhaps in fewer steps than planned.
            steps: How many were planned.

        Returns:
            The files.

        Raises:
            OutputError: one of them cannot be written.
        """
        picture = self.view.of(picture)
        if self.makes_folder:
            make_folder(self.picture.parent)
        files = [picture.save(self.picture, alpha=self.view.alpha)]
        if not picture.held and self.picture.suffix.lower() != ".npy":
            files.append(self.picture.with_suffix(".npy"))
        if self.strip is not None:
            files.append(_with(picture, self.strip_steps).save_strip(self.strip))
        if self.animation is not None:
            frames = _with(picture, animation_steps(steps))
            files.append(frames.save_animation(self.animation))
        return files


def animation_steps(steps: int) -> tuple[int, ...]:
    """Return at most sixty steps, close at first, when a picture changes fastest."""
    shares = ((frame / (_FRAMES - 1)) ** 2 for frame in range(_FRAMES))
    return tuple(sorted({1 + round(share * (steps - 1)) for share in shares}))


def _with(picture: Picture, steps: Collection[int]) -> Picture:
    """The picture with the snapshots of these steps, as far as it got, and of its last one."""
    kept = {step: image for step, image in picture.snapshots.items() if step in steps}
    return replace(picture, snapshots=kept | {len(picture.values): picture.images})
