"""`onnxscope render`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from . import options, running
from .groups import expanded
from .outputs import STRIP_STEPS, Outputs, View, default_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..pictures.picture import Picture
    from .progress import Watch

app = typer.Typer(add_completion=False)

EPILOG = """Example: onnxscope render squeezenet fire5:11 --steps 128 -o unit.png

The same again: onnxscope render --recipe unit.png -o again.png"""

_ASCENT = "The ascent"

_BESIDE_RECIPE = frozenset(
    {"model", "recipe", "provider", "strip", "snapshots", "animation", "output", "quiet"}
    | {"batch_size", "no_cache", "crop", "mark", "enlarge"}
)


class ParameterizationKind(StrEnum):
    """What the picture is made of."""

    FOURIER = "fourier"
    PIXELS = "pixels"


class TransformKind(StrEnum):
    """What happens to the picture in each step."""

    LUCID = "lucid"
    DISTILL = "distill"
    NONE = "none"


class PrecisionKind(StrEnum):
    """What CUDA computes in."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    FLOAT16 = "float16"


@dataclass(frozen=True)
class Ascent:
    """How a picture is climbed.

    Attributes:
        parameterization: What the picture is made of.
        no_decorrelate: Whether its parameters are plain RGB.
        transforms: What happens to the picture in each step.
        learning_rate: Adam's.
        redirect_steps: Number of steps with gradients through ReLUs that are off.
        precision: What CUDA computes in.
    """

    parameterization: Annotated[
        ParameterizationKind,
        typer.Option(help="What the picture is made of.", rich_help_panel=_ASCENT),
    ] = ParameterizationKind.FOURIER
    no_decorrelate: Annotated[
        bool,
        typer.Option(
            "--no-decorrelate",
            help="Climb in plain RGB instead of decorrelated colours.",
            rich_help_panel=_ASCENT,
        ),
    ] = False
    transforms: Annotated[
        TransformKind,
        typer.Option(
            help="Random transforms in each step: Lucid's, the article's, or none.",
            rich_help_panel=_ASCENT,
        ),
    ] = TransformKind.LUCID
    learning_rate: Annotated[float, typer.Option(help="Adam's.", rich_help_panel=_ASCENT)] = 0.05
    redirect_steps: Annotated[
        int,
        typer.Option(
            help="In this many first steps a missing gradient gets through ReLUs that are off.",
            rich_help_panel=_ASCENT,
        ),
    ] = 16
    precision: Annotated[
        PrecisionKind,
        typer.Option(
            help="On CUDA, of the network and its gradient: tf32 rounds what is multiplied, "
            "float32 does not, float16 is half precision.",
            rich_help_panel=_ASCENT,
        ),
    ] = PrecisionKind.TF32


@app.command(no_args_is_help=True, epilog=EPILOG)
@expanded
def render(
    *,
    ctx: typer.Context,
    model: options.OptionalModelName = None,
    target: options.OptionalTarget = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The picture to write, .png, .jpg or .webp; by default named after the target.",
        ),
    ] = None,
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
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but the files' names.")
    ] = False,
    no_cache: options.NoCache = False,
    ascent: Ascent,
    preprocessing: options.Preprocessing,
) -> None:
    """Make the picture that a unit, layer or class of a model likes most."""
    if strip is None and options.is_given(ctx, "snapshots"):
        raise InputError("--snapshots says which steps --strip FILE shows; give both")
    strip_steps = options.parse_steps(snapshots)
    if recipe is not None:
        if output is None:
            raise InputError("say with -o FILE where to write the picture made again")
        _refuse_beside_recipe(ctx)
        outputs = Outputs(output, strip, animation, strip_steps, view)
        _render_again(recipe, model, run, outputs, quiet=quiet, cache=not no_cache)
        return
    if model is None or target is None:
        raise InputError("give a MODEL and a TARGET such as mixed4a:11, or --recipe PICTURE")
    if output is None:
        output = default_name(
            target, neuron=aim.objective is options.ObjectiveKind.NEURON, negative=aim.negative
        )
    outputs = Outputs(output, strip, animation, strip_steps, view)
    outputs.check()
    pixels = options.parse_size(run.size)

    from ..ascent.optimizers import Adam
    from ..parameterizations.fourier import Fourier
    from ..parameterizations.pixels import Pixels
    from ..pictures import rendering
    from ..transforms.presets import distill, lucid

    adam = Adam(ascent.learning_rate)
    image = {"fourier": Fourier, "pixels": Pixels}[ascent.parameterization.value]
    random = {"lucid": lucid, "distill": distill, "none": tuple}[ascent.transforms.value]
    opened = preprocessing.open(model, cache=not no_cache)
    # Behind a ReLU a negative ascent would end as soon as the unit is off.
    wanted, described = aim.resolve(opened, target, preactivation=aim.negative)

    def make(snapshots: Collection[int], watch: Watch) -> Picture:
        return rendering.render(
            opened,
            wanted,
            size=pixels,
            steps=run.steps,
            seed=run.seed,
            batch=run.batch,
            batch_size=run.batch_size,
            provider="auto" if run.provider is None else run.provider,
            parameterization=image(decorrelate=not ascent.no_decorrelate),
            transforms=random(),
            optimizer=adam,
            redirect_steps=ascent.redirect_steps,
            precision=ascent.precision.value,
            snapshots=snapshots,
            callback=watch,
            cache=not no_cache,
        )

    running.run(f"{described} of {opened.name}", make, outputs, run.steps, quiet=quiet)


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
    from ..pictures import remaking
    from ..pictures.recipe import read_recipe

    recipe = read_recipe(path)

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
    given = options.given_besides(ctx, *_BESIDE_RECIPE)
    if given:
        raise InputError(f"the recipe says all of a picture; leave out {', '.join(given)}")
