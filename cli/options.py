"""What several commands take, each option written once; what is said of pictures is beside it.

Options that are taken together are groups, dataclasses that `expanded` makes options of; what a
command needs of them is a method of the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_model, complete_target, words_of

if TYPE_CHECKING:
    from ..network.model import Model
    from ..objectives import algebra as expressions


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
    "LAYER:UNIT such as mixed4a:11, its cell as mixed4a:11@7,7, a LAYER, a class by name or "
    "number, LAYER@FILE:UNIT of a file of directions or an ONNX encoder, or an expression such as "
    "'logit(\"daisy\") - 0.02 * total_variation()'."
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
Slice = Annotated[
    int | None,
    typer.Option("--z", help="Slice or frame of the neuron, of volumes and videos, from 0."),
]
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
MainLayers = Annotated[
    list[str] | None,
    typer.Argument(metavar="LAYER…", help="Layers; by default all main ones."),
]
UnitsOfEach = Annotated[
    str | None,
    typer.Option(
        metavar="UNITS",
        help="Which of each layer, such as 0-63, 0:64 (without 64) or 0:64,100; by default all.",
    ),
]
QualitySteps = Annotated[
    int | None, typer.Option(help="How many steps to climb; by default the quality's.")
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
_PROVIDER = typer.Option(
    metavar="auto|cpu|cuda|…",
    help="Where to compute; auto, the default, is CUDA where it works, else the CPU.",
    autocompletion=words_of("--provider"),
)
Provider = Annotated[str, _PROVIDER]
# Without it a recipe says where, or a setting's own default.
OptionalProvider = Annotated[str | None, _PROVIDER]
Quality = Annotated[
    str,
    typer.Option(
        metavar="draft|good|fine",
        help="How large pictures are and how long they are climbed: at most 112 pixels and 48 "
        "steps, 224 and 192, or the model's own size and 512.",
        autocompletion=words_of("--quality"),
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
        z: Slice or frame of a neuron.
        reduction: Over a channel's positions.
        negative: Whether to minimise instead.
        before_activation: Whether to look at the values before the layer's activation function.
    """

    objective: Objective = None
    y: Row = None
    x: Column = None
    token: Token = None
    z: Slice = None
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
            z=self.z,
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


OptimizerName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|CALL",
        autocompletion=words_of("--optimizer"),
        help="The update rule: adam, nadam, momentum, lbfgs, or a call such as "
        "'adam(0.1, schedule=cosine(5))'. lbfgs is for inversions and the like: it takes no random "
        "transforms.  [default: adam, its decays and rate as they fit what is climbed]",
        show_default=False,
        rich_help_panel="The ascent",
    ),
]


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
    provider: OptionalProvider = None
