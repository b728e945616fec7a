"""What several commands take, and how it is read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .inputs import parse_inputs

if TYPE_CHECKING:
    from ..network.inputs.preprocessing import Preprocessing
    from ..network.model import Model
    from ..objectives import algebra as expressions

_PREPROCESSING = "Preprocessing of a foreign model"


class ObjectiveKind(StrEnum):
    """What of the target to maximise."""

    CHANNEL = "channel"
    NEURON = "neuron"
    LAYER = "layer"


class Reduction(StrEnum):
    """Over the positions of a channel."""

    MEAN = "mean"
    SUM = "sum"


_TARGET = "LAYER:UNIT such as mixed4a:11, a LAYER, or a class by name or number."

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A name of the catalogue, or an .onnx file.")
]
Target = Annotated[str, typer.Argument(metavar="TARGET", help=_TARGET)]
# Without them `--recipe` says which.
OptionalModelName = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="A name of the catalogue, or an .onnx file.")
]
OptionalTarget = Annotated[str | None, typer.Argument(metavar="TARGET", help=_TARGET)]

Objective = Annotated[
    ObjectiveKind | None,
    typer.Option(
        help="Of a unit its mean over all positions (channel) or its middle cell (neuron), or a "
        "whole layer. By default a unit's channel; for a layer alone, the layer."
    ),
]
Row = Annotated[int | None, typer.Option("--y", help="Row of the neuron, from 0.")]
Column = Annotated[int | None, typer.Option("--x", help="Column of the neuron, from 0.")]
Token = Annotated[
    int | None,
    typer.Option("--token", help="Of a layer of tokens, the neuron's token instead of --y, --x."),
]
Reduced = Annotated[Reduction, typer.Option("--reduction", help="Over a channel's positions.")]
Negative = Annotated[
    bool,
    typer.Option("--negative", help="What the unit likes least."),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="PIXELS", help="Such as 224, or 240x320 (height first); by default the model's own."
    ),
]
InputRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="LOW HIGH",
        help="What black and white are to the network, such as 0 1, -1 1 or 0 255.",
        rich_help_panel=_PREPROCESSING,
    ),
]
Mean = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        metavar="R G B",
        help="Subtracted after that, in the same units and in the order of the colours.",
        rich_help_panel=_PREPROCESSING,
    ),
]
Std = Annotated[
    tuple[float, float, float] | None,
    typer.Option(metavar="R G B", help="Divided by then.", rich_help_panel=_PREPROCESSING),
]
ChannelOrder = Annotated[
    str | None,
    typer.Option(metavar="rgb|bgr", help="Order of the colours.", rich_help_panel=_PREPROCESSING),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="NCHW|NHWC",
        help="Where the channels are, if the file leaves it open.",
        rich_help_panel=_PREPROCESSING,
    ),
]
ChannelAxis = Annotated[
    list[str] | None,
    typer.Option(
        "--channel-axis",
        metavar="NAME=AXIS",
        help="Which axis of a layer has the channels, if it cannot be told; repeat as needed.",
        rich_help_panel=_PREPROCESSING,
    ),
]
ImageInput = Annotated[
    str | None,
    typer.Option(
        "--image-input",
        metavar="NAME",
        help="Which input takes pictures, if there are several.",
        rich_help_panel=_PREPROCESSING,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=VALUE",
        help="The value of another input: a number, which fills it, numbers with commas between "
        "them, or a .npy file; repeat as needed.",
        rich_help_panel=_PREPROCESSING,
    ),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=1,3,224,224",
        help="The shape of an input that the file leaves open; may be repeated. Then the "
        "network is not asked for pictures.",
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")]


def open_model(
    name: str,
    input_range: tuple[float, float] | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    channel_order: str | None = None,
    layout: str | None = None,
    *,
    channel_axis: list[str] | None = None,
    image_input: str | None = None,
    inputs: list[str] | None = None,
    for_pictures: bool = True,
    cache: bool = True,
) -> Model:
    """Load a model, with a bar while it is downloaded.

    Args:
        name: In the catalogue, or a path.
        input_range: As `onnxscope.load` takes it.
        mean: As `onnxscope.load` takes it.
        std: As `onnxscope.load` takes it.
        channel_order: As `onnxscope.load` takes it.
        layout: As `onnxscope.load` takes it.
        channel_axis: Each as `NAME=AXIS`.
        image_input: As `onnxscope.load` takes it.
        inputs: Values of other inputs, each as `NAME=VALUE`.
        for_pictures: Whether pictures will go into it, so that it has to be known what it expects.
        cache: As `onnxscope.load` takes it.

    Raises:
        OnnxscopeError: it is not there, or it is not known what it expects of a picture.
    """
    from ..network.loading import load

    values = parse_inputs(inputs)
    fetch_published(name)
    model = load(
        name,
        input_range=input_range,
        mean=mean,
        std=std,
        channel_order=channel_order,
        layout=layout,
        channel_axis=parse_axes(channel_axis or []),
        image_input=image_input,
        inputs=values,
        cache=cache,
    )
    if for_pictures and model.preprocessing is None:
        raise InputError(
            f"{name} does not say what its input expects of a picture: give --input-range LOW "
            "HIGH, such as 0 1, -1 1 or 0 255, and --mean, --std and --channel-order where it was "
            "trained with them; `onnxscope inspect MODEL --image PHOTO` shows what each does"
        )
    return model


def fetch_published(name: str) -> Path | None:
    """The file of a model of the catalogue, with a bar while it is downloaded; `None` for others.

    Raises:
        OnnxscopeError: it cannot be downloaded.
    """
    from .. import models
    from .download import fetch

    return fetch(name) if name in models.catalogue() else None


def given_besides(ctx: typer.Context, *allowed: str) -> list[str]:
    """What was given on the command line besides some parameters, as users type it."""
    return [
        parameter.opts[-1] if parameter.opts[-1].startswith("-") else parameter.name.upper()
        for parameter in ctx.command.params
        if parameter.name and parameter.name not in allowed and is_given(ctx, parameter.name)
    ]


def is_given(ctx: typer.Context, name: str) -> bool:
    """Whether a parameter was given on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def open_objective(
    model: Model,
    target: str,
    kind: ObjectiveKind | None,
    y: int | None,
    x: int | None,
    reduction: Reduction,
    *,
    negative: bool,
    preactivation: bool = False,
    token: int | None = None,
) -> tuple[expressions.Objective, str]:
    """What the options mean in a model, and how to call it: a class by its name.

    Args:
        model: The model.
        target: As `onnxscope.targets.resolve` takes it.
        kind: Of objective.
        y: Row of a neuron.
        x: Column of a neuron.
        reduction: Over a channel's positions.
        negative: Whether to minimise instead.
        preactivation: Whether to look at the values before the layer's activation function.
        token: Of a layer of tokens, the neuron's.

    Raises:
        OnnxscopeError: the target cannot be read, or does not fit the other options.
    """
    from ..objectives.targets import find_unit, resolve

    objective = resolve(
        model,
        target,
        objective=None if kind is None else kind.value,
        y=y,
        x=x,
        token=token,
        reduction=reduction.value,
        negative=negative,
        preactivation=preactivation,
    )
    layer, unit = find_unit(model, target)
    is_class = layer not in (target, target.rpartition(":")[0])
    if unit is None or not is_class or unit >= len(model.labels):
        return objective, str(objective)
    return objective, "−" * negative + f"logit {unit}, {model.labels[unit].split(',')[0]}"


def parse_size(text: str | None) -> tuple[int, int] | None:
    """`224` or `240x320` as height and width.

    Raises:
        InputError: it is neither.
    """
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise InputError(f"--size is a number of pixels such as 224, or 240x320, not {text!r}")
    return numbers[0], numbers[-1]


def parse_axes(given: list[str]) -> dict[str, int]:
    """`blocks.0.attn=1` as a layer's name and its channel axis.

    Raises:
        InputError: it is something else.
    """
    axes = {}
    for text in given:
        name, _, axis = text.rpartition("=")
        if not name or not axis.isdecimal():
            raise InputError(
                f"--channel-axis is a layer and a number, such as blocks.0.attn=1, not {text!r}"
            )
        axes[name] = int(axis)
    return axes


def options_for(preprocessing: Preprocessing) -> str:
    """What to type for a preprocessing."""
    numbers: dict[str, tuple[float, ...]] = {"--input-range": preprocessing.input_range}
    if any(preprocessing.mean):
        numbers["--mean"] = preprocessing.mean
    if any(value != 1 for value in preprocessing.std):
        numbers["--std"] = preprocessing.std
    words = [f"{name} {' '.join(f'{n:g}' for n in values)}" for name, values in numbers.items()]
    if preprocessing.channel_order != "rgb":
        words.append(f"--channel-order {preprocessing.channel_order}")
    return " ".join(words)


def parse_steps(text: str) -> tuple[int, ...]:
    """`1,32,128` as numbers of steps.

    Raises:
        InputError: it is something else.
    """
    try:
        steps = tuple(int(part) for part in text.split(","))
    except ValueError:
        steps = ()
    if not steps or min(steps) < 1:
        raise InputError(f"--snapshots are numbers of steps such as 1,32,128, not {text!r}")
    return steps
