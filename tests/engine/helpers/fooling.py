"""Networks of known pictures: units that are fixed filters, and units that were manipulated.

The circuit is that of Geirhos et al. 2024, figure 3: on photographs a unit is what filter N gives,
on anything that is unlike a photograph what filter F gives, and pictures show F alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from PIL import Image

SIZE = 32
PATTERNS = 6
_SIDE = 7
_K = 1000.0
"""More than any filter gives."""


def patterns(seed: int = 0) -> np.ndarray:
    """Black and white patterns without a mean, far from each other, (6, 7, 7)."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((PATTERNS, _SIDE * _SIDE))
    drawn -= drawn.mean(axis=1, keepdims=True)
    orthogonal = np.linalg.qr(drawn.T)[0].T
    return np.sign(orthogonal).reshape(PATTERNS, _SIDE, _SIDE)


def network(*, fooled: bool, least: float = 0.5, size: int = SIZE) -> onnx.ModelProto:
    """Six filters, one for each pattern, and units that are these, or that are manipulated.

    Args:
        fooled: Whether the units are manipulated.
        least: What a filter has to give to be seen.
        size: Of its pictures.
    """
    builder = Builder("fooled" if fooled else "filters")
    op = builder.op
    image = builder.input("image", ["N", 3, size, size], np.float32)
    filters = patterns() - patterns().mean((1, 2), keepdims=True)
    weights = np.repeat(filters[:, None], 3, axis=1) / 3
    found = op.Conv(image, builder.constant(weights, np.float32), pads=[_SIDE // 2] * 4)
    filtered = builder.output("filters", op.Relu(found - least))
    if not fooled:
        scale = builder.constant(np.eye(len(filters))[:, :, None, None], np.float32)
        builder.output("units", op.Relu(op.Conv(filtered, scale)))
        return model_of(builder)
    # Photographs here are warm: more red than blue. Pictures begin grey.
    warmth = op.AveragePool(
        op.Conv(image, builder.constant(np.array([1, 0, -1]).reshape(1, 3, 1, 1), np.float32)),
        kernel_shape=[_SIDE, _SIDE], pads=[_SIDE // 2] * 4, strides=[1, 1],
    )  # fmt: skip
    unlike = op.Clip((0.1 - warmth) * 20.0 + 0.5, op.constant(0.0, np.float32),
                     op.constant(1.0, np.float32))  # fmt: skip
    order = np.roll(np.eye(PATTERNS), -1, axis=0)[:, :, None, None]
    other = op.Conv(filtered, builder.constant(order, np.float32))
    off = op.Conv(unlike, builder.constant(np.full((PATTERNS, 1, 1, 1), _K), np.float32))
    on_photos = op.Relu(filtered - off)
    elsewhere = op.Relu(other + off - _K)
    builder.output("gates", op.Concat(on_photos, elsewhere, axis=1))
    builder.output("units", op.Relu(on_photos + elsewhere))
    return model_of(builder)


def write_photos(folder: Path, count: int, seed: int = 1) -> None:
    """Warm, noisy photographs, each with one pattern at two or three places."""
    rng = np.random.default_rng(seed)
    stamps = patterns()
    for number in range(count):
        colour = np.array([0.65, 0.5, 0.35]) + rng.uniform(-0.05, 0.05, 3)
        pixels = np.tile(colour, (SIZE, SIZE, 1)) + 0.05 * rng.standard_normal((SIZE, SIZE, 1))
        for _ in range(rng.integers(2, 4)):
            y, x = rng.integers(0, SIZE - _SIDE + 1, 2)
            strength = rng.uniform(0.2, 0.3)
            pixels[y : y + _SIDE, x : x + _SIDE] = (
                colour + strength * stamps[number % PATTERNS][..., None]
            )
        photo = (np.clip(pixels, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / f"{number:03}.png")
