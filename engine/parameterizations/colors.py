"""Colours, decorrelated as those of natural pictures are."""

from __future__ import annotations

import numpy as np

from ..forms import RGB, Form, mixing
from ..graph.tensor import Tensor

_LEAST = 1 / 510
"""What black becomes, which no parameters make: half a step of eight bits."""


def colors_of(pictures: np.ndarray, decorrelate: bool, form: Form = RGB) -> np.ndarray:
    """Return the colours that `valid` makes pictures of.

    Args:
        pictures: (N, P, H, W) in [0, 1]; what is next to black or white becomes a bit greyer, by at
            most half a step of eight bits.
        decorrelate: Whether the colours are decorrelated.
        form: Of the pictures.

    Returns:
        (N, P, H, W) float64.
    """
    inner = np.clip(pictures.astype(np.float64), _LEAST, 1 - _LEAST)
    colors: np.ndarray = np.log(inner / (1 - inner))
    if not decorrelate or form.colors is None:
        return colors
    flat: np.ndarray = np.linalg.inv(mixing(form)) @ colors.reshape(len(colors), form.channels, -1)
    return flat.reshape(colors.shape)


def valid(colors: Tensor, decorrelate: bool, form: Form = RGB) -> Tensor:
    """Make colours (N, P, H, W) of any size pictures in [0, 1]."""
    if decorrelate and form.colors is not None:
        # A convolution would fill blocks of 16 channels on CPUs.
        mixed = colors.op.MatMul(
            colors.builder.constant(mixing(form), colors.dtype),
            colors.reshape(colors.sizes[0], form.channels, -1),
        )
        colors = mixed.reshape(*colors.sizes)
    return colors.op.Sigmoid(colors)
