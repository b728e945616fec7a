"""What several commands take, each option written once, and how it is read.

Options that are taken together are groups, dataclasses that `expanded` makes options of; what a
command needs of them is a method of the group.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from .completion import complete_model, complete_target
from .console import note
from .inputs import parse_inputs
from .remembered import recall
from .typed import command_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..network.inputs import preprocessing as expectations
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


_TARGET = (
    "LAYER:UNIT such as mixed4a:11, a LAYER, a class by name or number, LAYER@FILE:UNIT of a file "
    "of directions or an ONNX encoder, or an expression such as "
    "'logit(\"daisy\") - 0.25 * total_variation()'."
)

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A name of the catalogue, or an .onnx file.",
        autocompletion=complete_model,
    ),
]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help=_TARGET, autocompletion=complete_target)
]
Unit = Annotated[
    str,
    typer.Argument(
        metavar="LAYER:UNIT",
        help="A unit of a layer, such as mixed4a:11.",
        autocompletion=complete_target,
    ),
]
# Without them `--recipe` says which.
OptionalModelName = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A name of the catalogue, or an .onnx file.",
        autocompletion=complete_model,
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET…",
        help=f"{_TARGET} Several of them, or several units such as mixed4a:0-15,40, are a picture "
        "each.",
        autocompletion=complete_target,
    ),
]

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
BeforeActivation = Annotated[
    bool,
    typer.Option(
        "--before-activation",
        help="Look at the values that the layer's activation function is given. --negative of "
        "`render` does so as well.",
    ),
]
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
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preprocessing",
        metavar="NAME",
        help="The next four by a name: imagenet (torchvision, timm), clip, inception or tf (−1 to "
        "1), caffe (BGR minus the mean), yolo or none (0 to 1).",
        rich_help_panel=_PREPROCESSING,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Names of the classes: one a line, or JSON.",
        show_default=False,
        rich_help_panel=_PREPROCESSING,
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
InspectedShapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=1,3,224,224",
        help="The shape of an input that the file leaves open, on which loops and branches may "
        "depend; may be repeated. Then the values are shown as those of a network of any inputs.",
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
Provider = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|…",
        help="Where to compute; auto, the default, is CUDA where it works, else the CPU.",
    ),
]
Photos = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PHOTOS…", help="Folders of photographs, with the folders inside, or files."
    ),
]
# Targets, and behind them photographs: what is there as a file or folder.
TargetsAndPhotos = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET… PHOTOS…",
        help=f"{_TARGET} Several units such as mixed4a:0-15,40; a LAYER means all of its units. "
        "Then folders of photographs, with the folders inside, or files.",
        autocompletion=complete_target,
    ),
]


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the files' names.")]
NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Neither take finished graphs from disk nor keep them."),
]


@dataclass(frozen=True)
class Aim:
    """What of a target to maximise.

    Attributes:
        objective: The kind, by default what fits the target.
        y: Row of a neuron.
        x: Column of a neuron.
        token: Of a layer of tokens, the neuron's.
        reduction: Over a channel's positions.
        negative: Whether to minimise instead.
        before_activation: Whether to look at the values before the layer's activation function.
    """

    objective: Objective = None
    y: Row = None
    x: Column = None
    token: Token = None
    reduction: Reduced = Reduction.MEAN
    negative: Negative = False
    before_activation: BeforeActivation = False

    @property
    def kind(self) -> str:
        """What a picture's name says of it besides its target."""
        words = {
            "neuron": self.objective is ObjectiveKind.NEURON,
            "before-activation": self.before_activation and not self.negative,
            "negative": self.negative,
        }
        return "-".join(word for word, said in words.items() if said)

    def resolve(
        self, model: Model, target: str, *, descends_before_activation: bool = False
    ) -> tuple[expressions.Objective, str]:
        """Find what the options mean in a model, and how to call it: a class by its name.

        Args:
            model: The model.
            target: As `onnxscope.targets.resolve` takes it.
            descends_before_activation: Whether `negative` is about the values before the layer's
                activation function, behind which nothing may go below 0.

        Raises:
            OnnxscopeError: the target cannot be read, or does not fit the other options.
        """
        from ..network.class_scores import class_scores
        from ..objectives.targets import find_unit, is_plain, resolve

        objective = resolve(
            model,
            target,
            objective=None if self.objective is None else self.objective.value,
            y=self.y,
            x=self.x,
            token=self.token,
            reduction=self.reduction.value,
            negative=self.negative,
            preactivation=self.before_activation or (self.negative and descends_before_activation),
        )
        if not is_plain(model, target):
            return objective, str(objective)
        layer, unit = find_unit(model, target)
        if unit is None or layer in (target, target.rpartition(":")[0]):
            return objective, str(objective)
        index = unit - class_scores(model).first
        if index >= len(model.labels):
            return objective, str(objective)
        name = model.labels[index].split(",")[0]
        return objective, "−" * self.negative + f"logit {index}, {name}"


@dataclass(frozen=True)
class Run:
    """How an ascent runs, whatever it climbs.

    Attributes:
        steps: How many steps to climb.
        size: The pictures' height and width as `parse_size` reads them.
        seed: Of all that is random.
        batch: How many pictures to make.
        batch_size: How many of them at once.
        provider: Where to compute; `None` is what a recipe says, or else auto.
    """

    steps: Annotated[int, typer.Option(help="How many steps to climb.")] = 512
    size: Size = None
    seed: Annotated[int, typer.Option(help="Same seed, same picture.")] = 0
    batch: Annotated[
        int, typer.Option(help="How many pictures to make, each from a start of its own.")
    ] = 1
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How many of them at once; by default what is fastest and fits into memory.",
        ),
    ] = None
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="auto|cpu|cuda|…",
            help="Where to compute; auto, the default, is CUDA where it works, else the CPU.",
        ),
    ] = None


@dataclass(frozen=True)
class Preprocessing:
    """What a foreign model expects, as `onnxscope.load` takes it.

    Attributes:
        preprocessing: The name of the next four together.
        input_range: What black and white are to the network.
        mean: Subtracted after that, for each colour.
        std: Divided by then, for each colour.
        channel_order: `rgb` or `bgr`.
        layout: `NCHW` or `NHWC`.
        channel_axis: Of layers, each as `NAME=AXIS`.
        image_input: The input that takes pictures.
        inputs: Values of other inputs, each as `NAME=VALUE`.
        labels: A file with names of the classes.
    """

    preprocessing: PresetName = None
    input_range: InputRange = None
    mean: Mean = None
    std: Std = None
    channel_order: ChannelOrder = None
    layout: Layout = None
    channel_axis: ChannelAxis = None
    image_input: ImageInput = None
    inputs: Inputs = None
    labels: Labels = None

    @property
    def given(self) -> dict[str, Any]:
        """What was given, by the fields' names."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in every.items() if value is not None}

    def words(self, names: Collection[str] | None = None) -> list[str]:
        """Return what was given as it is typed.

        Args:
            names: Of the fields that are wanted; by default all.
        """
        words: list[str] = []
        for name, value in self.given.items():
            if names is not None and name not in names:
                continue
            option = "--" + _OPTIONS.get(name, name).replace("_", "-")
            if isinstance(value, tuple):
                words += [option, *map(repr_short, value)]
            else:
                for one in value if isinstance(value, list) else [value]:
                    words += [option, str(one)]
        return words

    @property
    def is_about_pictures(self) -> bool:
        """Whether anything was given besides the values of other inputs."""
        return bool(self.given.keys() - {"inputs"})

    def open(
        self,
        name: str,
        *,
        for_pictures: bool = True,
        cache: bool = True,
        recalled: bool = True,
    ) -> Model:
        """Load a model, with a bar while it is downloaded.

        Args:
            name: In the catalogue, or a path.
            for_pictures: Whether pictures will go into it, so that it has to be known what it
                expects.
            cache: As `onnxscope.load` takes it.
            recalled: Whether what is remembered of the file counts, where nothing else is said.

        Raises:
            OnnxscopeError: it is not there, or it is not known what it expects of a picture.
        """
        from ..network.loading import load

        fetch_published(name)
        said = self._said()
        model = load(name, **said, cache=cache)
        if recalled and not self.says_pictures and model.metadata is None:
            kept = recall(model.sha256)
            if kept:
                model = load(name, **kept | said, cache=cache)
                note(f"preprocessing: remembered for this file: {model.preprocessing or 'labels'}")
        if for_pictures and model.preprocessing is None:
            raise InputError(
                f"{name} does not say what its input expects of a picture: give --preprocessing "
                "NAME, such as imagenet, or --input-range LOW HIGH with --mean, --std and "
                "--channel-order; what each does shows "
                f"`{command_line('inspect', name, '--image', 'PHOTO')}`"
            )
        if self.labels is not None:
            check_labels(model, str(self.labels))
        return model

    @property
    def says_pictures(self) -> bool:
        """Whether it was given what is done to pictures."""
        return bool(self.given.keys() & _OF_PICTURES)

    def _said(self) -> dict[str, Any]:
        """What was given, as `onnxscope.load` takes it."""
        from ..network.inputs.label_files import read_labels

        said = {name: value for name, value in self.given.items() if name in _OF_PICTURES}
        said |= {
            "layout": self.layout,
            "channel_axis": parse_axes(self.channel_axis or []),
            "image_input": self.image_input,
            "inputs": parse_inputs(self.inputs),
        }
        if self.labels is not None:
            said["labels"] = read_labels(self.labels)
        return said


# Where an option is not called as its field is.
_OPTIONS = {"inputs": "input"}
_OF_PICTURES = {"preprocessing", "input_range", "mean", "std", "channel_order"}


def check_labels(model: Model, where: str) -> None:
    """See that there are as many names of classes as scores, where the model has scores.

    Raises:
        InputError: there are not.
    """
    from ..errors import LayerError
    from ..network.class_scores import class_scores

    try:
        scores = class_scores(model)
    except LayerError:
        return
    if len(model.labels) != scores.count:
        raise InputError(
            f"{where} names {len(model.labels)} classes, and {model.layers[scores.layer].title} of "
            f"{model.name} has {scores.count} scores"
        )


def fetch_published(name: str) -> Path | None:
    """Fetch a model of the catalogue, with a bar for its download; `None` for others.

    Raises:
        OnnxscopeError: it cannot be downloaded.
    """
    from .. import models
    from .download import fetch

    return fetch(name) if name in models.catalogue() else None


def given_besides(ctx: typer.Context, *allowed: str) -> list[str]:
    """Return what was given on the command line besides some parameters, as users type it."""
    return [
        parameter.opts[-1] if parameter.opts[-1].startswith("-") else parameter.name.upper()
        for parameter in ctx.command.params
        if parameter.name and parameter.name not in allowed and is_given(ctx, parameter.name)
    ]


def is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether a parameter was given on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def targets_and_photos(given: Collection[str]) -> tuple[list[str], list[Path]]:
    """Return targets, and the photographs behind them.

    Raises:
        InputError: one of them is missing.
    """
    texts = list(given)
    count = len(texts)
    # What is first is a target, even where a folder has its name.
    while count > 1 and Path(texts[count - 1]).exists():
        count -= 1
    if not texts or count == len(texts):
        last = f": there is no folder or file {texts[-1]}" if len(texts) > 1 else ""
        raise InputError(f"give TARGET… and behind them folders of photographs{last}")
    return texts[:count], [Path(text) for text in texts[count:]]


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return `224` or `240x320` as height and width.

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
    """Return `blocks.0.attn=1` as a layer's name and its channel axis.

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
        from ..plain import from_digits

        axes[name] = from_digits("the axis of --channel-axis", axis)
    return axes


def words_for(preprocessing: expectations.Preprocessing) -> list[str]:
    """Return what to type for a preprocessing: its name where it has one."""
    from ..network.inputs.presets import preset_name

    name = preset_name(preprocessing)
    if name:
        return ["--preprocessing", name]
    numbers: dict[str, tuple[float, ...]] = {"--input-range": preprocessing.input_range}
    if any(preprocessing.mean):
        numbers["--mean"] = _three(preprocessing.mean)
    if any(value != 1 for value in preprocessing.std):
        numbers["--std"] = _three(preprocessing.std)
    words = [word for name, values in numbers.items() for word in (name, *map(repr_short, values))]
    if preprocessing.channel_order != "rgb":
        words += ["--channel-order", preprocessing.channel_order]
    return words


def _three(values: tuple[float, ...]) -> tuple[float, ...]:
    return values * 3 if len(values) == 1 else values


def repr_short(value: float) -> str:
    """Return a number so that it is read back as the same, without a fraction that is zero."""
    return str(int(value)) if value == int(value) else repr(value)


def parse_steps(text: str) -> tuple[int, ...]:
    """Return `1,32,128` as numbers of steps.

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
