"""How pictures of any form are looked at: grey, in colours, side by side, slice by slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..forms import Form, channels_in_words
from ..plain import listed, whole
from .tiles import image_of, joined

if TYPE_CHECKING:
    from PIL import Image

_MOST_TILES = 36
"""More tiles of one picture are too small to be looked at: then some are shown, evenly apart."""


_SQUARE, _SHADES = 8, (0.62, 0.76)
"""The side of a square of a checkerboard, in pixels, and how light they are: next to no subject."""


def checked_show(show: Sequence[int] | None, form: Form) -> tuple[int, ...] | None:
    """Return which channels are shown.

    Args:
        show: One channel, from 0, for grey, or three for red, green and blue; `None` for what a
            form's pictures are shown as.
        form: Of the pictures.

    Raises:
        InputError: they are no channels of it, or too many.
    """
    if show is None:
        return None
    given = listed("show", show, "channels such as (3, 2, 1)")
    channels = tuple(whole("each channel of show", channel, 0) for channel in given)
    if len(channels) not in (1, 3):
        raise InputError(
            f"show takes one channel, for grey, or three, for red, green and blue, not "
            f"{len(channels)}"
        )
    for channel in channels:
        if channel >= form.channels:
            raise InputError(f"show names channel {channel}; {channels_in_words(form.channels)}")
    return channels


def is_held_by_png(form: Form, show: Sequence[int] | None) -> bool:
    """Return whether a PNG holds all that such pictures are, as it does RGB."""
    if form.stack is not None or show is not None:
        return False
    if form.opacity:
        return True
    return form.channels == 1 or (form.channels == 3 and form.colors is not None)


def seen(images: np.ndarray, form: Form, show: Sequence[int] | None = None) -> np.ndarray:
    """Return pictures as they are looked at.

    Transparent pictures lie on a checkerboard. Channels that are no colours stand side by side, in
    grey; slices and frames as well, in rows from left to right, each channel's below the last
    one's.

    Args:
        images: As `Form.as_arrays` has them, in [0, 1].
        form: Of the pictures.
        show: Which channels are shown (see `checked_show`).

    Returns:
        (N, h, w, 3) for RGB, (N, h, w, 1) where all of it is grey.
    """
    if form.is_rgb and show is None:
        return images
    if form.opacity and show is None:
        return on_checkerboard(images)
    groups = _groups(form, show)
    if form.stack is None:
        tiles = [images[..., list(group)] for group in groups]
        return _tiled(tiles, math.ceil(math.sqrt(len(tiles))))
    depth = images.shape[1]
    shown = _evenly(depth, max(1, _MOST_TILES // len(groups)))
    tiles = [images[:, at][..., list(group)] for group in groups for at in shown]
    columns = math.ceil(math.sqrt(len(shown))) if len(groups) == 1 else len(shown)
    return _tiled(tiles, columns)


def on_checkerboard(images: np.ndarray) -> np.ndarray:
    """Return transparent pictures in front of grey squares, so that it is seen where they are.

    Args:
        images: (N, H, W, 4), of grey ones (N, H, W, 2), in [0, 1].

    Returns:
        (N, H, W, 3), of grey ones (N, H, W, 1).
    """
    height, width = images.shape[1:3]
    rows, columns = np.arange(height) // _SQUARE, np.arange(width) // _SQUARE
    squares = np.where((rows[:, None] + columns) % 2, *_SHADES).astype(np.float32)[..., None]
    colors, opacity = images[..., :-1], images[..., -1:]
    there: np.ndarray = squares + opacity * (colors - squares)
    return there


def opaque(image: Image.Image) -> Image.Image:
    """Return an image of Pillow's in RGB, a transparent one in front of the same squares."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    array = np.asarray(image.convert("RGBA"), np.float32) / 255
    return image_of(on_checkerboard(array[None])[0])


def frames(images: np.ndarray, form: Form, show: Sequence[int] | None = None) -> list[np.ndarray]:
    """Return each slice or frame of pictures as it is looked at, in order.

    Returns:
        Of each, (N, h, w, 3) for RGB, (N, h, w, 1) where all of it is grey.
    """
    groups = _groups(form, show)
    found = []
    for at in range(images.shape[1]):
        tiles = [images[:, at][..., list(group)] for group in groups]
        found.append(_tiled(tiles, math.ceil(math.sqrt(len(tiles)))))
    return found


def _groups(form: Form, show: Sequence[int] | None) -> list[tuple[int, ...]]:
    """Channels that are one tile: three colours, or one in grey."""
    if show is not None:
        return [tuple(show)]
    if form.colors is not None:
        others = [(c,) for c in range(form.channels) if c not in form.colors]
        return [form.colors, *others]
    return [(channel,) for channel in _evenly(form.channels, _MOST_TILES)]


def _evenly(count: int, most: int) -> list[int]:
    """At most so many of the numbers below `count`, evenly apart, the first and last among them."""
    if count <= most:
        return list(range(count))
    return [round(at) for at in np.linspace(0, count - 1, most)]


def _tiled(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles (N, h, w, 1 or 3) in rows, all of them in colour where one is."""
    if len(tiles) == 1:
        return tiles[0]
    colored = any(tile.shape[-1] == 3 for tile in tiles)
    even = [np.repeat(t, 3, axis=-1) if colored and t.shape[-1] == 1 else t for t in tiles]
    rows = [even[start : start + columns] for start in range(0, len(even), columns)]
    return np.stack(
        [joined([[tile[n] for tile in row] for row in rows], gap=1) for n in range(len(tiles[0]))]
    )
