"""Pictures as arrays: (N, H, W, 3) for people, (N, 3, H, W) for networks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .errors import InputError


def as_batch(images: npt.ArrayLike) -> np.ndarray:
    """Make pictures what networks take.

    Args:
        images: (H, W, 3) or (N, H, W, 3), float in [0, 1] or uint8.

    Returns:
        (N, 3, H, W) float32 in [0, 1].

    Raises:
        InputError: another shape, type or range.
    """
    array = np.asarray(images)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape:
        raise InputError(
            f"expected pictures of shape (H, W, 3) or (N, H, W, 3), not {np.shape(images)}"
        )
    if array.dtype == np.uint8:
        array = array.astype(np.float32) / np.float32(255)
    elif np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise InputError(
                f"float pictures have values in [0, 1], not {low:.4g} to {high:.4g}; "
                "give uint8 for 0 to 255"
            )
    else:
        raise InputError(f"expected float in [0, 1] or uint8 pictures, not {array.dtype}")
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2), np.float32)


def as_pictures(batch: np.ndarray) -> np.ndarray:
    """Return (N, 3, H, W) as (N, H, W, 3), contiguous."""
    return np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def as_uint8(images: np.ndarray) -> np.ndarray:
    """Return values in [0, 1] as 0 to 255, rounded."""
    return np.asarray(np.clip(images, 0, 1) * 255 + 0.5, np.uint8)
