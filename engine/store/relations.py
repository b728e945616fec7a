"""Which units of other layers a unit has most to do with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .earlier import strongest

MOST = 6
"""How many units are named of each layer."""


@dataclass
class Related:
    """The units of other layers that one has most to do with, each with a share.

    Attributes:
        before: The name of the layer before; empty where it is not known.
        earlier: Its units that make the largest shares of this one's value.
        later: By layer those units of whose value this one makes the largest shares.
    """

    before: str = ""
    earlier: list[tuple[int, float]] = field(default_factory=list)
    later: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


def related(
    shares: Mapping[str, Mapping[int, tuple[str, np.ndarray]]],
) -> dict[str, dict[int, Related]]:
    """Return by layer and unit what each has most to do with.

    Args:
        shares: By layer and unit the layer before, and the share that each of its units has in the
            unit's value at its own picture (see `earlier.Earlier`).
    """
    found: dict[str, dict[int, Related]] = {}
    for layer, of_units in shares.items():
        by_source: dict[str, list[int]] = {}
        # Of equal shares the unit of the smaller number comes first, whichever was made first.
        for unit in sorted(of_units):
            before, row = of_units[unit]
            one = found.setdefault(layer, {}).setdefault(unit, Related())
            one.before = before
            one.earlier = largest(row)
            by_source.setdefault(before, []).append(unit)
        for before, units in by_source.items():
            table = np.stack([of_units[unit][1] for unit in units])
            for source in range(table.shape[1]):
                column = table[:, source]
                rows = strongest(column, MOST)
                if rows:
                    one = found.setdefault(before, {}).setdefault(source, Related())
                    one.later[layer] = [(units[row], _short(column[row])) for row in rows]
    return found


def related_to(
    unit: tuple[str, int], shares: Mapping[str, Mapping[int, tuple[str, np.ndarray]]]
) -> Related:
    """Return what one unit has most to do with, as `related` does for all.

    Args:
        unit: The name of its layer, and its number.
        shares: As for `related`.
    """
    layer, number = unit
    found = Related()
    before = shares.get(layer, {}).get(number)
    if before is not None:
        found.before, found.earlier = before[0], largest(before[1])
    for name, of_units in shares.items():
        behind = [other for other in sorted(of_units) if of_units[other][0] == layer]
        column = np.array([of_units[other][1][number] for other in behind], np.float32)
        rows = strongest(column, MOST)
        if rows:
            found.later[name] = [(behind[row], _short(column[row])) for row in rows]
    return found


def largest(shares: Sequence[float] | np.ndarray) -> list[tuple[int, float]]:
    """Return the units of the largest shares above 0, at most 6, each with its share.

    Args:
        shares: One of each unit.
    """
    return [(at, _short(shares[at])) for at in strongest(shares, MOST)]


def _short(value: float) -> float:
    return float(f"{float(value):.3g}")
