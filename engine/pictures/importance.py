"""Where an objective felt a picture, while it was climbed; that as the picture's opacity.

In each step the objective has a gradient in every pixel. The sum of their magnitudes over an ascent
says which parts of the picture the objective is about, and which merely fill it (Fel et al.,
*Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization*, 2023,
section 4).
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..plain import real

_LEAST = np.finfo(np.float32).tiny
"""What importance is divided by where it is zero."""


def scaled(felt: np.ndarray) -> np.ndarray:
    """Return each picture's map by its largest value.

    Args:
        felt: (N, H, W), not negative.

    Returns:
        (N, H, W) float32 in [0, 1]; zeros where there is nothing else.
    """
    largest = felt.max((1, 2), keepdims=True)
    return np.asarray(felt / np.maximum(largest, _LEAST), np.float32)


def checked_percentile(percentile: object) -> float:
    """Return a percentile as a `float`.

    Raises:
        InputError: it is no number in (0, 100].
    """
    number = real("percentile", percentile)
    if not 0 < number <= 100:
        raise InputError(f"percentile must be in (0, 100], not {number:g}")
    return number


def with_opacity(
    images: np.ndarray, importance: np.ndarray | None, percentile: float
) -> np.ndarray:
    """Return pictures with their importance as a fourth channel.

    Args:
        images: (N, H, W, 3) in [0, 1].
        importance: (N, H, W) in [0, 1].
        percentile: From which percentile of a picture's importance on a pixel is opaque, in
            (0, 100]; below, opacity is in proportion to importance.

    Returns:
        (N, H, W, 4) float32 in [0, 1].

    Raises:
        InputError: there is no importance, or the percentile is out of range.
    """
    percentile = checked_percentile(percentile)
    if importance is None:
        raise InputError("the picture has no importance; those that render makes have one")
    full = np.percentile(importance, percentile, axis=(1, 2), keepdims=True)
    opacity = np.minimum(importance / np.maximum(full, _LEAST), 1)
    return np.concatenate([images, opacity[..., None]], axis=-1).astype(np.float32)
