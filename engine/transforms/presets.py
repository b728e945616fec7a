"""Series of transforms that have proved themselves."""

from __future__ import annotations

import math

from ..forms import Form
from .base import Transform
from .geometric import jitter, pad, rotate, scale
from .warp import Geometric

_SIDE = 224
"""The side of the pictures that Lucid's transforms are meant for, in pixels."""


def lucid() -> tuple[Geometric, ...]:
    """Give Lucid's standard ones: pad 12, jitter 8, scale 0.9–1.1, rotate ±10°, jitter 4."""
    return (
        pad(12),
        jitter(8),
        scale([1 + (i - 5) / 50 for i in range(11)]),
        # Five more zeros: the upright picture is the most likely one.
        rotate([*range(-10, 11), 0, 0, 0, 0, 0]),
        jitter(4),
    )


def fitting(form: Form, height: int, width: int) -> tuple[Transform, ...]:
    """Give the standard ones for pictures of a form: Lucid's for RGB.

    For others they are Lucid's by size: as many pixels of the shorter side as they are of 224.
    Pictures are scaled and rotated where rows and columns are directions of space, and slices or
    frames move as well.

    Args:
        form: Of the pictures.
        height: In pixels.
        width: In pixels.
    """
    if form.is_rgb:
        return lucid()
    part = min(height, width) / _SIDE
    first, last = (max(1, round(pixels * part)) for pixels in (8, 4))
    margin = pad(max(round(12 * part), math.ceil((first + last) / 2)))
    _, _, scaled, rotated, _ = lucid()
    turned = (scaled, rotated) if form.turns else ()
    if form.depth == 1:
        return (margin, jitter(first), *turned, jitter(last))
    # Imported here: pictures without slices do without.
    from .slices import jitter_depth

    moved = jitter_depth(max(1, round(form.depth / 16)))
    return (margin, jitter(first), *turned, jitter(last), moved)


def distill() -> tuple[Geometric, ...]:
    """Give those of *Feature Visualization*: pad 16, jitter 16, scale, rotate ±5°, jitter 8."""
    return (
        pad(16),
        jitter(16),
        scale([0.95, 0.975, 1.0, 1.025, 1.05]),
        rotate(range(-5, 6)),
        jitter(8),
    )
