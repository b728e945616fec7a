"""`Blocks`: what a network sees in a photograph, as numbers and small pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, LayerError, nearest
from ..plain import flag, text, whole
from .factors import Factors
from .influence import strongest_units

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Class:
    """A class of the network, and how it is scored on the photo.

    Attributes:
        index: Its number.
        name: Its name, or `class 3` where the network has no names.
        score: Before the softmax.
        probability: Behind it, in [0, 1].
    """

    index: int
    name: str
    score: float
    probability: float


@dataclass(frozen=True, eq=False)
class Groups:
    """A layer's neurons in groups that fire together.

    Attributes:
        factors: What each group is made of, and where it is.
        pictures: Of each group, (groups, S, S, 3) uint8.
        effects: How much each group speaks for each class, (groups, classes); `None` where there
            are no classes.
        flow: How much each group of the layer before, divided into as many, adds to each of these,
            (groups before, groups); `None` for the first layer.
    """

    factors: Factors
    pictures: np.ndarray
    effects: np.ndarray | None = None
    flow: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.factors)


@dataclass(frozen=True, eq=False)
class LayerBlocks:
    """A layer on the photo, cell by cell.

    Attributes:
        name: Of the layer.
        cells: How many cells it has, (rows, columns); where they are more than are shown, these are
            means over their shares.
        vectors: What stands at each cell that is shown, (height, width, C).
        pictures: A picture of each, (height, width, S, S, 3) uint8.
        units: Pictures of single units, (S, S, 3) uint8, by number: the strongest of the cells, and
            those that matter to classes.
        strongest: How many units of a cell have pictures.
        class_maps: How much each cell speaks for each class, (classes, height, width), or `None`.
        class_channels: How much each channel does, (classes, C), or `None`.
        unit_maps: By class, counted from the highest, and unit: how much each cell of that channel
            speaks for the class, (height, width).
        influences: By the names of earlier layers, how much their cells add to the length of what
            stands at each cell here, (height, width, height there, width there).
        groups: The neurons in groups, by their number.
    """

    name: str
    cells: tuple[int, int]
    vectors: np.ndarray
    pictures: np.ndarray
    units: Mapping[int, np.ndarray]
    strongest: int
    class_maps: np.ndarray | None
    class_channels: np.ndarray | None
    unit_maps: Mapping[tuple[int, int], np.ndarray]
    influences: Mapping[str, np.ndarray]
    groups: Mapping[int, Groups]

    @property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of cells that are shown."""
        height, width = self.vectors.shape[:2]
        return height, width

    @property
    def lengths(self) -> np.ndarray:
        """The length of what stands at each cell, (height, width): how much the layer fires."""
        return np.asarray(np.linalg.norm(self.vectors, axis=2))

    def dictionary(self, y: int, x: int) -> list[tuple[int, float]]:
        """Return a cell's strongest units with their activations, the strongest first.

        Args:
            y: Row of the cell, from 0.
            x: Column.

        Raises:
            InputError: there is no such cell.
        """
        height, width = self.shape
        y, x = whole("y", y, 0), whole("x", x, 0)
        if y >= height or x >= width:
            raise InputError(
                f"{self.name} is shown with {height}×{width} cells, from 0; there is none in row "
                f"{y}, column {x}"
            )
        vector = self.vectors[y, x]
        return [(unit, float(vector[unit])) for unit in strongest_units(vector, self.strongest)]


@dataclass(frozen=True, eq=False)
class Blocks:
    """What a network sees in a photograph (see `onnxscope.blocks`).

    Attributes:
        photo: What the network was shown, (H, W, 3) uint8.
        name: Of the photo.
        model: The name of the network.
        classes: Those with the highest scores, the highest first; none for a network without.
        layers: From the first to the last.
    """

    photo: np.ndarray
    name: str
    model: str
    classes: tuple[Class, ...]
    layers: tuple[LayerBlocks, ...]

    def __repr__(self) -> str:
        names = ", ".join(layer.name for layer in self.layers)
        return f"<blocks of {self.name} in {self.model}: {names}>"

    def layer(self, name: str) -> LayerBlocks:
        """Return a layer by its name.

        Raises:
            LayerError: it was not looked at.
        """
        text("name", name, "the name of a layer", LayerError)
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = [layer.name for layer in self.layers]
        raise LayerError(
            f"{name!r} was not looked at, but {', '.join(known)}{nearest(name, known)}"
        )

    def grid(self, layer: str, *, magnitude: bool = False, cell: int = 48) -> Image.Image:
        """Return the pictures of a layer's cells as they lie over the photo.

        Args:
            layer: Its name.
            magnitude: Whether each picture is as large as its cell's activations are long.
            cell: Side of a cell in pixels.

        Raises:
            LayerError: it was not looked at.
        """
        from .figures import grid

        side = whole("cell", cell, 4, 512)
        return grid(self.layer(layer), magnitude=flag("magnitude", magnitude), side=side)

    def dictionary(self, layer: str, y: int, x: int) -> Image.Image:
        """Return a cell beside the units that it is made of, with their activations.

        Args:
            layer: Its name.
            y: Row of the cell, from 0.
            x: Column.

        Raises:
            LayerError: it was not looked at.
            InputError: it has no such cell.
        """
        from .figures import dictionary

        return dictionary(self, self.layer(layer), y, x)

    def heat(self, layer: str, which: int = 0) -> Image.Image:
        """Return the photo with how much each cell of a layer speaks for a class over it.

        Args:
            layer: Its name.
            which: Of `classes`, counted from 0.

        Raises:
            LayerError: it was not looked at.
            InputError: there is no such class.
        """
        from .figures import heat

        return heat(self, self.layer(layer), which)

    def channels(self, layer: str, which: int = 0) -> Image.Image:
        """Return the units of a layer that speak most for a class and against it.

        Args:
            layer: Its name.
            which: Of `classes`, counted from 0.

        Raises:
            LayerError: it was not looked at.
            InputError: there is no such class.
        """
        from .figures import channels

        return channels(self, self.layer(layer), which)

    def groups(self, layer: str, count: int) -> Image.Image:
        """Return groups of neurons: a picture of each, and where in the photo it is.

        Args:
            layer: Its name.
            count: How many groups there are.

        Raises:
            LayerError: the layer was not looked at.
            InputError: its neurons were not divided into so many.
        """
        from .figures import groups

        return groups(self, self.layer(layer), count)

    def _repr_html_(self) -> str:
        from .figures import as_html

        return as_html(self)
