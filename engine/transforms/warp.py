"""Random transforms between picture and network: robustness against them is what rules out noise.

All geometric ones become a single affine warp with one bilinear resampling, which blurs less and
costs less than a resampling each. Randomness is data: the warp's matrices are drawn by the caller's
generator and fed to the graph, so that the same seed gives the same picture on any provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError
from ..graph.tensor import Tensor
from ..plain import real, reals, whole


@dataclass(frozen=True)
class Geometric:
    """One step of a warp (see `pad`, `jitter`, `scale`, `rotate`).

    Attributes:
        kind: Which one.
        values: Pixels for pad and jitter; the choices for scale (factors) and rotate (degrees).
        color: What pad surrounds the picture with.
    """

    kind: str
    values: tuple[float, ...]
    color: float = 0.5

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        data: dict[str, Any] = {self.kind: list(self.values)}
        return data | {"color": self.color} if self.kind == "pad" else data

    def back(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Random matrices (count, 3, 3) from a pixel behind the step to the one before it.

        Coordinates are pixels (x, y, 1) from the centre.
        """
        matrices = np.tile(np.eye(3), (count, 1, 1))
        if self.kind == "jitter":
            # A window of `size − pixels` anywhere in the picture, as Lucid crops it.
            pixels = int(self.values[0])
            matrices[:, :2, 2] = rng.integers(0, pixels, (count, 2), endpoint=True) - pixels / 2
        elif self.kind == "scale":
            factor = rng.choice(np.array(self.values), count)
            matrices[:, 0, 0] = matrices[:, 1, 1] = 1 / factor
        elif self.kind == "rotate":
            angle = np.deg2rad(rng.choice(np.array(self.values), count))
            matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angle)
            matrices[:, 0, 1], matrices[:, 1, 0] = np.sin(angle), -np.sin(angle)
        return matrices


def pad(pixels: int, color: float = 0.5) -> Geometric:
    """Surround the picture with `pixels` of a constant, grey by default.

    The network always sees as many pixels as the picture has, so padding is the room that jitter
    takes its window from, and the colour is what a shrunk or rotated picture leaves around it.
    """
    pixels, color = whole("the pixels of pad", pixels, 0), real("the color of pad", color)
    if not 0 <= color <= 1:
        raise InputError(f"the color of pad must be in [0, 1], not {color:g}")
    return Geometric("pad", (float(pixels),), color)


def jitter(pixels: int) -> Geometric:
    """Take a window that is `pixels` smaller, at random."""
    return Geometric("jitter", (float(whole("the pixels of jitter", pixels, 0)),))


def scale(factors: Sequence[float]) -> Geometric:
    """Magnify by one of `factors`, at random."""
    values = reals("scale", factors, "[0.9, 1, 1.1]")
    if min(values) <= 0:
        raise InputError(f"scale takes positive factors, not {min(values):g}")
    return Geometric("scale", values)


def rotate(degrees: Sequence[float]) -> Geometric:
    """Rotate around the middle by one of `degrees`, counter-clockwise, at random."""
    return Geometric("rotate", reals("rotate", degrees, "[-5, 0, 5]"))


def lucid() -> tuple[Geometric, ...]:
    """Lucid's `standard_transforms`: pad 12, jitter 8, scale 0.9–1.1, rotate ±10°, jitter 4."""
    return (
        pad(12),
        jitter(8),
        scale([1 + (i - 5) / 50 for i in range(11)]),
        # Five more zeros: the upright picture is the most likely one.
        rotate([*range(-10, 11), 0, 0, 0, 0, 0]),
        jitter(4),
    )


def distill() -> tuple[Geometric, ...]:
    """The transforms of *Feature Visualization*: pad 16, jitter 16, scale, rotate ±5°, jitter 8."""
    return (
        pad(16),
        jitter(16),
        scale([0.95, 0.975, 1.0, 1.025, 1.05]),
        rotate(range(-5, 6)),
        jitter(8),
    )


@dataclass(frozen=True)
class Warp:
    """Geometric transforms as one affine map and one bilinear resampling.

    Attributes:
        steps: From the picture to the network.
    """

    steps: tuple[Geometric, ...] = field(default_factory=lucid)

    def __post_init__(self) -> None:
        room = 2 * sum(step.values[0] for step in self.steps if step.kind == "pad")
        taken = sum(step.values[0] for step in self.steps if step.kind == "jitter")
        if taken > room:
            raise InputError(
                f"jitter takes {taken:g} pixels from a picture padded by {room:g} in all; "
                f"pad({int(np.ceil(taken / 2))}) keeps its size"
            )
        if len({step.color for step in self.steps if step.kind == "pad"}) > 1:
            raise InputError("all pads of one warp have the same color")

    @property
    def color(self) -> float:
        """What lies around the picture."""
        return next((step.color for step in self.steps if step.kind == "pad"), 0.5)

    def draw(
        self, rng: np.random.Generator, count: int, height: int, width: int
    ) -> dict[str, np.ndarray]:
        """`matrix`: (N, 3, 2), from the window's normalised coordinates to the picture's."""
        back = np.tile(np.eye(3), (count, 1, 1))
        for step in self.steps:
            # The last step is the first one back: from the network's window to the picture.
            back = back @ step.back(rng, count)
        pixels = np.diag([width / 2, height / 2, 1.0])
        normalized = np.linalg.inv(pixels) @ back @ pixels
        return {"matrix": normalized[:, :2].transpose(0, 2, 1).astype(np.float32)}

    def apply(self, image: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Pictures (N, 3, H, W) as seen through the window, of the same size."""
        batch, _, height, width = image.shape
        columns = (np.arange(width) * 2 + 1) / width - 1
        rows = (np.arange(height) * 2 + 1) / height - 1
        x, y = np.meshgrid(columns, rows)
        window = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
        grid = image.builder.constant(window, np.float32) @ data["matrix"]
        grid = grid.reshape(batch, height, width, 2)
        # Zeros outside are this colour, and the picture's edge blends into it.
        return image.op.GridSample(image - self.color, grid) + self.color

    def to_json(self) -> list[dict[str, Any]]:
        """As plain data."""
        return [step.to_json() for step in self.steps]


def geometric(entry: Mapping[str, Any]) -> Geometric:
    """Read back one step of a warp."""
    match entry:
        case {"pad": [pixels], **others} if others.keys() <= {"color"}:
            return pad(_pixels(pixels), **others)
        case {"jitter": [pixels], **others} if not others:
            return jitter(_pixels(pixels))
        case {"scale": list(factors), **others} if not others:
            return scale(factors)
        case {"rotate": list(degrees), **others} if not others:
            return rotate(degrees)
    raise InputError("expected one of pad, jitter, scale and rotate with a list of its numbers")


def _pixels(value: Any) -> Any:
    """Recipes write pixels as `12.0`."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
