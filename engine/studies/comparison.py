"""`Comparison`: one unit's pictures, where it is active on them, and what each is worth to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from ..objectives.algebra import Objective
from ..pictures.picture import Picture
from ..pictures.tiles import image_of
from ..plain import shown
from .heat import sequential
from .page import Entry, Page, Shown, file_name, number, width_of
from .study import Study

if TYPE_CHECKING:
    from ..graph.passes.crop import Box

_WIDTH = 200
"""How wide a picture of the figure is, in pixels."""

_MAP = 120
_MARK = (255, 255, 255)
_FRAME = (0, 0, 0)

ACTIVE = 0.1
"""A cell is active where it has at least this part of the unit's largest value on any picture."""


@dataclass(frozen=True, eq=False)
class Look:
    """One of the pictures.

    Attributes:
        name: `middle`, `upper right`, `lower left` and `corner` are neurons; `channel`, `negative`.
        objective: What it was made for.
        cell: Row and column of the neuron; `None` for a channel.
        box: What that neuron sees of the picture.
        map: The unit's cells on this picture, (h, w).
        values: Each objective's value on it, by the pictures' names.
    """

    name: str
    objective: Objective
    cell: tuple[int, int] | None
    box: Box | None
    map: np.ndarray
    values: dict[str, float]

    @property
    def title(self) -> str:
        """What the picture is of, in a few words."""
        if self.cell is not None:
            return f"neuron, {self.name}"
        return "channel" if self.name == "channel" else "negative of the channel"


@dataclass(frozen=True, eq=False)
class Comparison(Study):
    """What `compare` found of one unit.

    Attributes:
        model: The network's name.
        layer: The unit's layer.
        unit: Its channel.
        looks: The pictures, with all that belongs to each.
        moved: What the middle neuron's picture, moved there, gives the other neurons, by name.
        stride: How many pixels the fields of neighbouring cells are apart, down and across.
        field: Height and width of what a cell sees; `None` where it is more than the picture.
        picture: The pictures as `render` gave them, in the same order.
        findings: What follows from the numbers, a sentence each.
        of_tokens: Whether the cells are tokens, of which `field` and `box` say nothing.
    """

    model: str
    layer: str
    unit: int
    looks: tuple[Look, ...]
    moved: dict[str, float]
    stride: tuple[int, int]
    field: tuple[int, int] | None
    picture: Picture
    findings: tuple[str, ...] = ()
    of_tokens: bool = False

    def __repr__(self) -> str:
        names = ", ".join(look.name for look in self.looks)
        return f"<{self.layer}:{self.unit} of {self.model} compared: {names}>"

    def __getitem__(self, name: str) -> Look:
        """Return one of the pictures.

        Raises:
            KeyError: there is none of that name.
        """
        for look in self.looks:
            if look.name == name:
                return look
        known = ", ".join(look.name for look in self.looks)
        raise KeyError(f"there is no picture {shown(name)}; there are {known}")

    def __contains__(self, name: object) -> bool:
        return any(look.name == name for look in self.looks)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the pictures: that the corner is one is what they are for."""
        return tuple(said for said in self.picture.warnings if "lies at the border" not in said)

    @property
    def strongest(self) -> float:
        """The largest value of the unit's cells on any of the pictures."""
        return max(float(look.map.max()) for look in self.looks)

    def active(self, name: str) -> int:
        """Return how many cells are active on a picture."""
        if self.strongest <= 0:
            return 0
        return int((self[name].map >= ACTIVE * self.strongest).sum())

    def table(self) -> list[list[str]]:
        """Return the values as text: a row for each picture, a column for each objective."""
        head = ["picture", *(look.name for look in self.looks)]
        rows = [
            [look.name, *(number(look.values[other.name]) for other in self.looks)]
            for look in self.looks
        ]
        return [head, *rows]

    def to_json(self) -> dict[str, Any]:
        """Return all numbers and sentences as plain data."""
        recipe = self.picture.recipe
        height, width = self.looks[0].map.shape
        return {
            "model": self.model,
            "layer": self.layer,
            "unit": self.unit,
            "size": list(recipe.size),
            "steps": recipe.steps,
            "seed": recipe.seed,
            "cells": [height, width],
            "stride": list(self.stride),
            "field": None if self.field is None else list(self.field),
            "pictures": [
                {
                    "name": look.name,
                    "objective": str(look.objective),
                    "cell": None if look.cell is None else list(look.cell),
                    "sees": None
                    if look.box is None
                    else [look.box.top, look.box.left, look.box.bottom, look.box.right],
                    "values": look.values,
                    "active_cells": self.active(look.name),
                }
                for look in self.looks
            ],
            "middle_moved": self.moved,
            "findings": list(self.findings),
        }

    def figure(self) -> Image.Image:
        """Return pictures, maps, table and sentences on one page."""
        recipe = self.picture.recipe
        page = Page(width_of(max(len(self.looks), 4), _WIDTH))
        height, width = self.looks[0].map.shape
        page.heading(
            f"{self.layer}:{self.unit} of {file_name(self.model)}",
            f"neuron, channel and negative: {recipe.steps} steps each from the same start; below "
            f"each picture its {height}×{width} cells, from dark (0) to light",
        )
        page.row([self._shown(index) for index in range(len(self.looks))])
        page.table(
            ["value of the picture of …", *(_column(look) for look in self.looks)],
            [(look.title, self._entries(look)) for look in self.looks],
        )
        page.text(
            "Rows are pictures, shown as they are; columns are objectives: a neuron's cell, the "
            "channel's mean, minus the mean before the activation. Framed: the picture that was "
            "made for it; the darker, the nearer to the column's largest.",
            dim=True,
        )
        for index, finding in enumerate(self.findings):
            page.text(finding, space=14 if index == 0 else 8)
        return page.image()

    def _shown(self, index: int) -> Shown:
        look = self.looks[index]
        image = image_of(self.picture[index].seen()[0])
        high = round(_WIDTH * image.height / image.width)
        image = image.resize((_WIDTH, high), Image.Resampling.LANCZOS)
        where = "" if look.cell is None else f"row {look.cell[0]}, column {look.cell[1]}"
        before = self.layer if look.name != "negative" else "before the activation"
        lines = (where or before, f"value {number(look.values[look.name])}")
        return Shown(image, look.title, lines, self._map(look))

    def _map(self, look: Look) -> Image.Image:
        """A unit's cells as colours, the same for all pictures; the neuron's own has a frame."""
        height, width = look.map.shape
        share = np.clip(look.map / max(self.strongest, 1e-30), 0, 1)
        colours = sequential()[np.rint(share * 255).astype(int)]
        each = max(_MAP // height, 1)
        # Cells are as wide as they are high, unless there are too many.
        drawn = Image.fromarray(colours.astype(np.uint8)).resize(
            (width * each, height * each), Image.Resampling.NEAREST
        )
        if look.cell is not None:
            y, x = look.cell
            draw = ImageDraw.Draw(drawn)
            box = (x * each, y * each, (x + 1) * each - 1, (y + 1) * each - 1)
            outer = (box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1)
            draw.rectangle(outer, outline=_FRAME)
            draw.rectangle(box, outline=_MARK)
        return drawn

    def _entries(self, look: Look) -> list[Entry]:
        entries = []
        for other in self.looks:
            column = [each.values[other.name] for each in self.looks]
            largest = max(column)
            value = look.values[other.name]
            share = value / largest if largest > 0 else 0.0
            entries.append(Entry(number(value), share, strong=other is look))
        return entries


def _column(look: Look) -> str:
    return {"channel": "channel (mean)", "negative": "negative"}.get(look.name, f"{look.name} cell")
