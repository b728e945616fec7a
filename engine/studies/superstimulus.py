"""Is a picture more to a unit than any photograph? Both are seen in the same views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..images import as_batch
from .looking import Look

_MOVED = 0.06
_SCALED = 0.1


def drawn_views(count: int, seed: int) -> np.ndarray:
    """Draw views: parts of a picture, each scaled to the whole.

    Args:
        count: How many; the first is the picture as it is.
        seed: Of the draw.

    Returns:
        (count, 3): how far the middle lies from the picture's, down and across, up to 6 % of the
        sides; and the side of the part, 0.9 to 1.1 of the picture's. What is outside of the
        picture is its mirror image.
    """
    rng = np.random.default_rng(seed)
    moved = rng.uniform(-_MOVED, _MOVED, (count, 2))
    scaled = rng.uniform(1 - _SCALED, 1 + _SCALED, (count, 1))
    views = np.concatenate([moved, scaled], axis=1)
    views[0] = 0, 0, 1
    return views


def seen_in(views: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Return views of a picture.

    Args:
        views: As `drawn_views` gives them, (V, 3).
        picture: (H, W, 3) uint8.

    Returns:
        (V, H, W, 3) uint8.
    """
    height, width = picture.shape[:2]
    edges = [int(np.ceil((_MOVED + _SCALED / 2) * side)) + 1 for side in (height, width)]
    padded = np.pad(picture, [(edge, edge) for edge in edges] + [(0, 0)], mode="reflect")
    image = Image.fromarray(padded)
    seen = []
    for down, across, side in views:
        if (down, across, side) == (0, 0, 1):
            seen.append(picture)
            continue
        top = edges[0] + height * (0.5 + down - side / 2)
        left = edges[1] + width * (0.5 + across - side / 2)
        box = (left, top, left + width * side, top + height * side)
        part = image.resize((width, height), Image.Resampling.BICUBIC, box)
        seen.append(np.asarray(part))
    return np.stack(seen)


def values_in_views(look: Look, views: np.ndarray, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean over views of what pictures are worth to units.

    Args:
        look: What measures the units, which are of one layer.
        views: As `drawn_views` gives them, (V, 3).
        pictures: Each (H, W, 3) uint8.

    Returns:
        (N, U) float64.
    """
    found = [look.measured(as_batch(seen_in(views, one)))[0] for one in pictures]
    # The sum over views is in an order that the number of units has no say in.
    return np.array([np.ascontiguousarray(of.T).mean(axis=1) for of in found], np.float64)


def ratio(picture: float, photos: np.ndarray) -> float | None:
    """Return what a picture is worth over the best photo; `None` where none excites the unit.

    Args:
        picture: Its value.
        photos: Theirs, (N,).
    """
    best = float(photos.max())
    return picture / best if best > 0 else None
