"""`onnxscope render MODEL LAYER:0-15 …`: a picture for each of several units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import InputError, OnnxscopeError
from ..files import check_writable
from .console import fail, plural, stdout, times, warn
from .outputs import View, check_folder, default_name, make_folder
from .progress import Watch, show_value
from .running import FAILED, INTERRUPTED, say_why_not_cuda

if TYPE_CHECKING:
    from PIL import Image

    from ..network.model import Model
    from ..objectives.algebra import Objective
    from ..pictures.picture import Picture
    from ..pictures.series import Settings
    from .options import Aim

_SHOWN = 3


@dataclass(frozen=True)
class Unit:
    """What one of the pictures is of.

    Attributes:
        target: As it is typed.
        objective: What the target means.
        words: It in words.
        file: Where the picture goes; `None` where it is for the sheet alone.
    """

    target: str
    objective: Objective
    words: str
    file: Path | None


@dataclass(frozen=True)
class Places:
    """Where pictures of several units go.

    Attributes:
        folder: Of a file for each; `None` where there is a sheet alone.
        sheet: The file of all of them on one, if it is wanted.
        overwrite: Whether files that are there are made again.
        view: What of each picture is shown.
    """

    folder: Path | None
    sheet: Path | None
    overwrite: bool
    view: View

    def check(self) -> None:
        """See that all of it can be written, before any work.

        Raises:
            OutputError: it cannot.
        """
        from ..pictures.formats import check_suffix

        self.view.check()
        if self.folder is not None:
            check_folder(self.folder)
        if self.sheet is not None:
            check_suffix(self.sheet)
            check_writable(self.sheet)


def units_of(model: Model, targets: Sequence[str], aim: Aim, folder: Path | None) -> list[Unit]:
    """Return what several targets mean, each with its file.

    Raises:
        OnnxscopeError: one does not fit the options, or two would have the same file.
    """
    units: list[Unit] = []
    names: dict[str, str] = {}
    for target in targets:
        objective, words = aim.resolve(model, target, descends_before_activation=True)
        name = default_name(target, kind=aim.kind)
        # Some file systems take upper and lower case for the same.
        other = names.setdefault(str(name).casefold(), target)
        if folder is not None and other != target:
            raise InputError(
                f"the pictures of {other!r} and {target!r} would both be {name}; render one of "
                "them by itself, with -o FILE"
            )
        units.append(Unit(target, objective, words, None if folder is None else folder / name))
    return units


def render_units(
    model: Model,
    units: Sequence[Unit],
    places: Places,
    settings: Settings,
    *,
    batch_size: int | None,
    quiet: bool,
) -> None:
    """Make the pictures that are not there yet, write each as soon as it is done, and say so.

    Args:
        model: The model.
        units: What the pictures are of.
        places: Where they go.
        settings: As for `render`; all that recipes tell apart.
        batch_size: How many are made at once; by default what is best.
        quiet: Print the files' names only; warnings and errors all the same.

    Raises:
        typer.Exit: the user interrupted it, or some failed; what is done by then is written.
        OnnxscopeError: an option does not fit, or a file cannot be written.
    """
    places.check()
    there = [] if places.overwrite else [u for u in units if u.file is not None and u.file.exists()]
    _warn_of_others(model, there, settings)
    left = [unit for unit in units if unit not in there]
    session = _Session(model, units, places, quiet=quiet)
    try:
        if left:
            session.make(left, settings, batch_size)
    except KeyboardInterrupt:
        session.interrupted = True
    session.write_sheet(there)
    session.summarize(len(there))
    if session.interrupted:
        done = len(there) + session.done
        again = "; the same command again makes the rest" if places.folder is not None else ""
        fail(f"interrupted: {done} of {plural(len(units), 'picture')} are done{again}")
        raise typer.Exit(INTERRUPTED)
    if session.failed:
        raise typer.Exit(FAILED)


class _Session:
    """Many pictures on their way: what is done so far, and what is said of it."""

    def __init__(self, model: Model, units: Sequence[Unit], places: Places, *, quiet: bool) -> None:
        self.model = model
        self.units = units
        self.places = places
        self.quiet = quiet
        self.done = self.failed = 0
        self.interrupted = False
        self.images: dict[str, Image.Image] = {}
        self.last: Picture | None = None

    def make(self, left: Sequence[Unit], settings: Settings, batch_size: int | None) -> None:
        """Make these, and write each as soon as it is done."""
        from ..pictures.series import render_each

        what = f"{plural(len(left), 'picture')} of {self.model.name}"
        said: set[str] = set()
        with Watch(what, quiet=self.quiet) as watch:

            def begin(first: int, stop: int) -> None:
                names = [unit.target for unit in left[first:stop]]
                more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                listed = ", ".join(names[:_SHOWN])
                watch.begin(first, stop, len(left), f"{stop} of {len(left)}: {listed}{more}")

            objectives = [unit.objective for unit in left]
            for made in render_each(
                self.model,
                objectives,
                batch_size=batch_size,
                begin=begin,
                callback=watch,
                **settings,
            ):
                unit = left[made.number]
                if made.error is not None:
                    self.failed += 1
                    watch.complain("error", f"{unit.target}: {made.error}")
                elif made.interrupted or made.picture is None:
                    self.interrupted = True
                else:
                    self._write(unit, made.picture, watch)
                    for warning in made.picture.warnings:
                        if warning not in said:
                            watch.complain("warning", warning)
                        said.add(warning)

    def _write(self, unit: Unit, picture: Picture, watch: Watch) -> None:
        self.last = picture
        picture = self.places.view.of(picture)
        if self.places.sheet is not None:
            self.images[unit.target] = picture.sheet()
        if unit.file is not None:
            make_folder(unit.file.parent)
            picture.save(unit.file, alpha=self.places.view.alpha)
        self.done += 1
        if unit.file is None:
            return
        words = "" if self.quiet else f"  {unit.words}, value {show_value(picture.values[-1])}"
        watch.show(str(unit.file), words)

    def write_sheet(self, there: Sequence[Unit]) -> None:
        """Write all that is done on one picture, in the order of the units."""
        if self.places.sheet is None:
            return
        from PIL import Image

        from ..pictures.display import opaque
        from ..pictures.formats import save_image
        from ..pictures.sheet import contact_sheet

        for unit in there:
            assert unit.file is not None  # it is there
            try:
                with Image.open(unit.file) as image:
                    self.images[unit.target] = opaque(image)
            except (OSError, ValueError) as error:
                warn(f"{unit.file} is not on the sheet: it cannot be read ({error})")
        shown = [unit for unit in self.units if unit.target in self.images]
        if not shown:
            return
        sheet = contact_sheet([self.images[u.target] for u in shown], [u.words for u in shown])
        save_image(sheet, self.places.sheet)
        if self.quiet:
            typer.echo(self.places.sheet)
        else:
            stdout().print(
                f"{self.places.sheet}  {plural(len(shown), 'picture')} on one, "
                f"{times((sheet.height, sheet.width))}",
                style="bold",
                soft_wrap=True,
            )

    def summarize(self, there: int) -> None:
        """Say how many there are now."""
        if self.quiet:
            return
        counts = [f"{self.done} made"]
        if there:
            counts.append(f"{there} there already")
        if self.failed:
            counts.append(f"{self.failed} failed")
        where = "" if self.places.folder is None else f" in {self.places.folder}"
        console = stdout()
        facts = "" if self.last is None else f"; {self.last.provider.name}"
        console.print(
            f"  {plural(len(self.units), 'picture')} of {self.model.name}{where}: "
            f"{', '.join(counts)}{facts}",
            soft_wrap=True,
        )
        if self.last is not None:
            say_why_not_cuda(self.last.provider)


def _warn_of_others(model: Model, there: Sequence[Unit], settings: Settings) -> None:
    """Say which files hold another picture than the one that is asked for."""
    from ..pictures.recipe import read_recipe
    from ..pictures.sameness import difference

    differing = []
    for unit in there:
        assert unit.file is not None  # it is there
        try:
            found = read_recipe(unit.file)
        except OnnxscopeError:
            differing.append((unit.file, "it holds no recipe"))
            continue
        words = difference(found, model, unit.objective, settings)
        if words:
            differing.append((unit.file, words))
    if len(differing) == 1:
        file, words = differing[0]
        warn(f"{file} is there, made otherwise ({words}), and stays; --overwrite makes it again")
    elif differing:
        file, words = differing[0]
        warn(
            f"{len(differing)} files are there, made otherwise (such as {file}: {words}), and "
            "stay; --overwrite makes them again"
        )
