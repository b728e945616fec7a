"""Pictures side by side, as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..images import as_uint8


def as_image(images: np.ndarray) -> Image.Image:
    """Return pictures in [0, 1] as an image of Pillow's, several in a grid.

    Args:
        images: (N, H, W, 3), or (N, H, W, 1) for grey; with one channel more they are transparent.
    """
    return image_of(tiled(images))


def image_of(image: np.ndarray) -> Image.Image:
    """Return a picture (H, W, C) in [0, 1] as an image of Pillow's.

    Args:
        image: Of 3 channels, or 1 for grey; with one more it is transparent.
    """
    bytes_ = as_uint8(image)
    if bytes_.shape[-1] == 2:
        # Of one value each all viewers make grey.
        bytes_ = bytes_[..., [0, 0, 0, 1]]
    return Image.fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)


def tiled(images: np.ndarray) -> np.ndarray:
    """Return pictures (N, H, W, 3 or 1) as one, in a grid that is about as wide as high."""
    if len(images) == 1:
        single: np.ndarray = images[0]
        return single
    columns = math.ceil(math.sqrt(len(images)))
    rows = [list(images[start : start + columns]) for start in range(0, len(images), columns)]
    return joined(rows)


def joined(rows: Sequence[Sequence[np.ndarray]], gap: int = 2) -> np.ndarray:
    """Return rows of equal pictures on white, with a gap between them.

    The last row may be shorter.
    """
    height, width, channels = rows[0][0].shape
    columns = max(len(row) for row in rows)
    sheet = np.ones(
        (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, channels), np.float32
    )
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = image
    return sheet
