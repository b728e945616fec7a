"""What a foreign model expects of its inputs, as options, and a model opened with them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from .completion import words_of
from .console import note
from .given import parse_channels
from .inputs import parse_inputs
from .remembered import recall
from .typed import command_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..network.model import Model

_PANEL = "Preprocessing of a foreign model"

PresetName = Annotated[
    str | None,
    typer.Option(
        "--preprocessing",
        metavar="NAME",
        autocompletion=words_of("--preprocessing"),
        help="The next four by a name: imagenet (torchvision, timm), clip, inception or tf (−1 to "
        "1), caffe (BGR minus the mean), yolo or none (0 to 1).",
        rich_help_panel=_PANEL,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Names of the classes: one a line, or JSON.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
InputRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="LOW HIGH",
        help="What black and white are to the network, such as 0 1, -1 1 or 0 255.",
        rich_help_panel=_PANEL,
    ),
]
Mean = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        metavar="R G B",
        help="Three numbers, subtracted after that, in the same units and in the order of the "
        "colours.",
        rich_help_panel=_PANEL,
    ),
]
Std = Annotated[
    tuple[float, float, float] | None,
    typer.Option(metavar="R G B", help="Three numbers; divided by then.", rich_help_panel=_PANEL),
]
Ranges = Annotated[
    str | None,
    typer.Option(
        "--range",
        metavar="LOW..HIGH[,…]",
        help="Of other pictures than RGB what 0 and 1 are to the network: 0..1, or a range for "
        "each channel, 0..1,-1..1.",
        rich_help_panel=_PANEL,
    ),
]
Means = Annotated[
    str | None,
    typer.Option(
        metavar="M[,…]",
        help="Subtracted after that: one number, or one for each channel.",
        rich_help_panel=_PANEL,
    ),
]
Stds = Annotated[
    str | None,
    typer.Option(metavar="S[,…]", help="Divided by then, likewise.", rich_help_panel=_PANEL),
]
ChannelOrder = Annotated[
    str | None,
    typer.Option(
        metavar="rgb|bgr",
        autocompletion=words_of("--channel-order"),
        help="Order of the colours.",
        rich_help_panel=_PANEL,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="NCHW|NHWC|…",
        help="What the axes of the input are, if the file leaves it open or it is taken for "
        "something else: D slices, T frames or moments, F frequencies, as in NCFT or NTCHW.",
        rich_help_panel=_PANEL,
    ),
]
Colors = Annotated[
    str | None,
    typer.Option(
        metavar="R,G,B|none",
        help="Which channels are red, green and blue, such as 2,1,0; by default all of three.",
        rich_help_panel=_PANEL,
    ),
]
ChannelAxis = Annotated[
    list[str] | None,
    typer.Option(
        "--channel-axis",
        metavar="NAME=AXIS",
        help="Which axis of a layer has the channels, if it cannot be told; repeat as needed.",
        rich_help_panel=_PANEL,
    ),
]
ImageInput = Annotated[
    str | None,
    typer.Option(
        "--image-input",
        metavar="NAME",
        help="Which input takes pictures, if there are several.",
        rich_help_panel=_PANEL,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=VALUE",
        help="The value of another input: a number, which fills it, numbers with commas between "
        "them, or a .npy file; repeat as needed.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class Preprocessing:
    """What a foreign model expects, as `onnxscope.load` takes it.

    Attributes:
        preprocessing: The name of the next four together.
        input_range: What black and white are to the network.
        mean: Subtracted after that, for each colour.
        std: Divided by then, for each colour.
        ranges: `input_range` of other pictures than RGB, as `parse_ranges` reads it.
        means: `mean` of these, numbers with commas between them.
        stds: `std` of these, likewise.
        channel_order: `rgb` or `bgr`.
        layout: Such as `NCHW`.
        colors: Which channels are colours, three numbers with commas between them, or `none`.
        channel_axis: Of layers, each as `NAME=AXIS`.
        image_input: The input that takes pictures.
        inputs: Values of other inputs, each as `NAME=VALUE`.
        labels: A file with names of the classes.
    """

    preprocessing: PresetName = None
    input_range: InputRange = None
    mean: Mean = None
    std: Std = None
    ranges: Ranges = None
    means: Means = None
    stds: Stds = None
    channel_order: ChannelOrder = None
    layout: Layout = None
    colors: Colors = None
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
        from ..network.inputs.typed import number

        words: list[str] = []
        for name, value in self.given.items():
            if names is not None and name not in names:
                continue
            option = "--" + _OPTIONS.get(name, name).replace("_", "-")
            if isinstance(value, tuple):
                words += [option, *map(number, value)]
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
                given = {key: value for key, value in said.items() if value}
                model = load(name, **kept | given, cache=cache)
                others = {"labels": "labels", "channel_axis": "channel axes"}
                kinds = " and ".join(words for key, words in others.items() if key in kept)
                note(f"preprocessing: remembered for this file: {model.preprocessing or kinds}")
                said |= kept
        from ..forms import as_spectrogram

        sound, size = as_spectrogram(model.form), model.usual_size
        if for_pictures and sound and size[0] != size[1] and not said.get("layout"):
            note(
                f"{name} is taken for a network of {model.form.words(size)}; if they are "
                f"spectrograms, --layout {sound} keeps time and frequency from being turned and "
                "scaled"
            )
        if for_pictures and model.preprocessing is None and not model.form.is_rgb:
            raise InputError(
                f"{name} takes {model.form.words()}, and does not say of what range: give "
                "--range 0..1, or what else it was trained with, and --means and --stds where it "
                f"was; `{command_line('inspect', name)}` says what it is taken for"
            )
        if for_pictures and model.preprocessing is None:
            raise InputError(
                f"{name} does not say what its input expects of a picture: give --preprocessing "
                "NAME, such as imagenet, or --input-range LOW HIGH with --mean, --std and "
                "--channel-order; what each does shows "
                f"`{command_line('inspect', name, '--image', 'PHOTO')}`"
            )
        return model

    @property
    def says_pictures(self) -> bool:
        """Whether it was given what is done to pictures."""
        return bool(self.given.keys() & _OF_PICTURES)

    def _said(self) -> dict[str, Any]:
        """What was given, as `onnxscope.load` takes it."""
        from ..network.inputs.label_files import read_labels

        said = {name: value for name, value in self.given.items() if name in _OF_PICTURES}
        for plural, one in _SEVERAL.items():
            if plural not in said:
                continue
            option = "--" + _OPTIONS.get(plural, plural)
            if one in said:
                other = one.replace("_", "-")
                raise InputError(f"{option} says what --{other} says; give the one or the other")
            text = said.pop(plural)
            said[one] = parse_ranges(text) if one == "input_range" else parse_reals(option, text)
        said |= {
            "layout": self.layout,
            "colors": parse_colors(self.colors),
            "channel_axis": parse_axes(self.channel_axis or []),
            "image_input": self.image_input,
            "inputs": parse_inputs(self.inputs),
        }
        if self.labels is not None:
            said["labels"] = read_labels(self.labels)
        return said


# Where an option is not called as its field is.
_OPTIONS = {"inputs": "input", "ranges": "range"}
_SEVERAL = {"ranges": "input_range", "means": "mean", "stds": "std"}
_OF_PICTURES = {"preprocessing", "input_range", "mean", "std", "channel_order", *_SEVERAL}


def fetch_published(name: str) -> Path | None:
    """Fetch a model of the catalogue, with a bar for its download; `None` for others.

    Raises:
        OnnxscopeError: it cannot be downloaded.
    """
    from .. import models
    from .download import fetch

    return fetch(name) if name in models.catalogue() else None


def parse_ranges(text: str) -> tuple[float, float] | tuple[tuple[float, float], ...]:
    """Return `0..1`, or `0..1,-1..1` for each channel, as pairs of numbers.

    Raises:
        InputError: it is something else.
    """
    pairs = []
    for part in text.split(","):
        low, dots, high = part.partition("..")
        try:
            pairs.append((float(low), float(high)))
        except ValueError:
            dots = ""
        if not dots:
            raise InputError(
                f"--range is two numbers such as 0..1, or 0..1,-1..1 for each channel, not {text!r}"
            )
    return tuple(pairs) if len(pairs) > 1 else pairs[0]


def parse_reals(option: str, text: str) -> tuple[float, ...]:
    """Return `0.1,0.2` as numbers.

    Raises:
        InputError: it is something else.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} takes numbers such as 0.5 or 0.1,0.2, not {text!r}") from None


def parse_colors(text: str | None) -> tuple[int, ...] | str | None:
    """Return `2,1,0` as numbers of channels, and `none` as it is.

    Raises:
        InputError: it is something else.
    """
    return text if text in (None, "none") else parse_channels("--colors", str(text))


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
