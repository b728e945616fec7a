"""Which units of a layer are alike: pictures of one excite the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def alike(means: Mapping[int, Sequence[float] | np.ndarray], most: int = 6) -> dict[int, list[int]]:
    """Return for each unit the others that its picture excites most, the strongest first.

    What a unit answers to a picture is measured by what it answers to its own. Of units that it
    excites alike, that of the smaller number comes first.

    Args:
        means: By unit, how much its channel's picture excites each unit of the layer.
        most: How many.
    """
    own = {unit: means[unit][unit] for unit in sorted(means)}
    found = {}
    for unit, values in means.items():
        shares = {
            other: values[other] / best
            for other, best in own.items()
            if other != unit and best > 0 and values[other] > 0
        }
        found[unit] = sorted(shares, key=lambda other: -shares[other])[:most]
    return found


def order(means: Mapping[int, Sequence[float] | np.ndarray]) -> list[int]:
    """Return units so that those which are alike stand beside each other.

    They stand by the second eigenvector of the normalised graph of their likeness (the Fiedler
    vector: Fiedler 1973; Shi & Malik 2000), the order of least sum of squared steps between units
    that are alike.

    Args:
        means: As `alike` takes them.
    """
    units = sorted(means)
    if len(units) < 3:
        return units
    table = np.array([[means[unit][other] for other in units] for unit in units], np.float64)
    centred = table / np.maximum(np.abs(np.diag(table)), 1e-12)[None]
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = centred / np.maximum(length, 1e-12)
    likeness = np.clip(directions @ directions.T, 0, None) ** 2
    degree = 1 / np.sqrt(np.maximum(likeness.sum(1), 1e-12))
    _, vectors = np.linalg.eigh(degree[:, None] * likeness * degree[None])
    along = vectors[:, -2] * degree
    # A vector's sign is chance; the first unit's side comes first.
    along = along if along[0] <= 0 else -along
    return [units[at] for at in np.argsort(along, kind="stable")]
