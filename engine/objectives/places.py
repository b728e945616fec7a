"""Where in a layer an objective looks: everywhere, around a cell, in a box, under a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TypedDict

import numpy as np

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..images import means_over_shares
from ..plain import array_in_words, numbers, real, shown, whole
from .algebra import Leaf
from .seen import Seen


class Place(TypedDict, total=False):
    """The arguments that say where in a layer to look (see `Placed`)."""

    y: int | None
    x: int | None
    radius: int | None
    token: int | None
    box: tuple[float, float, float, float] | None
    mask: np.ndarray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed(ByContent, Leaf):
    """A leaf that is a mean over some of a layer's cells, by default over all.

    Attributes:
        y: Row of a cell, from 0; where `x` or `radius` alone is given, the middle one.
        x: Column of a cell, likewise.
        radius: The cells around it that count as well: those at most so many rows and columns away.
        token: Of a layer of tokens, one by its number, from 0.
        box: Top, left, bottom and right in [0, 1], as parts of the layer's height and width: the
            cells whose middles lie within.
        mask: Weights (rows, columns), at least 0. Where they are not as many as the layer's cells,
            each cell gets the mean over its share of them.
    """

    y: int | None = None
    x: int | None = None
    radius: int | None = None
    token: int | None = None
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        for axis in ("y", "x", "radius", "token"):
            at = getattr(self, axis)
            if at is not None:
                object.__setattr__(self, axis, whole(axis, at, 0))
        given = [name for name in ("token", "box", "mask") if getattr(self, name) is not None]
        if self._cell:
            given.insert(0, "y, x and radius")
        if len(given) > 1:
            raise TargetError(f"a place is given in one way, not by {' and by '.join(given)}")
        if self.box is not None:
            object.__setattr__(self, "box", _checked_box(self.box))
        if self.mask is not None:
            mask = numbers("a mask", self.mask, "(rows, columns)")
            if mask.min() < 0 or not mask.any():
                raise TargetError("a mask must hold weights of at least 0, some of them above it")
            object.__setattr__(self, "mask", mask)

    @property
    def _cell(self) -> bool:
        """Whether the place is a cell with what lies around it."""
        return any(at is not None for at in (self.y, self.x, self.radius))

    @property
    def everywhere(self) -> bool:
        """Whether all cells count alike."""
        return not self._cell and all(at is None for at in (self.token, self.box, self.mask))

    def cells(self, seen: Seen, layer: str) -> tuple[Tensor, np.ndarray | None]:
        """Return the cells of a layer that count.

        Returns:
            (N, C, …), and their weights, of the shape of … and of the sum 1; `None` where all count
            alike.

        Raises:
            LayerError: the layer has no such place.
        """
        values = seen[layer]
        if values.rank not in (2, 3, 4, 5):
            raise LayerError(
                f"{layer} has the shape {values.shape}; expected (N, C, H, W), tokens (N, C, L), "
                "or (N, C)"
            )
        if self.everywhere:
            return values, None
        if values.rank == 2:
            raise LayerError(f"{layer} has no positions: leave {self._words()} out")
        if self.token is not None:
            return _token(values, layer, self.token), None
        if values.rank == 3:
            grid = seen.grids.get(layer)
            if grid is None:
                raise LayerError(
                    f"{layer} has {values.shape[2]} tokens, and where the picture's patches are "
                    "among them cannot be told; give token instead"
                )
            patches = values[:, :, grid.before : grid.before + grid.height * grid.width]
            values = patches.reshape(*values.shape[:2], grid.height, grid.width)
        # Of volumes and videos it is that place in all slices.
        *depth, height, width = values.shape[2:]
        if self.mask is not None:
            weights = means_over_shares(self.mask, height, width)
            weights /= weights.sum() * math.prod(depth)
            return values, weights.astype(np.float32)
        top, bottom, left, right = self._window(layer, height, width)
        return values[..., top:bottom, left:right], None

    def _window(self, layer: str, height: int, width: int) -> tuple[int, int, int, int]:
        """The first row and the one behind the last, and the same of columns."""
        if self.box is not None:
            (top, bottom), (left, right) = (
                _within(size, self.box[at], self.box[at + 2])
                for at, size in enumerate((height, width))
            )
            if top == bottom or left == right:
                raise LayerError(
                    f"{layer} has {height}×{width} cells at this picture size, and the middle of "
                    f"none lies in the box {self.box}"
                )
            return top, bottom, left, right
        y = height // 2 if self.y is None else self.y
        x = width // 2 if self.x is None else self.x
        if not (y < height and x < width):
            raise LayerError(
                f"{layer} has {height}×{width} cells at this picture size; there is no cell "
                f"y={y}, x={x}"
            )
        around = self.radius or 0
        return (
            max(y - around, 0),
            min(y + around + 1, height),
            max(x - around, 0),
            min(x + around + 1, width),
        )

    def _words(self) -> str:
        """The place in words, such as `y=3, x=3`; empty where it is everywhere."""
        words = []
        for field in fields(Placed):
            value = getattr(self, field.name)
            if value is not None:
                text = array_in_words(value) if isinstance(value, np.ndarray) else shown(value)
                words.append(f"{field.name}={text}")
        return ", ".join(words)

    def at_place(self, words: str) -> str:
        """Return what is looked at and where, in words."""
        return words if self.everywhere else f"{words} at {self._words()}"


def mean_over(cells: Tensor, weights: np.ndarray | None) -> Tensor:
    """Append the mean of numbers (N, …) over the axes …, or their weighted sum, (N,)."""
    if cells.rank == 1:
        return cells
    axes = list(range(1, cells.rank))
    return cells.mean(axes) if weights is None else (cells * weights).sum(axes)


def _within(size: int, low: float, high: float) -> tuple[int, int]:
    """The first of the cells whose middles lie in an interval, and the one behind the last."""
    middles = (np.arange(size) + 0.5) / size
    inside = np.flatnonzero((middles >= low) & (middles <= high))
    return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)


def _token(values: Tensor, layer: str, token: int) -> Tensor:
    if values.rank != 3:
        raise LayerError(f"{layer} has no tokens: leave token={token} out")
    count = values.shape[2]
    if token >= count:
        raise LayerError(
            f"{layer} has {count} tokens, 0 to {count - 1}, at this picture size; there is no "
            f"token {token}"
        )
    return values[:, :, token : token + 1]


def _checked_box(box: object) -> tuple[float, ...]:
    sides = tuple(box) if isinstance(box, tuple | list) else ()
    if len(sides) != 4:
        raise TargetError(f"a box is (top, left, bottom, right), each in [0, 1], not {shown(box)}")
    top, left, bottom, right = (real("each side of a box", side) for side in sides)
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise TargetError(
            "a box is (top, left, bottom, right) with 0 ≤ top < bottom ≤ 1 and 0 ≤ left < right "
            f"≤ 1, not {(top, left, bottom, right)}"
        )
    return top, left, bottom, right
