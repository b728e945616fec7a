"""Where an objective felt a picture, as a small file that is its opacity."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..pictures.importance import with_opacity

SUFFIX = "-importance.webp"
"""How the file's name ends, beside the picture's."""

_SIDE = 112
_PERCENTILE = 80.0


def opacity_file(images: np.ndarray, importance: np.ndarray | None) -> bytes | None:
    """Return a WebP file whose opacity is the importance of a picture (see `Picture.save`).

    Gradients are rough from pixel to pixel, and half as many say as much.

    Args:
        images: The pictures (N, H, W, C), of which the first counts.
        importance: (N, H, W) in [0, 1].

    Returns:
        Black, at most 112 pixels a side, as opaque as the picture is important; `None` where the
        importance is not known, or is zero everywhere.
    """
    if importance is None or not importance[:1].any():
        return None
    opaque = with_opacity(images[:1], importance[:1], _PERCENTILE)[0, ..., -1]
    alpha = Image.fromarray(np.rint(opaque * 255).astype(np.uint8))
    height, width = opaque.shape
    factor = max(round(max(height, width) / _SIDE), 1)
    if factor > 1:
        alpha = alpha.reduce(factor)
    black = Image.new("L", alpha.size, 0)
    buffer = io.BytesIO()
    Image.merge("RGBA", (black, black, black, alpha)).save(
        buffer, "WEBP", quality=50, alpha_quality=60, method=4
    )
    return buffer.getvalue()
