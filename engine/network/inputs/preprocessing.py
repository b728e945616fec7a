"""From a picture, in [0, 1], to what a network was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ...errors import InputError
from ...forms import plane_of, stack_of
from ...graph.tensor import Size, Tensor
from ...plain import shown

Range = tuple[float, float]

_IDENTITY_RANGE: Range = (0.0, 1.0)


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a picture before the network sees it, in this order.

    Attributes:
        input_range: What 0 and 1 become, such as `(0, 255)` or `(-1, 1)`; or such a pair for each
            channel.
        mean: Subtracted then, in the same units: one number, or one for each channel, of three
            colours in the order of `channel_order`.
        std: Divided by then, likewise.
        channel_order: `"rgb"` or `"bgr"`, of three channels.
        layout: Such as `"NCHW"` (see `forms.Form`).
        channels: How many there are.
    """

    input_range: Range | tuple[Range, ...] = _IDENTITY_RANGE
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channel_order: str = "rgb"
    layout: str = "NCHW"
    channels: int = 3

    def __post_init__(self) -> None:
        if self.channel_order not in ("rgb", "bgr"):
            raise InputError(f"channel_order must be 'rgb' or 'bgr', not {self.channel_order!r}")
        if self.channel_order == "bgr" and self.channels != 3:
            raise InputError(
                f"channel_order is for three colours, and there are {self.channels} channels; "
                "colors says which are red, green and blue"
            )
        count = "three" if self.channels == 3 else f"{self.channels}, one for each channel"
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                alone = "one number" if self.channels == 1 else f"one number or {count}"
                raise InputError(f"{name} must be {alone}, not {shown(values)}")
        if len(self.ranges) not in (1, self.channels):
            raise InputError(
                f"input_range must be two numbers, or such a pair for each of {self.channels} "
                f"channels, not {len(self.ranges)} pairs"
            )
        numbers = (*(end for ends in self.ranges for end in ends), *self.mean, *self.std)
        if not all(math.isfinite(value) for value in numbers):
            raise InputError(f"input_range, mean and std must be finite numbers, not {numbers}")
        if any(value <= 0 for value in self.std):
            raise InputError(f"std must be positive, not {self.std}")
        if any(low == high for low, high in self.ranges):
            raise InputError(f"input_range must have two different ends, not {self.input_range}")

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What 0 and 1 become, once for all channels or for each."""
        return _pairs(self.input_range)

    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift of what is in [0, 1], of each channel, in the network's order."""
        low, high = np.asarray(self.ranges, np.float64).T
        std = np.asarray(self.std, np.float64)
        scale = np.broadcast_to((high - low) / std, self.channels)
        shift = (low - np.asarray(self.mean, np.float64)) / std
        return scale, np.broadcast_to(shift, self.channels)

    def apply(self, image: Tensor) -> Tensor:
        """Return the network's input from a symbolic image (N, P, H, W), in [0, 1]."""
        scale, shift = self.affine()
        depth = image.shape[1] // self.channels
        if self.channel_order == "bgr":
            order = [channel * depth + at for channel in (2, 1, 0) for at in range(depth)]
            image = image.op.Gather(image, image.op.constant(order, np.int64), axis=1)
        if np.any(scale != 1):
            image = image * np.repeat(scale, depth).reshape(1, -1, 1, 1)
        if np.any(shift != 0):
            image = image + np.repeat(shift, depth).reshape(1, -1, 1, 1)
        if self.layout == "NCHW":
            return image
        if self.layout == "NHWC":
            return image.transpose(0, 2, 3, 1)
        count, _, rows, columns = image.sizes
        sizes, order = self._places(count, depth, rows, columns)
        is_flat = "C" in self.layout and stack_of(self.layout) is None
        apart = image if is_flat else image.reshape(*sizes)
        return apart if order == list(range(len(order))) else apart.transpose(*order)

    def prepare(self, images: np.ndarray) -> np.ndarray:
        """Make the network's input of pictures (N, P, H, W), in [0, 1], as `apply` does."""
        depth = images.shape[1] // self.channels
        scale, shift = (np.repeat(n, depth).reshape(1, -1, 1, 1) for n in self.affine())
        ordered = images
        if self.channel_order == "bgr":
            apart = images.reshape(len(images), 3, depth, *images.shape[2:])
            ordered = apart[:, ::-1].reshape(images.shape)
        prepared: np.ndarray = ordered * scale + shift
        count, _, rows, columns = prepared.shape
        sizes, order = self._places(count, depth, rows, columns)
        return prepared.reshape([int(str(size)) for size in sizes]).transpose(order)

    def _places(
        self, count: Size, depth: int, height: Size, width: Size
    ) -> tuple[list[Size], list[int]]:
        """The sizes of (N, P, H, W) with the planes apart, and the order of these in the layout."""
        rows, columns = plane_of(self.layout)
        stack = stack_of(self.layout)
        named: dict[str, Size] = {"N": count}
        if "C" in self.layout:
            named["C"] = self.channels
        if stack is not None:
            named[stack.letter] = depth
        named |= {rows.letter: height, columns.letter: width}
        letters = list(named)
        return list(named.values()), [letters.index(letter) for letter in self.layout]

    def to_json(self) -> dict[str, Any]:
        """Write it as `onnxscope.load` takes it."""
        return {
            "input_range": _listed(self.input_range),
            "mean": list(self.mean),
            "std": list(self.std),
            "channel_order": self.channel_order,
            "layout": self.layout,
        }

    def __str__(self) -> str:
        ends = [f"[{low:g}, {high:g}]" for low, high in self.ranges]
        what = f"{self.channel_order.upper()} in " if self.channels == 3 else ""
        words = [what + "/".join(ends)]
        if any(self.mean):
            words.append("minus " + "/".join(f"{value:g}" for value in self.mean))
        if any(value != 1 for value in self.std):
            words.append("over " + "/".join(f"{value:g}" for value in self.std))
        return ", ".join(words) + f", {self.layout}"


def ranges_from_json(
    data: Sequence[float] | Sequence[Sequence[float]],
) -> Range | tuple[Range, ...]:
    """Read back the ranges that `Preprocessing.to_json` wrote down."""
    pairs = tuple((float(low), float(high)) for low, high in _pairs(data))
    return pairs if isinstance(data[0], Sequence) else pairs[0]


def _pairs(ranges: Sequence[float] | Sequence[Sequence[float]]) -> tuple[Range, ...]:
    """Ranges one by one, of one pair or of several."""
    if isinstance(ranges[0], Sequence):
        return tuple((low, high) for low, high in cast(Sequence[Sequence[float]], ranges))
    low, high = cast(Sequence[float], ranges)
    return ((low, high),)


def _listed(ranges: Range | tuple[Range, ...]) -> list[Any]:
    return [list(ends) if isinstance(ends, tuple) else ends for ends in ranges]
