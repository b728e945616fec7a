"""Series of transforms that have proved themselves."""

from __future__ import annotations

from .geometric import jitter, pad, rotate, scale
from .warp import Geometric


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


def distill() -> tuple[Geometric, ...]:
    """Give those of *Feature Visualization*: pad 16, jitter 16, scale, rotate ±5°, jitter 8."""
    return (
        pad(16),
        jitter(16),
        scale([0.95, 0.975, 1.0, 1.025, 1.05]),
        rotate(range(-5, 6)),
        jitter(8),
    )
