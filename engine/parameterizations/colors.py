"""Colours, decorrelated as those of natural pictures are."""

from __future__ import annotations

import numpy as np

from ..graph.tensor import Tensor

# Lucid's matrix: the square root of the covariance of ImageNet's colours.
COLOR_CORRELATION = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLOR_MEAN = np.array([0.48, 0.46, 0.41])


def valid_rgb(colors: Tensor, decorrelate: bool) -> Tensor:
    """Make colours (N, 3, H, W) of any size RGB in [0, 1]."""
    if decorrelate:
        # A convolution would fill blocks of 16 channels on CPUs.
        matrix = COLOR_CORRELATION / np.linalg.norm(COLOR_CORRELATION, axis=0).max()
        mixed = colors.op.MatMul(
            colors.builder.constant(matrix, colors.dtype), colors.reshape(*colors.sizes[:2], -1)
        )
        colors = mixed.reshape(*colors.sizes)
    return colors.op.Sigmoid(colors)
