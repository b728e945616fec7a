"""To each picture of a batch a direction of its own, in one graph that they all share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
import numpy.typing as npt

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..plain import numbers
from .algebra import OBJECTIVES, Objective, layer_named
from .directions import checked_power, floored_power
from .fed import Fed
from .places import Place, Placed, mean_over
from .seen import Seen
from .sums import lengths_of

_LEAST_LENGTH = 1e-12
"""What a direction is divided by at least: one that is zero stays so."""


def directions(
    layer: str, vectors: npt.ArrayLike, *, cosine: float = 0.0, **place: Unpack[Place]
) -> Objective:
    """Look along a direction of its own for each picture of a batch.

    Picture n is what `direction(layer, vectors[n], …)` is for; all of them share one graph. So are
    the pictures of activation atlases made (Carter et al., *Activation Atlas*, 2019).

    Args:
        layer: Layer name.
        vectors: (N, C): a direction for each of N pictures, one number for each channel.
        cosine: See `direction`.
        place: Where to look, as for `direction`.

    Raises:
        OnnxscopeError: an argument is of another kind or shape.
    """
    return Directions(layer, numbers("directions", vectors, "(N, C)"), cosine, **place)


@OBJECTIVES.add("directions")
@dataclass(frozen=True, eq=False)
class Directions(Placed, Fed):
    """For picture n the mean of vₙ·a times a power of the cosine (see `directions`)."""

    layer: str
    vectors: np.ndarray
    power: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        layer_named(self.layer)
        object.__setattr__(self, "vectors", numbers("directions", self.vectors, "(N, C)"))
        object.__setattr__(self, "power", checked_power(self.power))

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    @property
    def count(self) -> int:
        """The number of directions."""
        return len(self.vectors)

    @property
    def rows(self) -> Mapping[str, np.ndarray]:
        """The directions, of length 1 (N, C), and the lengths that they had (N,)."""
        exact = self.vectors.astype(np.float64)
        sizes = np.linalg.norm(exact, axis=1)
        unit = exact / np.maximum(sizes, _LEAST_LENGTH)[:, None]
        return {"vectors": unit.astype(np.float32), "sizes": sizes.astype(np.float32)}

    def unfed(self) -> Objective:
        """Return the objective for one direction, which is zero."""
        return replace(self, vectors=np.zeros_like(self.vectors[:1]))

    def joined(self, others: Sequence[Fed]) -> Directions:
        """Return the objective for these directions and those of others."""
        more = [other.vectors for other in others if isinstance(other, Directions)]
        return replace(self, vectors=np.concatenate([self.vectors, *more]))

    def part(self, start: int, stop: int) -> Objective:
        """Return the objective for the directions of these pictures."""
        return self if self.count == 1 else replace(self, vectors=self.vectors[start:stop])

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W), tokens (N, C, L) or (N, C).

        Raises:
            TargetError: there are neither as many directions as pictures nor one.
            LayerError: they have another length.
        """
        cells, weights = self.cells(seen, self.layer)
        count, channels = cells.shape[:2]
        if self.count not in (1, count) and not seen.fed:
            raise TargetError(f"{self.count} directions are for as many pictures, not for {count}")
        if self.vectors.shape[1] != channels:
            raise LayerError(
                f"{self.layer} has {channels} channels, and a direction in it as many numbers, not "
                f"{self.vectors.shape[1]}"
            )
        given = seen.fed or {
            name: cells.builder.constant(array, np.dtype(np.float32))
            for name, array in self.rows.items()
        }
        each = (-1, *([1] * (cells.rank - 2)))
        unit = given["vectors"].astype(cells.dtype).reshape(-1, 1, channels)
        # A product with a matrix for each picture: its sums are the same for any number of them.
        along = unit @ cells.reshape(count, channels, -1)
        along = along.reshape(count, *cells.shape[2:])
        if self.power:
            along = along * floored_power(along / lengths_of(cells), self.power)
        sizes = given["sizes"].astype(cells.dtype).reshape(*each)
        return mean_over(along * sizes, weights)

    def __str__(self) -> str:
        power = f" · cos^{self.power:g}" if self.power else ""
        what = f"{self.count} directions" if self.count > 1 else "direction"
        return self.at_place(f"{what} {self.layer}{power}")
