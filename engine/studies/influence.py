"""What speaks for what: activations times gradients, from cells, channels and groups to others.

In a network of ReLUs without biases the attributions of one layer add up to the value that they are
attributions of; by how much less they do is what the biases on the way add.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .grids import PhotoLayer
from .pullback import Pullback

_FOR, _AGAINST = 4, 2
"""How many channels that speak for a class, and against it, are shown of a layer."""


def to_cells(
    pullback: Pullback, photo: np.ndarray, target: PhotoLayer, sources: Sequence[PhotoLayer]
) -> dict[str, np.ndarray]:
    """Return how much cells of earlier layers add to the length of what stands at each cell.

    Args:
        pullback: From the target to the sources.
        photo: (3, H, W) float32 in [0, 1].
        target: The layer; its length is that of the mean vector of a pooled cell.
        sources: The earlier layers.

    Returns:
        By the names of the sources, (height, width, height of the source, width of the source).
    """
    vectors = target.vectors
    height, width, _ = vectors.shape
    found = {
        source.layer.name: np.zeros(
            (height, width, source.places.height, source.places.width), np.float32
        )
        for source in sources
    }
    gradients = pullback(photo, _unit_cells(target))
    for at, gradient in enumerate(gradients):
        for source in sources:
            name = source.layer.name
            products = (gradient[name] * source.values).sum(0)
            found[name][at // width, at % width] = source.places.sums(products)
    return found


def _unit_cells(target: PhotoLayer) -> Iterator[np.ndarray]:
    """For each shown cell the weights whose product with the layer is the length there."""
    vectors = target.vectors
    lengths = np.linalg.norm(vectors, axis=2, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    for y, x in np.ndindex(units.shape[:2]):
        one = np.zeros(units.shape[:2], np.float32)
        one[y, x] = 1
        yield units[y, x][:, None, None] * target.places.spread(one)


def to_classes(
    pullback: Pullback, photo: np.ndarray, classes: Sequence[int], count: int, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the gradients of class scores by earlier layers.

    Args:
        pullback: From the scores to the layers.
        photo: (3, H, W) float32 in [0, 1].
        classes: Which.
        count: How many classes the network has.
        names: Of the layers.

    Returns:
        By the layers' names, (classes, C, rows, columns).
    """
    weights = (np.eye(1, count, index, dtype=np.float32)[0] for index in classes)
    every = list(pullback(photo, weights))
    return {name: np.stack([gradient[name] for gradient in every]) for name in names}


def by_place(cells: PhotoLayer, gradients: np.ndarray) -> np.ndarray:
    """Return attributions (targets, height, width) to the cells that are shown.

    Args:
        cells: The layer.
        gradients: (targets, C, rows, columns).
    """
    return cells.places.sums((gradients * cells.values).sum(1))


def by_channel(cells: PhotoLayer, gradients: np.ndarray) -> np.ndarray:
    """Return attributions (targets, C) to the channels of a layer (see `by_place`)."""
    return np.asarray((gradients * cells.values).sum((2, 3)))


def by_unit_place(cells: PhotoLayer, gradient: np.ndarray, unit: int) -> np.ndarray:
    """Return the attributions (height, width) to the cells of one channel.

    Args:
        cells: The layer.
        gradient: (C, rows, columns).
        unit: The channel.
    """
    return cells.places.sums(gradient[unit] * cells.values[unit])


def by_group(
    cells: PhotoLayer, gradients: np.ndarray, maps: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """Return attributions (targets, groups) to groups of neurons.

    Args:
        cells: The layer.
        gradients: (targets, C, rows, columns).
        maps: How much of each group stands at each cell that is shown, (height, width, groups).
        vectors: What each group is made of, (groups, C).
    """
    summed = cells.places.sums(gradients)
    return np.asarray(np.einsum("tchw,hwg,gc->tg", summed, maps, vectors, optimize=True))


def amounts_of(cells: PhotoLayer, maps: np.ndarray, vectors: np.ndarray) -> Iterator[np.ndarray]:
    """Yield for each group the weights whose product with the layer is how much of it there is.

    Args:
        cells: The layer.
        maps: As `by_group` takes them.
        vectors: As `by_group` takes them, of length 1.
    """
    for group, vector in enumerate(vectors):
        weights = maps[..., group] / max(float(np.linalg.norm(maps[..., group])), 1e-12)
        yield vector[:, None, None] * cells.places.spread(weights)


def strongest_units(vector: np.ndarray, count: int) -> list[int]:
    """Return the units of the largest activations (C,) above 0, the strongest first."""
    order = np.argsort(-vector, kind="stable")[:count]
    return [int(unit) for unit in order if vector[unit] > 0]


def telling_units(attributions: np.ndarray) -> list[int]:
    """Return the channels that speak most for a class, and those that do against it.

    Args:
        attributions: (C,).
    """
    order = np.argsort(-attributions, kind="stable")
    speaking = [int(unit) for unit in order[:_FOR] if attributions[unit] > 0]
    against = [int(unit) for unit in order[::-1][:_AGAINST] if attributions[unit] < 0]
    return speaking + against[::-1]
