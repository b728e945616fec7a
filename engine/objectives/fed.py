"""Objectives whose numbers the graph is fed: all pictures of a batch share one graph.

Hundreds of directions, a cell of a photograph each, would else be as many graphs, which take longer
to build than to climb.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..plain import flag, listed, numbers, whole
from .algebra import OBJECTIVES, Leaf, Objective, layer_named
from .directions import checked_power, floored_power
from .places import Place, Placed, mean_over
from .preactivation import without_activation
from .seen import Seen
from .sums import lengths_of

if TYPE_CHECKING:
    from ..network.model import Model

_LEAST_LENGTH = 1e-12
"""What a direction is divided by at least: one that is zero stays so."""

_NAMED = 4


class Fed(Leaf):
    """A leaf that differs from picture to picture in numbers alone.

    An ascent that climbs it and nothing else feeds these numbers. Wherever it is a part of another
    objective, or is differentiated for its own sake, they are constants of the graph.
    """

    @property
    @abstractmethod
    def count(self) -> int:
        """The number of pictures that it is for; with 1, for any number of them."""

    @property
    @abstractmethod
    def rows(self) -> Mapping[str, np.ndarray]:
        """The numbers by name, each an array (count, …) of float32."""

    @abstractmethod
    def unfed(self) -> Objective:
        """Return the same without these numbers: all that the graph depends on."""

    @abstractmethod
    def joined(self, others: Sequence[Fed]) -> Fed:
        """Return the objective for these pictures and those of others, which share the graph."""

    def check_numbers(self, model: Model) -> None:
        """See that a model has what the numbers mean, which the graph does not see.

        Raises:
            LayerError: it has not.
        """


def directions(
    layer: str, vectors: npt.ArrayLike, *, cosine: float = 0.0, **place: Unpack[Place]
) -> Objective:
    """Look along a direction of its own for each picture of a batch.

    Picture n is what `direction(layer, vectors[n], …)` is for; all of them share one graph.

    Args:
        layer: Layer name.
        vectors: (N, C): a direction for each of N pictures, one number for each channel.
        cosine: See `direction`.
        place: Where to look, as for `direction`.

    Raises:
        OnnxscopeError: an argument is of another kind or shape.
    """
    return Directions(layer, numbers("directions", vectors, "(N, C)"), cosine, **place)  # type: ignore[arg-type]  # a mask becomes an array there


def each_unit(
    layer: str,
    units: Sequence[int],
    *,
    least: bool = False,
    **place: Unpack[Place],
) -> Objective:
    """Look for a unit of its own with each picture of a batch.

    Picture n is what `channel(layer, units[n])` is for, or with a place the mean over the cells
    there; all of them share one graph, which computes the whole layer. Of hundreds of small
    pictures with few steps that is several times as fast as a graph for each.

    Args:
        layer: Layer name.
        units: Numbers of channels, one for each of N pictures; of one number all pictures are.
        least: Whether to look for what the units like least: minus their values before the
            layer's activation function.
        place: Where to look, as for `direction`.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    return EachUnit(layer, units, least, **place)  # type: ignore[arg-type]  # numbers and a mask are brought into form there


@OBJECTIVES.add("each_unit")
@dataclass(frozen=True, eq=False)
class EachUnit(Placed, Fed):
    """For picture n the mean of its unit's cells (see `each_unit`)."""

    layer: str
    units: tuple[int, ...]
    least: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        layer_named(self.layer)
        given = listed("units", self.units, "numbers of channels, such as [8, 9]", TargetError)
        units = tuple(whole("each of units", unit, 0) for unit in given)
        if not units:
            raise TargetError("units are the numbers of channels, at least one, such as [8, 9]")
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "least", flag("least", self.least))

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    @property
    def count(self) -> int:
        """The number of units."""
        return len(self.units)

    @property
    def rows(self) -> Mapping[str, np.ndarray]:
        """The units' numbers (N, 1)."""
        return {"units": np.array(self.units, np.float32)[:, None]}

    def unfed(self) -> Objective:
        """Return the objective for the first unit of the layer."""
        return replace(self, units=(0,))

    def joined(self, others: Sequence[Fed]) -> EachUnit:
        """Return the objective for these units and those of others."""
        more = [other.units for other in others if isinstance(other, EachUnit)]
        return replace(self, units=sum(more, self.units))

    def check_numbers(self, model: Model) -> None:
        """See that the layer has the units.

        Raises:
            LayerError: it has not.
        """
        model.layers[self.layer].check_channel(max(self.units))

    def part(self, start: int, stop: int) -> Objective:
        """Return the objective for the units of these pictures."""
        return self if self.count == 1 else replace(self, units=self.units[start:stop])

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W), tokens (N, C, L) or (N, C).

        Raises:
            TargetError: there are neither as many units as pictures nor one.
            LayerError: the layer does not have them.
        """
        given = seen.fed
        looked = seen.changed(without_activation) if self.least else seen
        cells, weights = self.cells(looked, self.layer)
        count, channels = cells.shape[:2]
        if self.count not in (1, count) and not given:
            raise TargetError(f"{self.count} units are for as many pictures, not for {count}")
        if max(self.units) >= channels:
            raise LayerError(
                f"{self.layer} has {channels} channels, 0 to {channels - 1}; there is no channel "
                f"{max(self.units)}"
            )
        numbers = given.get("units") or cells.builder.constant(
            self.rows["units"], np.dtype(np.float32)
        )
        every = cells.builder.constant(np.arange(channels, dtype=np.float32)[None])
        chosen = cells.op.Equal(numbers, every).astype(cells.dtype).reshape(-1, 1, channels)
        # Products with ones and zeros: the unit's values, to the last bit.
        own = (chosen @ cells.reshape(count, channels, -1)).reshape(count, *cells.shape[2:])
        value = mean_over(own, weights)
        return -value if self.least else value

    def __str__(self) -> str:
        names = ", ".join(map(str, self.units[:_NAMED]))
        more = ", …" if self.count > _NAMED else ""
        sign = "-" if self.least else ""
        before = " before activation" if self.least else ""
        return self.at_place(f"{sign}{self.layer}:{names}{more}{before}")


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
