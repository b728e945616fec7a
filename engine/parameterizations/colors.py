"""Colours, decorrelated as those of natural pictures are."""

from __future__ import annotations

import numpy as np

from ..graph.tensor import Tensor

# Lucid's matrix: the square root of the covariance of ImageNet's colours.
COLOR_CORRELATION = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLOR_MEAN = np.array([0.48, 0.46, 0.41])


_LEAST = 1 / 510
"""What black becomes, which no parameters make: half a step of eight bits."""


def mixing() -> np.ndarray:
    """Return what three decorrelated colours are multiplied by, (3, 3)."""
    matrix: np.ndarray = COLOR_CORRELATION / np.linalg.norm(COLOR_CORRELATION, axis=0).max()
    return matrix


def colors_of(pictures: np.ndarray, decorrelate: bool) -> np.ndarray:
    """Return the colours that `valid_rgb` makes pictures of.

    Args:
        pictures: (N, 3, H, W), RGB in [0, 1]; what is next to black or white becomes a bit greyer,
            by at most half a step of eight bits.
        decorrelate: Whether the colours are decorrelated.

    Returns:
        (N, 3, H, W) float64.
    """
    inner = np.clip(pictures.astype(np.float64), _LEAST, 1 - _LEAST)
    colors: np.ndarray = np.log(inner / (1 - inner))
    if not decorrelate:
        return colors
    flat: np.ndarray = np.linalg.inv(mixing()) @ colors.reshape(*colors.shape[:2], -1)
    return flat.reshape(colors.shape)


def valid_rgb(colors: Tensor, decorrelate: bool) -> Tensor:
    """Make colours (N, 3, H, W) of any size RGB in [0, 1]."""
    if decorrelate:
        # A convolution would fill blocks of 16 channels on CPUs.
        mixed = colors.op.MatMul(
            colors.builder.constant(mixing(), colors.dtype), colors.reshape(*colors.sizes[:2], -1)
        )
        colors = mixed.reshape(*colors.sizes)
    return colors.op.Sigmoid(colors)
