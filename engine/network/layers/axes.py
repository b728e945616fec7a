"""What an axis of a value counts, and what becomes of it when a reshape merges or divides axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...forms import plane_of, stack_of


@dataclass(frozen=True)
class Axis:
    """What one axis of a value counts.

    Attributes:
        kind: `n` pictures, `c` channels, `z` slices or frames, `y` rows, `x` columns, `t` tokens,
            `h` a part of the channels, such as the heads of an attention, `?` unknown.
        parts: Of an axis that a reshape made of several, these with their sizes.
        before: Of tokens, how many stand before those of the patches, such as a class token.
    """

    kind: str
    parts: tuple[tuple[Axis, int], ...] = ()
    before: int = 0

    @property
    def grid(self) -> Grid | None:
        """Where the patches of a picture are among tokens; `None` where that is unknown."""
        if [part.kind for part, _ in self.parts] != ["y", "x"]:
            return None
        return Grid(self.before, self.parts[0][1], self.parts[1][1])


@dataclass(frozen=True)
class Grid:
    """Tokens as patches of a picture: row by row, behind those that are none.

    Attributes:
        before: How many tokens stand before the patches: 1 for a class token.
        height: Rows of patches.
        width: Columns of patches.
    """

    before: int
    height: int
    width: int

    def token(self, y: int, x: int) -> int:
        """Return the number of the patch in row `y`, column `x`."""
        return self.before + y * self.width + x


N, C, Z, Y, X = (Axis(kind) for kind in "nczyx")
UNKNOWN, HEADS = Axis("?"), Axis("h")
PICTURE, VOLUME = (N, C, Y, X), (N, C, Z, Y, X)

Axes = tuple[Axis, ...]
Shape = tuple[int | str | None, ...]


def axes_of(layout: str) -> Axes:
    """Return what the axes of an input count, by its layout (see `forms.Form`)."""
    rows, columns = plane_of(layout)
    stack = stack_of(layout)
    known = {"N": N, "C": C, rows.letter: Y, columns.letter: X}
    if stack is not None:
        known[stack.letter] = Z
    return tuple(known[letter] for letter in layout)


def first_axes(rank: int) -> Axes:
    """Return what the axes of so many dimensions count where channels come first."""
    return VOLUME if rank == len(VOLUME) else PICTURE[:rank]


def channel_axis(axes: Axes) -> int | None:
    """Return which axis the channels are on: `None` where it cannot be told.

    Of (N, F) it is the second: what there is of a picture are features.
    """
    if not axes or axes[0].kind not in "n?":
        return None
    if len(axes) == 2:
        return 1
    at = [index for index, axis in enumerate(axes) if axis.kind == "c"]
    return at[0] if len(at) == 1 else None


def apart(axis: Axis, size: int | str | None) -> Sequence[tuple[Axis, int | str | None]]:
    """Return the parts that an axis of that size was made of, or itself."""
    whole = math.prod(part for _, part in axis.parts)
    return axis.parts if axis.parts and size == whole and not axis.before else ((axis, size),)


def regroup(parts: Sequence[tuple[Axis, int | str | None]], shape: Shape) -> Axes:
    """Give each axis of a new shape the parts that it is made of.

    One picture's axis of size 1 goes where there is a place for it, and to the axis before it
    where there is none.
    """
    result: list[Axis] = []
    rest = [(axis, size) for axis, size in parts if size != 1 or axis.kind == "n"]
    for at, size in enumerate(shape):
        if size == 1:
            result.append(rest.pop(0)[0] if rest and rest[0] == (N, 1) else UNKNOWN)
            continue
        taken = _take(rest, size)
        if taken is None:
            return (*result, *[UNKNOWN] * (len(shape) - at))
        following = shape[at + 1] if at + 1 < len(shape) else 0
        if rest and rest[0] == (N, 1) and following != 1:
            taken.append((rest.pop(0)[0], 1))
        result.append(_merged(taken))
    return tuple(result)


def _take(
    rest: list[tuple[Axis, int | str | None]], size: int | str | None
) -> list[tuple[Axis, int]] | None:
    """Take from the front what makes up `size`; `None` where nothing does."""
    taken: list[tuple[Axis, int]] = []
    whole = 1
    while rest:
        axis, part = rest.pop(0)
        if not taken and part == size:
            return [(axis, part if isinstance(part, int) else 0)]
        if not isinstance(part, int) or not isinstance(size, int) or not part * size:
            return None
        if size % (whole * part) == 0:
            taken.append((axis, part))
            whole *= part
        elif size % whole == 0 and part % (size // whole) == 0:
            # The axis comes apart: what is left of it goes to the next ones.
            piece = HEADS if axis.kind in "ch" else UNKNOWN
            taken.append((piece, size // whole))
            rest.insert(0, (piece, part // (size // whole)))
            return taken
        else:
            return None
        if whole == size:
            return taken
    return None


def _merged(parts: Sequence[tuple[Axis, int]]) -> Axis:
    """One axis made of several."""
    if len(parts) == 1:
        return parts[0][0]
    kinds = {axis.kind for axis, _ in parts}
    if kinds <= {"h"}:
        return C
    if kinds <= {"y", "x"}:
        return Axis("t", tuple(parts))
    return Axis("?", tuple(parts))
