"""Small pictures for the browser: of an ascent on its way, and of what is kept."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..images import opened
from ..pictures.tiles import as_image

THUMBNAIL = 96
_QUALITY = 80


def address(images: np.ndarray, side: int) -> str:
    """Return pictures as an address that holds them.

    Args:
        images: (N, H, W, 3) float in [0, 1]; (N, H, W, 1) of grey ones.
        side: Pixels at most.
    """
    encoded = webp(as_image(images), side)
    return "data:image/webp;base64," + base64.b64encode(encoded).decode()


def webp(image: Image.Image, side: int) -> bytes:
    """Return a picture as a WebP file.

    Args:
        image: The picture.
        side: Pixels at most; a larger one is scaled.
    """
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=_QUALITY, method=0)
    return buffer.getvalue()


def thumbnail(path: Path) -> bytes:
    """Return a kept picture, small.

    Raises:
        InputError: it is not there, or damaged.
    """
    with opened(path) as image:
        return webp(image, THUMBNAIL)
