"""`onnxscope render`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, OnnxscopeError, TargetError
from . import options, running
from .ascent import Ascent
from .console import plural
from .given import given_besides, is_given, parse_sizes, parse_steps
from .groups import expanded
from .outputs import STRIP_STEPS, Outputs, View, default_name, is_folder
from .preprocessing import Preprocessing
from .several import Places, render_units, units_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..network.model import Model
    from ..pictures.picture import Picture
    from ..pictures.series import Settings
    from .progress import Watch

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope render squeezenet fire5:11 --steps 128 -o unit.png

Several units: onnxscope render squeezenet fire5:0-15,40 daisy -o units/

The same again: onnxscope render --recipe unit.png -o again.png"""

_BESIDE_RECIPE = frozenset(
    {"model", "recipe", "provider", "strip", "snapshots", "animation", "output", "quiet"}
    | {"batch_size", "no_cache", "overwrite", "crop", "mark", "enlarge", "alpha", "show"}
)


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def render(
    *,
    ctx: typer.Context,
    model: options.OptionalModelName = None,
    targets: options.Targets = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The picture to write, .png, .jpg or .webp, by default named after the target; or "
            "a folder, where several are written as soon as each is done.",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all pictures on one, each with a caption."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Of several, make also those whose files are there; else they are skipped.",
        ),
    ] = False,
    aim: options.Aim,
    run: options.Run,
    strip: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write pictures on the way in a row.")
    ] = None,
    snapshots: Annotated[
        str,
        typer.Option(
            metavar="STEPS", help="The strip's steps; the last one is always shown as well."
        ),
    ] = ",".join(map(str, STRIP_STEPS)),
    animation: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the way as a .gif, .webp or .png."),
    ] = None,
    view: View,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="PICTURE",
            help="Make this picture again; MODEL says where its model is now, if it moved.",
        ),
    ] = None,
    quiet: options.Quiet = False,
    no_cache: options.NoCache = False,
    ascent: Ascent,
    preprocessing: Preprocessing,
) -> None:
    """Make the picture that a unit, layer or class of a model likes most.

    Of several each picture is written as soon as it is done; the same command again makes those
    that are missing.
    """
    if strip is None and is_given(ctx, "snapshots"):
        raise InputError("--snapshots says which steps --strip FILE shows; give both")
    ways = _Ways(strip, animation, parse_steps(snapshots), view)
    if recipe is not None:
        if output is None:
            raise InputError("say with -o FILE where to write the picture made again")
        _refuse_beside_recipe(ctx)
        outputs = ways.of(Path(output))
        _render_again(recipe, model, run, outputs, quiet=quiet, cache=not no_cache)
        return
    if model is None or not targets:
        raise InputError("give a MODEL and a TARGET such as mixed4a:11, or --recipe PICTURE")
    if len(targets) == 1 and sheet is None and (output is None or Path(output).suffix):
        # What can be told already is told before the model is read.
        ways.outputs(output, targets[0], aim).check()
    settings = ascent.settings()
    _check_transparent(settings, output, view)
    settings["cache"] = not no_cache
    settings["size"] = parse_sizes(run.size)
    settings["steps"], settings["seed"], settings["batch"] = run.steps, run.seed, run.batch
    settings["provider"] = "auto" if run.provider is None else run.provider

    opened = preprocessing.open(model, cache=not no_cache)
    _fit(settings, opened, view)
    every = _expanded(opened, targets)
    if len(every) > 1 or sheet is not None:
        if strip is not None or animation is not None:
            raise InputError(
                "--strip and --animation show how one picture comes about; "
                f"{plural(len(every), 'picture')} would be made"
            )
        places = _places(output, sheet, view, overwrite=overwrite)
        _render_several(opened, every, places, aim, run, settings, quiet=quiet)
        return
    outputs = ways.outputs(output, every[0], aim)
    outputs.check()
    # Behind a ReLU a negative ascent would end as soon as the unit is off.
    wanted, described = aim.resolve(opened, every[0], descends_before_activation=True)

    from ..objectives.meaning import meaning, score_words
    from ..pictures import rendering

    def make(snapshots: Collection[int], watch: Watch) -> Picture:
        return rendering.render(
            opened,
            wanted,
            **settings,
            batch_size=run.batch_size,
            snapshots=snapshots,
            callback=watch,
        )

    running.run(
        f"{described} of {opened.name}",
        make,
        outputs,
        run.steps,
        quiet=quiet,
        meaning=meaning(wanted, score=score_words(opened, wanted)),
    )


def _check_transparent(settings: Settings, output: str | None, view: View) -> None:
    """See, before any work, that a transparent picture can be written as it is asked for.

    Args:
        settings: As for `render`.
        output: Where the picture goes.
        view: What of it is shown.

    Raises:
        OnnxscopeError: it cannot.
    """
    from ..parameterizations.transparent import Transparent
    from ..pictures.formats import check_suffix

    if not isinstance(settings.get("parameterization"), Transparent):
        return
    if view.alpha:
        raise InputError("the picture has an opacity of its own; leave out --alpha")
    if output is not None and not is_folder(output) and Path(output).suffix:
        check_suffix(Path(output), "RGBA")


def _fit(settings: Settings, model: Model, view: View) -> None:
    """Give transforms that fit a model's pictures, where none are given, and check what is shown.

    Raises:
        InputError: the size or the channels that are shown do not fit.
    """
    from ..network.photos import sizes_of
    from ..pictures.display import checked_show
    from ..transforms.presets import fitting

    checked_show(view.channels, model.form)
    if settings["transforms"] is None:
        depth, height, width = sizes_of(model, settings["size"])
        settings["transforms"] = fitting(model.form.with_depth(depth), height, width)


@dataclass(frozen=True)
class _Ways:
    """How a picture comes about, as far as that is to be seen."""

    strip: Path | None
    animation: Path | None
    steps: tuple[int, ...]
    view: View

    def of(self, picture: Path, *, makes_folder: bool = False) -> Outputs:
        return Outputs(picture, self.strip, self.animation, self.steps, self.view, makes_folder)

    def outputs(self, output: str | None, target: str, aim: options.Aim) -> Outputs:
        name = default_name(target, kind=aim.kind)
        if output is None:
            return self.of(name)
        if is_folder(output):
            return self.of(Path(output) / name, makes_folder=True)
        return self.of(Path(output))


def _expanded(model: Model, targets: list[str]) -> list[str]:
    """The single targets; words of a class that the shell took apart are told from it."""
    from ..objectives.labels import find_classes
    from ..objectives.ranges import expand_targets

    try:
        return expand_targets(model, targets)
    except OnnxscopeError as error:
        for first, stop in combinations(range(len(targets) + 1), 2):
            words = " ".join(targets[first:stop])
            if stop - first > 1 and find_classes(model.labels, words):
                raise TargetError(
                    f'{error}; a class of several words is quoted: "{words}"'
                ) from None
        raise


def _places(output: str | None, sheet: Path | None, view: View, *, overwrite: bool) -> Places:
    """Where several pictures go: each into a folder, here by default, unless all are on a sheet.

    Raises:
        InputError: the output is a picture.
    """
    if output is None:
        return Places(None if sheet is not None else Path(), sheet, overwrite, view)
    if not is_folder(output) and Path(output).suffix:
        folder = f"{Path(output).with_suffix('')}{os.sep}"
        raise InputError(
            f"several pictures go into a folder, such as -o {folder}, or on one: --sheet {output}"
        )
    return Places(Path(output), sheet, overwrite, view)


def _render_several(
    model: Model,
    targets: list[str],
    places: Places,
    aim: options.Aim,
    run: options.Run,
    settings: Settings,
    *,
    quiet: bool,
) -> None:
    units = units_of(model, targets, aim, places.folder)
    render_units(model, units, places, settings, batch_size=run.batch_size, quiet=quiet)


def _render_again(
    path: Path,
    model: str | None,
    run: options.Run,
    outputs: Outputs,
    *,
    quiet: bool,
    cache: bool,
) -> None:
    outputs.check()

    from ..objectives import registry as objectives
    from ..parameterizations import registry as parameterizations
    from ..pictures import remaking
    from ..pictures.recipe import read_recipe

    recipe = read_recipe(path)
    made_of = parameterizations.from_json(recipe.parameterization)
    _check_transparent({"parameterization": made_of}, str(outputs.picture), outputs.view)

    def make(snapshots: Collection[int], watch: Watch) -> Picture:
        return remaking.remake(
            recipe,
            model,
            provider=run.provider,
            callback=watch,
            snapshots=snapshots,
            batch_size=run.batch_size,
            cache=cache,
        )

    described = f"{objectives.from_json(recipe.objective)} of {model or recipe.model['name']}"
    running.run(f"{described}, again", make, outputs, recipe.steps, quiet=quiet)


def _refuse_beside_recipe(ctx: typer.Context) -> None:
    """Refuse what the recipe says already.

    Raises:
        InputError: it was given as well.
    """
    given = given_besides(ctx, *_BESIDE_RECIPE)
    if given:
        raise InputError(f"the recipe says all of a picture; leave out {', '.join(given)}")
