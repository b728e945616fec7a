"""Maps as colours: two colour maps that are even to the eye, and maps laid over photographs."""

from __future__ import annotations

from functools import cache

import numpy as np

# Linear sRGB from XYZ, and the white D65.
_TO_RGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560],
     [0.0556434, -0.2040259, 1.0572252]]
)  # fmt: skip
_WHITE = np.array([0.95047, 1.0, 1.08883])

# CIE LCh: lightness, chroma and hue in degrees, evenly spaced. From nothing to much the lightness
# rises evenly, so that it can be read without colours as well.
_RISING = ((12, 18, 290), (28, 55, 310), (44, 72, 350), (60, 80, 35), (77, 75, 70), (95, 40, 100))
# Both arms fall alike from white in the middle.
_AGAINST = ((30, 62, 285), (48, 52, 275), (66, 34, 262), (82, 17, 255), (97, 0, 250))
_FOR = ((97, 0, 40), (82, 22, 45), (66, 46, 42), (48, 68, 38), (30, 62, 34))


@cache
def sequential() -> np.ndarray:
    """Return 256 colours from dark violet to light yellow, (256, 3) uint8 RGB."""
    return _ramp(_RISING, 256)


@cache
def diverging() -> np.ndarray:
    """Return 255 colours from blue over white to red, (255, 3) uint8 RGB; white is at 127."""
    against, speaking = _ramp(_AGAINST, 128), _ramp(_FOR, 128)
    return np.concatenate([against, speaking[1:]])


def scaled(heat: np.ndarray, *, signed: bool, cut: float = 0.5) -> np.ndarray:
    """Return a map between 0 and 1, or −1 and 1 where it has both signs.

    Args:
        heat: (H, W).
        signed: Whether it has both signs; 0 stays 0 then.
        cut: The percentage of its largest elements that are all alike: few pixels stand far above
            the others in maps of gradients.
    """
    magnitude = np.abs(heat) if signed else np.maximum(heat, 0)
    most = float(np.percentile(magnitude, 100 - cut)) or float(magnitude.max())
    if not np.isfinite(most) or most <= 0:
        return np.zeros_like(heat)
    return np.clip(heat / most, -1.0 if signed else 0.0, 1.0)


def colours(heat: np.ndarray, *, signed: bool) -> np.ndarray:
    """Return a map (H, W) as colours, (H, W, 3) uint8."""
    level = scaled(heat, signed=signed)
    if signed:
        return np.asarray(diverging()[np.rint((level + 1) * 127).astype(int)])
    return np.asarray(sequential()[np.rint(level * 255).astype(int)])


def overlay(photo: np.ndarray, heat: np.ndarray, *, signed: bool) -> np.ndarray:
    """Return a photograph with a map over it, through which it shows where the map is small.

    Args:
        photo: (H, W, 3) uint8.
        heat: (H, W).
        signed: Whether it has both signs.

    Returns:
        (H, W, 3) uint8.
    """
    level = np.abs(scaled(heat, signed=signed))[..., None]
    grey = photo.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    ground = 0.35 * photo + 0.65 * (40 + 0.75 * grey[..., None])
    if signed:
        # Full colour, and only its cover says how much: white in the middle would hide the photo.
        ends = diverging()[np.where(scaled(heat, signed=True) < 0, 40, 214)]
        mixed = ground + (ends - ground) * 0.85 * level**0.8
    else:
        mixed = ground + (colours(heat, signed=False) - ground) * 0.78 * level**0.6
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def _ramp(points: tuple[tuple[float, float, float], ...], count: int) -> np.ndarray:
    """Colours between points in CIE LCh, as sRGB."""
    lightness, chroma, hue = np.array(points, np.float64).T
    radians = np.unwrap(np.deg2rad(hue))
    at, places = np.linspace(0, 1, count), np.linspace(0, 1, len(points))
    a, b = (np.interp(at, places, chroma * turn(radians)) for turn in (np.cos, np.sin))
    return _srgb(np.stack([np.interp(at, places, lightness), a, b], axis=1))


def _srgb(lab: np.ndarray) -> np.ndarray:
    """CIE Lab (N, 3) as sRGB, (N, 3) uint8; what is outside of it is cut off."""
    middle = (lab[:, 0] + 16) / 116
    f = np.stack([middle + lab[:, 1] / 500, middle, middle - lab[:, 2] / 200], axis=1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _WHITE
    linear = np.clip(xyz @ _TO_RGB.T, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(curved * 255), np.uint8)
