"""What several commands take, and how it is read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError

if TYPE_CHECKING:
    from .. import expressions
    from ..model import Model

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
Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")]


def open_model(
    name: str,
    input_range: tuple[float, float] | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    channel_order: str | None = None,
    layout: str | None = None,
    *,
    for_pictures: bool = True,
) -> Model:
    """Load a model, with a bar while it is downloaded.

    Args:
        name: In the catalogue, or a path.
        input_range: As `onnxscope.load` takes it.
        mean: As `onnxscope.load` takes it.
        std: As `onnxscope.load` takes it.
        channel_order: As `onnxscope.load` takes it.
        layout: As `onnxscope.load` takes it.
        for_pictures: Whether pictures will go into it, so that it has to be known what it expects.

    Raises:
        OnnxscopeError: it is not there, or it is not known what it expects of a picture.
    """
    from .. import models
    from ..loading import load
    from .download import fetch

    if name in models.catalogue():
        fetch(name)
    model = load(
        name,
        input_range=input_range,
        mean=mean,
        std=std,
        channel_order=channel_order,
        layout=layout,
    )
    if for_pictures and model.preprocessing is None:
        raise InputError(
            f"{name} does not say what its input expects of a picture: give --input-range LOW "
            "HIGH, such as 0 1, -1 1 or 0 255, and --mean, --std and --channel-order where it was "
            "trained with them"
        )
    return model


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

    Raises:
        OnnxscopeError: the target cannot be read, or does not fit the other options.
    """
    from ..targets import find_unit, resolve

    objective = resolve(
        model,
        target,
        objective=None if kind is None else kind.value,
        y=y,
        x=x,
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
