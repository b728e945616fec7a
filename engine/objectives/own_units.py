"""To each picture of a batch a unit of its own, in one graph that they all share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..plain import flag, listed, whole
from .algebra import OBJECTIVES, Objective, layer_named
from .fed import Fed
from .places import Place, Placed, mean_over
from .preactivation import without_activation
from .seen import Seen

if TYPE_CHECKING:
    from ..network.model import Model

_NAMED = 4
"""How many of its units an objective names in words."""


def each_unit(
    layer: str,
    units: Sequence[int],
    *,
    least: bool = False,
    **place: Unpack[Place],
) -> Objective:
    """Look for a unit of its own with each picture of a batch.

    Picture n is what `channel(layer, units[n])` is for, or with a place the mean over the cells
    there (Lucid's objectives with `batch=n`); all of them share one graph, which computes the whole
    layer. Of hundreds of small
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
    return EachUnit(layer, _numbers(units), least, **place)


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
        object.__setattr__(self, "units", _numbers(self.units))
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


def _numbers(units: object) -> tuple[int, ...]:
    """Return numbers of channels in form.

    Raises:
        TargetError: they are none.
    """
    given = listed("units", units, "numbers of channels, such as [8, 9]", TargetError)
    numbers = tuple(whole("each of units", unit, 0) for unit in given)
    if not numbers:
        raise TargetError("units are the numbers of channels, at least one, such as [8, 9]")
    return numbers
