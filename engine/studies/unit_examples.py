"""The photographs of one unit, and the places in them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..images import read_fitted

Box = tuple[int, int, int, int]
"""The first row, the one behind the last, the first column, the one behind the last."""


@dataclass(frozen=True)
class Place:
    """A photograph, and where in it a unit is at its strongest.

    Attributes:
        path: The file.
        value: What the photograph was ranked by.
        y: Row of the strongest cell in the layer; `None` where values belong to no place.
        x: Its column.
        box: What that cell sees, its exact receptive field, in pixels of the photograph as the
            network saw it: turned right, cut and scaled. See `patch`.
        size: Height and width of that.
    """

    path: str
    value: float
    y: int | None
    x: int | None
    box: Box
    size: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"box": list(self.box), "size": list(self.size)}

    def photo(self) -> np.ndarray:
        """Return the photograph as the network saw it, (H, W, 3) uint8.

        Raises:
            InputError: the file cannot be read any more.
        """
        return read_fitted(self.path, *self.size)

    def patch(self) -> np.ndarray:
        """Return what the cell sees, (h, w, 3) uint8.

        Raises:
            InputError: the file cannot be read any more.
        """
        top, bottom, left, right = self.box
        return self.photo()[top:bottom, left:right]


@dataclass(frozen=True)
class UnitExamples:
    """The photographs of one unit.

    Attributes:
        title: The layer, or the objective in words.
        unit: The unit; `None` of an objective.
        label: The class that the unit is the score of; empty of others.
        most: The photographs with the highest values, highest first.
        least: Those with the lowest, lowest first.
        quantiles: By quantile, highest first, the photograph of the sample that is nearest to it.
        sample: The values of the sample, ascending, (S,) float32.
        count: How many photographs there were.
        mean: Of the values of all.
        std: Likewise, their standard deviation.
        positive: The share of photographs whose value is above 0.
    """

    title: str
    unit: int | None
    label: str
    most: tuple[Place, ...]
    least: tuple[Place, ...]
    quantiles: tuple[tuple[float, Place], ...]
    sample: np.ndarray = field(repr=False)
    count: int
    mean: float
    std: float
    positive: float

    @property
    def name(self) -> str:
        """The unit with its layer, such as `fire5:11`."""
        return self.title if self.unit is None else f"{self.title}:{self.unit}"

    def quantile_of(self, value: float) -> float:
        """Return which share of the sample lies below a value, half of what is equal to it."""
        low, high = (np.searchsorted(self.sample, value, side) for side in ("left", "right"))
        return float((low + high) / 2 / max(len(self.sample), 1))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, without the sample."""
        return {
            "name": self.name,
            "layer": self.title,
            "unit": self.unit,
            "label": self.label,
            "photos": self.count,
            "mean": self.mean,
            "std": self.std,
            "positive": self.positive,
            "most": [place.to_json() for place in self.most],
            "least": [place.to_json() for place in self.least],
            "quantiles": [{"quantile": q} | place.to_json() for q, place in self.quantiles],
        }
