"""What a network takes for a picture: its axes, its channels, and which of them are colours.

Inside the engine every picture is (N, P, H, W): rows and columns of P planes. Grey has one plane,
RGB three; of volumes and videos each channel of each slice or frame is a plane, all slices of the
first channel before those of the second. What moves pixels in the plane takes all of them alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from .errors import InputError
from .plain import shown, whole


@dataclass(frozen=True)
class Meaning:
    """What an axis counts.

    Attributes:
        letter: In a layout.
        words: What it counts, in the plural.
        spatial: Whether it is a direction of space, which may be turned into another one.
        usual: How many there are where neither the file nor the user says it.
    """

    letter: str
    words: str
    spatial: bool
    usual: int


ROWS, COLUMNS = Meaning("H", "rows", True, 224), Meaning("W", "columns", True, 224)
SLICES, TIME = Meaning("D", "slices", True, 32), Meaning("T", "frames", False, 16)
FREQUENCIES, MOMENTS = Meaning("F", "frequencies", False, 64), Meaning("T", "moments", False, 128)

_PLANES = ((ROWS, COLUMNS), (FREQUENCIES, MOMENTS))
_STACKS = (SLICES, TIME)

# What a picture's rows and columns are by default where there are many of these.
_STACKED_SIDE = {"D": 64, "T": 112}

EXAMPLES = ("NCHW", "NHWC", "NHW", "NCFT", "NFT", "NCDHW", "NTCHW", "NCTHW", "NDHWC")
"""Layouts, for messages; any order of these letters is one."""


@dataclass(frozen=True)
class Form:
    """How pictures lie in an input, and what their channels are.

    Attributes:
        layout: Its axes in order, a letter each: N pictures, C channels, H rows, W columns, D
            slices, T frames of a video or moments of a spectrogram, F frequencies.
        channels: How many there are; 1 where no axis counts them.
        depth: How many slices or frames; 1 where no axis counts them.
        colors: Which channels are red, green and blue; `None` where none are.
        opacity: Whether the last channel says how opaque the others are, from 0 to 1. Networks take
            no such pictures: it is seen in front of something.
    """

    layout: str = "NCHW"
    channels: int = 3
    depth: int = 1
    colors: tuple[int, int, int] | None = (0, 1, 2)
    opacity: bool = False

    @property
    def is_rgb(self) -> bool:
        """Whether these are pictures in three colours, (N, 3, H, W) inside the engine."""
        return (self.channels, self.colors, self.plane, self.stack) == (
            3,
            (0, 1, 2),
            _PLANES[0],
            None,
        )

    @property
    def plane(self) -> tuple[Meaning, Meaning]:
        """What rows and columns of a plane are."""
        return plane_of(self.layout)

    @property
    def stack(self) -> Meaning | None:
        """What planes of one channel are, of volumes and videos."""
        return stack_of(self.layout)

    @property
    def planes(self) -> int:
        """How many planes a picture has."""
        return self.channels * self.depth

    @property
    def turns(self) -> bool:
        """Whether rows and columns are directions of space, between which pictures may be turned.

        Time and frequency are none: a turned spectrogram is no spectrogram.
        """
        return all(axis.spatial for axis in self.plane)

    @property
    def array_words(self) -> str:
        """The shape of one picture as an array, such as `(D, H, W, 2)`."""
        letters = [*([self.stack] if self.stack else []), *self.plane]
        return f"({', '.join(axis.letter for axis in letters)}, {self.channels})"

    def with_depth(self, depth: int | None) -> Form:
        """Return the same with another number of slices or frames; `None` leaves it."""
        return self if depth in (None, self.depth) else replace(self, depth=int(depth or 1))

    def with_opacity(self) -> Form:
        """Return the same with a last channel that says how opaque the others are."""
        return replace(self, channels=self.channels + 1, opacity=True)

    def as_arrays(self, batch: np.ndarray) -> np.ndarray:
        """Return (N, P, H, W) as people have pictures: (N, H, W, C), or (N, D, H, W, C)."""
        count, planes, height, width = batch.shape
        apart = batch.reshape(count, self.channels, planes // self.channels, height, width)
        last = apart.transpose(0, 2, 3, 4, 1)
        return np.ascontiguousarray(last if self.stack else last[:, 0])

    def as_batch(self, arrays: np.ndarray) -> np.ndarray:
        """Return what `as_arrays` gives as (N, P, H, W)."""
        apart = arrays if self.stack else arrays[:, None]
        count, depth, height, width, channels = apart.shape
        planes = apart.transpose(0, 4, 1, 2, 3)
        return np.ascontiguousarray(planes.reshape(count, channels * depth, height, width))

    def words(self, size: tuple[int, int] | None = None) -> str:
        """Say what a picture is: `grey pictures`, `volumes of 2 channels, …`.

        Args:
            size: Height and width, where they are to be said as well.
        """
        if self.opacity:
            what = "transparent pictures"
            return what if size is None else f"{what}, {self.sizes_in_words(size)}"
        if self.stack is not None:
            what = "volumes" if self.stack is SLICES else "videos"
        else:
            what = "pictures" if self.turns else "spectrograms"
        if self.is_rgb or (self.colors == (0, 1, 2) and self.channels == 3):
            kind = f"RGB {what}"
        elif self.colors is not None:
            rest = f"channels {', '.join(map(str, self.colors))} are red, green and blue"
            kind = f"{what} of {self.channels} channels ({rest})"
        elif self.channels == 1:
            kind = f"grey {what}" if self.turns else what
        else:
            kind = f"{what} of {self.channels} channels"
        return f"{kind}, {self.sizes_in_words(size)}" if size is not None else kind

    def sizes_in_words(self, size: tuple[int, int]) -> str:
        """Say a picture's sizes, such as `16 frames × 112 rows × 112 columns`."""
        counted = list(zip(self.plane, size, strict=True))
        if self.stack is not None:
            counted.insert(0, (self.stack, self.depth))
        return " × ".join(f"{number} {axis.words}" for axis, number in counted)


RGB = Form()
"""Pictures in three colours."""


# Lucid's matrix: the square root of the covariance of ImageNet's colours.
_COLOR_CORRELATION = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


def mixing(form: Form = RGB) -> np.ndarray:
    """Return what decorrelated channels are multiplied by, (C, C): three colours are mixed."""
    matrix: np.ndarray = _COLOR_CORRELATION / np.linalg.norm(_COLOR_CORRELATION, axis=0).max()
    if form.is_rgb or form.colors is None:
        return matrix if form.is_rgb else np.eye(form.channels)
    whole_matrix = np.eye(form.channels)
    whole_matrix[np.ix_(form.colors, form.colors)] = matrix
    return whole_matrix


def as_spectrogram(form: Form) -> str:
    """Return the layout of grey pictures if they are spectrograms; nothing of others.

    One channel in a plane is either, and unless the file calls it sound it is taken for grey.
    """
    if form.channels != 1 or form.stack is not None or not form.turns:
        return ""
    return form.layout.replace("H", "F").replace("W", "T")


def plane_of(layout: str) -> tuple[Meaning, Meaning]:
    """Return what a layout's rows and columns are."""
    return _PLANES[1] if "F" in layout else _PLANES[0]


def stack_of(layout: str) -> Meaning | None:
    """Return what a layout counts planes by; `None` where there is one for each channel."""
    letters = {axis.letter for axis in plane_of(layout)}
    return next((m for m in _STACKS if m.letter in layout and m.letter not in letters), None)


def checked_layout(layout: str) -> str:
    """See that a layout is one.

    Raises:
        InputError: it is not.
    """
    known = set(layout) <= set("NCHWDTF") and len(set(layout)) == len(layout)
    if known and layout.startswith("N"):
        plane = {axis.letter for axis in plane_of(layout)}
        stack = stack_of(layout)
        rest = set(layout) - plane - {"N", "C"} - ({stack.letter} if stack else set())
        upright = "F" in layout or layout.find("H") < layout.find("W")
        if plane <= set(layout) and not rest and upright and not ("F" in layout and stack):
            return layout
    raise InputError(
        "layout must be 'NCHW' or 'NHWC', or another order of axes that begins with N: C channels, "
        "H rows before W columns, D slices, T frames or moments, F frequencies, such as "
        f"{', '.join(map(repr, EXAMPLES[2:]))}; not {layout!r}"
    )


def usual_sizes(layout: str) -> dict[str, int]:
    """Return how many there are of each axis of a layout, where nothing says it."""
    stack, plane = stack_of(layout), plane_of(layout)
    if stack is None:
        return {axis.letter: axis.usual for axis in plane}
    side = _STACKED_SIDE[stack.letter]
    return {stack.letter: stack.usual, **{axis.letter: side for axis in plane}}


def checked_colors(
    colors: Sequence[int] | str | None, layout: str, channels: int
) -> tuple[int, int, int] | None:
    """Return which channels are red, green and blue.

    Args:
        colors: Three channels, from 0, or `"none"`; `None` for those that are known: of three
            channels all, in their order, but for those of spectrograms.
        layout: Of the input.
        channels: How many there are.

    Raises:
        InputError: they are no channels of it.
    """
    if colors is None:
        return (0, 1, 2) if channels == 3 and plane_of(layout)[0].spatial else None
    if isinstance(colors, str):
        if colors == "none":
            return None
        raise InputError(
            f"colors must be three channels such as (0, 1, 2), or 'none', not {colors!r}"
        )
    try:
        listed = [whole("each of colors", color, 0) for color in colors]
    except TypeError:
        listed = []
    if len(listed) != 3 or len(set(listed)) != 3:
        raise InputError(
            f"colors must be three channels such as (0, 1, 2), for red, green and blue, or 'none', "
            f"not {shown(colors)}"
        )
    outside = [color for color in listed if color >= channels]
    if outside:
        raise InputError(f"colors names channel {outside[0]}; {channels_in_words(channels)}")
    red, green, blue = listed
    return red, green, blue


def channels_in_words(channels: int) -> str:
    """Say which channels there are."""
    if channels == 1:
        return "there is one channel, 0"
    return f"there are {channels} channels, 0 to {channels - 1}"


_Part = TypeVar("_Part", bound="InForm")


@dataclass(frozen=True)
class InForm:
    """A part of an ascent that is the same for pictures of any form, once it is told which.

    Attributes:
        form: Of the pictures. A recipe does not keep it: the model says it.
    """

    form: Form = field(default=RGB, init=False, repr=False, compare=False)

    def formed(self: _Part, form: Form) -> _Part:
        """Return the same for pictures of that form."""
        made = copy(self)
        object.__setattr__(made, "form", form)
        return made
