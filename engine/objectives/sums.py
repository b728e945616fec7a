"""Sums over each picture's own numbers: to the last bit the same, however many pictures there are.

ONNX Runtime's sums over a last axis are; over an axis between others it adds up in another order
where there are several pictures (and moves that axis back there if it is transposed). Products with
a matrix for each picture are as well, but in half precision where the network is.
"""

from __future__ import annotations

import numpy as np

from ..errors import LayerError
from ..graph.tensor import Tensor

TINY = 1e-8
"""Added under roots, which have no derivative at 0, and to what is divided by."""


_SCALE = 64.0
"""What cells are divided by before they are squared: a power of two, which rounds nothing."""


def summed(numbers: Tensor) -> Tensor:
    """Append the sum of each picture's numbers (N, n), (N,)."""
    return numbers.sum(1)


def length(numbers: Tensor) -> Tensor:
    """Append the length of each picture's numbers (N, n), (N,)."""
    return (summed(numbers**2) + TINY).sqrt()


def over_channels(cells: Tensor, weights: np.ndarray) -> Tensor:
    """Append the weighted sum over channels of cells (N, C, …), (N, …)."""
    count, channels = cells.shape[:2]
    # What may be half precision is no longer than a cell.
    size = max(float(np.linalg.norm(weights.astype(np.float64))), 1e-12)
    row = cells.builder.constant(weights.reshape(1, channels) / size, cells.dtype)
    product = row @ cells.reshape(count, channels, -1)
    return product.reshape(count, *cells.shape[2:]) * size


def lengths_of(cells: Tensor) -> Tensor:
    """Append the length of each cell of (N, C, …) over its channels, (N, …), at least 6 · 10⁻⁴."""
    scaled = cells * (1 / _SCALE)
    squares = over_channels(scaled**2, np.ones(cells.shape[1]))
    floor = squares.builder.constant(TINY**1.25, squares.dtype)
    return squares.op.Max(squares, floor).sqrt() * _SCALE


def gram(layer: Tensor, name: str) -> Tensor:
    """Append the sum over cells of the products of channels, as (N, C · C).

    Args:
        layer: (N, C, H, W) or tokens (N, C, L).
        name: The layer's, for messages.

    Raises:
        LayerError: the layer has no cells.
    """
    if layer.rank not in (3, 4, 5):
        raise LayerError(
            f"{name} has the shape {layer.shape}; a Gram matrix is over cells (N, C, H, W) or "
            "tokens (N, C, L)"
        )
    count, channels = layer.shape[:2]
    flat = layer.reshape(count, channels, -1)
    return (flat @ flat.transpose(0, 2, 1)).reshape(count, channels * channels)
