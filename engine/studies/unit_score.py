"""The numbers by which a unit's picture can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .paths import PathLayer


@dataclass(frozen=True)
class Score:
    """In how far a unit's picture can be trusted.

    Attributes:
        name: The unit, such as `fire5:11`.
        label: The class that it is the score of; empty of others.
        superstimulus: The picture's value over that of the best photo, both the mean over the same
            views: above 1 the picture is more than any photo. `None` where none excites the unit.
        agreement: How much nearer the picture is to the best photos than to random ones in the
            features of another network: 0.5 is chance, 1 always (see `second_eye.agreement`).
            `None` where there was no other.
        path: In how far the picture travels through the layers as such photos do, from 0 to 1 (see
            `paths.path_similarity`); `None` where such photos are nothing special.
        layers: The same by layer.
        value: What the picture is worth, in views.
        best: What the best photo is worth, in views.
        eye: The other network's name; empty where there was none.
        photos: How many of the best photos and of random ones were compared.
    """

    name: str
    label: str
    superstimulus: float | None
    agreement: float | None
    path: float | None
    layers: tuple[PathLayer, ...]
    value: float
    best: float
    eye: str
    photos: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        layers = [asdict(one) | {"similarity": one.similarity} for one in self.layers]
        return asdict(self) | {"layers": layers, "photos": list(self.photos)}
