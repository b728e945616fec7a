"""Inception v3 in plain PyTorch, written by hand from Google's weights.

The network that `torch_network` writes is measured against it: both must take the same time, or the
opponent in the tables would be a weak one. Nothing of onnxscope is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812


class Trunk:
    """Inception v3 of TensorFlow up to `mixed_8`, batch normalisation folded, weights frozen."""

    def __init__(self, weights: Mapping[str, np.ndarray], until: str) -> None:
        """Take the weights, by `<layer>/weights` (OIHW) and `<layer>/bias`; end at a layer."""
        self._weights = {name: torch.from_numpy(array) for name, array in weights.items()}
        self._until = until

    def __call__(self, image: Any) -> Any:
        """Activations of the layer on pictures (N, 3, H, W) in [0, 1]."""
        x = image * 2 - 1
        for name, layer in self._layers():
            x = layer(x)
            if name == self._until:
                return x
        raise ValueError(f"the trunk has no layer {self._until!r}")

    def conv(self, name: str, x: Any, stride: int = 1, *, pad: bool = True) -> Any:
        """Append a convolution and a ReLU; `pad` keeps the size."""
        weight, bias = self._weights[f"{name}/weights"], self._weights[f"{name}/bias"]
        padding = [size // 2 for size in weight.shape[2:]] if pad else 0
        return F.relu(F.conv2d(x, weight, bias, stride, padding))

    def chain(self, x: Any, *names: str) -> Any:
        """Append convolutions one after the other."""
        for name in names:
            x = self.conv(name, x)
        return x

    def _layers(self) -> list[tuple[str, Callable[[Any], Any]]]:
        def valid(name: str, stride: int = 1) -> Callable[[Any], Any]:
            return lambda x: self.conv(name, x, stride, pad=False)

        def block(
            function: Callable[[str, Any], Any], name: str
        ) -> tuple[str, Callable[[Any], Any]]:
            return name, lambda x: function(name, x)

        return [
            ("conv", valid("conv", 2)),
            ("conv_1", valid("conv_1")),
            ("conv_2", lambda x: self.conv("conv_2", x)),
            ("pool", _max_pool),
            ("conv_3", lambda x: self.conv("conv_3", x)),
            ("conv_4", valid("conv_4")),
            ("pool_1", _max_pool),
            *(block(self._block_35, name) for name in ("mixed", "mixed_1", "mixed_2")),
            block(self._to_17, "mixed_3"),
            *(block(self._block_17, f"mixed_{number}") for number in (4, 5, 6, 7)),
            block(self._to_8, "mixed_8"),
        ]

    def _block_35(self, name: str, x: Any) -> Any:
        tower, deep = f"{name}/tower", f"{name}/tower_1"
        branches = [
            self.conv(f"{name}/conv", x),
            self.chain(x, f"{tower}/conv", f"{tower}/conv_1"),
            self.chain(x, f"{deep}/conv", f"{deep}/conv_1", f"{deep}/conv_2"),
            self.conv(f"{name}/tower_2/conv", _average_pool(x)),
        ]
        return torch.cat(branches, 1)

    def _to_17(self, name: str, x: Any) -> Any:
        narrow = self.chain(x, f"{name}/tower/conv", f"{name}/tower/conv_1")
        branches = [
            self.conv(f"{name}/conv", x, 2, pad=False),
            self.conv(f"{name}/tower/conv_2", narrow, 2, pad=False),
            _max_pool(x),
        ]
        return torch.cat(branches, 1)

    def _block_17(self, name: str, x: Any) -> Any:
        tower, deep = f"{name}/tower", f"{name}/tower_1"
        branches = [
            self.conv(f"{name}/conv", x),
            self.chain(x, f"{tower}/conv", f"{tower}/conv_1", f"{tower}/conv_2"),
            self.chain(x, f"{deep}/conv", *(f"{deep}/conv_{number}" for number in (1, 2, 3, 4))),
            self.conv(f"{name}/tower_2/conv", _average_pool(x)),
        ]
        return torch.cat(branches, 1)

    def _to_8(self, name: str, x: Any) -> Any:
        tower, deep = f"{name}/tower", f"{name}/tower_1"
        narrow = self.conv(f"{tower}/conv", x)
        wide = self.chain(x, *(f"{deep}/conv{number}" for number in ("", "_1", "_2")))
        branches = [
            self.conv(f"{tower}/conv_1", narrow, 2, pad=False),
            self.conv(f"{deep}/conv_3", wide, 2, pad=False),
            _max_pool(x),
        ]
        return torch.cat(branches, 1)


def _max_pool(x: Any) -> Any:
    return F.max_pool2d(x, 3, 2)


def _average_pool(x: Any) -> Any:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
