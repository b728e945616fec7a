"""From a picture, RGB in [0, 1], to what a network was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from ...graph.tensor import Tensor
from ...plain import shown

_IDENTITY_RANGE = (0.0, 1.0)


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a picture before the network sees it, in this order.

    Attributes:
        input_range: What 0 and 1 become, such as `(0, 255)` or `(-1, 1)`.
        mean: Subtracted then, in the same units: one number or three, in the order of
            `channel_order`.
        std: Divided by then, likewise.
        channel_order: `"rgb"` or `"bgr"`.
        layout: `"NCHW"` or `"NHWC"`.
    """

    input_range: tuple[float, float] = _IDENTITY_RANGE
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channel_order: str = "rgb"
    layout: str = "NCHW"

    def __post_init__(self) -> None:
        if self.channel_order not in ("rgb", "bgr"):
            raise InputError(f"channel_order must be 'rgb' or 'bgr', not {self.channel_order!r}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, 3):
                raise InputError(f"{name} must be one number or three, not {shown(values)}")
        numbers = (*self.input_range, *self.mean, *self.std)
        if not all(math.isfinite(value) for value in numbers):
            raise InputError(f"input_range, mean and std must be finite numbers, not {numbers}")
        if any(value <= 0 for value in self.std):
            raise InputError(f"std must be positive, not {self.std}")
        if self.input_range[0] == self.input_range[1]:
            raise InputError(f"input_range must have two different ends, not {self.input_range}")

    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift of what is in [0, 1], three of each, in the order of `channel_order`."""
        low, high = self.input_range
        std = np.asarray(self.std, np.float64)
        scale = np.broadcast_to((high - low) / std, 3)
        return scale, np.broadcast_to((low - np.asarray(self.mean, np.float64)) / std, 3)

    def apply(self, image: Tensor) -> Tensor:
        """Return the network's input from a symbolic image (N, 3, H, W), RGB in [0, 1]."""
        scale, shift = self.affine()
        if self.channel_order == "bgr":
            image = image.op.Gather(image, image.op.constant([2, 1, 0], np.int64), axis=1)
        if np.any(scale != 1):
            image = image * scale.reshape(1, 3, 1, 1)
        if np.any(shift != 0):
            image = image + shift.reshape(1, 3, 1, 1)
        return image if self.layout == "NCHW" else image.transpose(0, 2, 3, 1)

    def prepare(self, images: np.ndarray) -> np.ndarray:
        """Make the network's input of pictures (N, 3, H, W), RGB in [0, 1], as `apply` does."""
        scale, shift = (numbers.reshape(1, 3, 1, 1) for numbers in self.affine())
        ordered = images[:, ::-1] if self.channel_order == "bgr" else images
        prepared: np.ndarray = ordered * scale + shift
        return prepared if self.layout == "NCHW" else prepared.transpose(0, 2, 3, 1)

    def to_json(self) -> dict[str, Any]:
        """Write it as `onnxscope.load` takes it."""
        return {
            "input_range": list(self.input_range),
            "mean": list(self.mean),
            "std": list(self.std),
            "channel_order": self.channel_order,
            "layout": self.layout,
        }

    def __str__(self) -> str:
        low, high = self.input_range
        words = [f"{self.channel_order.upper()} in [{low:g}, {high:g}]"]
        if any(self.mean):
            words.append("minus " + "/".join(f"{value:g}" for value in self.mean))
        if any(value != 1 for value in self.std):
            words.append("over " + "/".join(f"{value:g}" for value in self.std))
        return ", ".join(words) + f", {self.layout}"
