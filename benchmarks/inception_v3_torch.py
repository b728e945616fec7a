"""The opponent: feature visualization of Inception v3 in plain PyTorch, as one would write it.

The same work as onnxscope's step: a Fourier picture with decorrelated colours, one random affine
warp, Google's Inception v3 from the same weights file, a channel's mean, its gradient, Adam. What a
careful user of PyTorch does is done: the weights are frozen, the forward pass ends at the layer
(the last block is computed whole, as its concatenation asks for), the warp is one `grid_sample`.
Nothing of onnxscope is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file

COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


class Trunk(torch.nn.Module):
    """Inception v3 up to `mixed_8`, batch normalisation folded, weights frozen."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self._names: dict[str, str] = {}
        for name, tensor in load_file(weights).items():
            self._names[name] = name.replace("/", "__")
            self.register_buffer(self._names[name], tensor.float())

    def forward(self, image: torch.Tensor, until: str) -> torch.Tensor:
        """Activations of the layer `until` on pictures (N, 3, H, W) in [0, 1]."""
        x = image * 2 - 1
        for name, layer in self._layers():
            x = layer(x)
            if name == until:
                return x
        raise ValueError(f"the trunk has no layer {until!r}")

    def conv(
        self, name: str, x: torch.Tensor, stride: int = 1, *, pad: bool = True
    ) -> torch.Tensor:
        """Convolution and ReLU; `pad` keeps the size."""
        weight = getattr(self, self._names[f"{name}/weights"])
        bias = getattr(self, self._names[f"{name}/biases"])
        padding = [size // 2 for size in weight.shape[2:]] if pad else 0
        return F.relu(F.conv2d(x, weight, bias, stride, padding))

    def chain(self, x: torch.Tensor, *names: str) -> torch.Tensor:
        """Convolutions one after the other."""
        for name in names:
            x = self.conv(name, x)
        return x

    def _layers(self) -> list[tuple[str, Callable[[torch.Tensor], torch.Tensor]]]:
        def valid(name: str, stride: int = 1) -> Callable[[torch.Tensor], torch.Tensor]:
            return lambda x: self.conv(name, x, stride, pad=False)

        def block(
            function: Callable[[str, torch.Tensor], torch.Tensor], name: str
        ) -> tuple[str, Callable[[torch.Tensor], torch.Tensor]]:
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

    def _block_35(self, name: str, x: torch.Tensor) -> torch.Tensor:
        tower, deep = f"{name}/tower", f"{name}/tower_1"
        branches = [
            self.conv(f"{name}/conv", x),
            self.chain(x, f"{tower}/conv", f"{tower}/conv_1"),
            self.chain(x, f"{deep}/conv", f"{deep}/conv_1", f"{deep}/conv_2"),
            self.conv(f"{name}/tower_2/conv", _average_pool(x)),
        ]
        return torch.cat(branches, 1)

    def _to_17(self, name: str, x: torch.Tensor) -> torch.Tensor:
        narrow = self.chain(x, f"{name}/tower/conv", f"{name}/tower/conv_1")
        branches = [
            self.conv(f"{name}/conv", x, 2, pad=False),
            self.conv(f"{name}/tower/conv_2", narrow, 2, pad=False),
            _max_pool(x),
        ]
        return torch.cat(branches, 1)

    def _block_17(self, name: str, x: torch.Tensor) -> torch.Tensor:
        tower, deep = f"{name}/tower", f"{name}/tower_1"
        branches = [
            self.conv(f"{name}/conv", x),
            self.chain(x, f"{tower}/conv", f"{tower}/conv_1", f"{tower}/conv_2"),
            self.chain(x, f"{deep}/conv", *(f"{deep}/conv_{number}" for number in (1, 2, 3, 4))),
            self.conv(f"{name}/tower_2/conv", _average_pool(x)),
        ]
        return torch.cat(branches, 1)

    def _to_8(self, name: str, x: torch.Tensor) -> torch.Tensor:
        tower, deep = f"{name}/tower", f"{name}/tower_1"
        narrow = self.conv(f"{tower}/conv", x)
        wide = self.chain(x, *(f"{deep}/conv{number}" for number in ("", "_1", "_2")))
        branches = [
            self.conv(f"{tower}/conv_1", narrow, 2, pad=False),
            self.conv(f"{deep}/conv_3", wide, 2, pad=False),
            _max_pool(x),
        ]
        return torch.cat(branches, 1)


def _max_pool(x: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(x, 3, 2)


def _average_pool(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class Visualization:
    """One channel of one layer, climbed by Adam.

    Attributes:
        spectrum: What is optimised: (1, 3, H, 2K), real parts and behind them the imaginary ones.
    """

    def __init__(
        self,
        weights: Path,
        layer: str,
        unit: int,
        size: int,
        *,
        channels_last: bool = False,
        compiled: bool = False,
        seed: int = 0,
    ) -> None:
        self.layer, self.unit, self.size = layer, unit, size
        self.trunk = Trunk(weights)
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        if channels_last:
            self.trunk = self.trunk.to(memory_format=torch.channels_last)
        self.rng = np.random.default_rng(seed)
        columns = size // 2 + 1
        start = self.rng.standard_normal((1, 3, size, 2 * columns), np.float32) * np.float32(0.01)
        self.spectrum = torch.from_numpy(start).requires_grad_()
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
        scale = size / np.maximum(frequency, 1 / size) / 4
        self.scale = torch.from_numpy(scale.astype(np.float32))
        colors = COLORS / np.linalg.norm(COLORS, axis=0).max()
        self.colors = torch.from_numpy(colors.astype(np.float32)).reshape(3, 3, 1, 1)
        self.optimizer = torch.optim.Adam([self.spectrum], lr=0.05, maximize=True)
        self._network = torch.compile(self.network) if compiled else self.network

    def image(self) -> torch.Tensor:
        """The picture (1, 3, H, W) in [0, 1]."""
        count = self.size // 2 + 1
        waves = torch.complex(self.spectrum[..., :count], self.spectrum[..., count:])
        pixels = torch.fft.irfft2(waves * self.scale, s=(self.size, self.size))
        return torch.sigmoid(F.conv2d(pixels, self.colors))

    def network(self, image: torch.Tensor) -> torch.Tensor:
        """The objective, (N,), of pictures."""
        image = image.contiguous(memory_format=self.format)
        return self.trunk(image, self.layer)[:, self.unit].mean((1, 2))

    def value(self, grid: torch.Tensor) -> torch.Tensor:
        """The objective, (1,), of the picture seen at the positions (1, H, W, 2)."""
        # Zeros outside are grey.
        return self._network(F.grid_sample(self.image() - 0.5, grid, align_corners=False) + 0.5)

    def step(self) -> float:
        """One step of the ascent; gives the value before it."""
        self.optimizer.zero_grad()
        matrix = torch.from_numpy(random_warp(self.rng, self.size))
        value = self.value(F.affine_grid(matrix, [1, 3, self.size, self.size], False))
        value.sum().backward()
        self.optimizer.step()
        return value.item()

    def network_step(self, image: torch.Tensor) -> float:
        """Value and gradient with respect to a picture alone; gives the value."""
        image.grad = None
        value = self._network(image)
        value.sum().backward()
        return value.item()


def random_warp(rng: np.random.Generator, size: int) -> np.ndarray:
    """Lucid's standard transforms as one random matrix (1, 2, 3) for `affine_grid`."""
    first = rng.integers(0, 9, 2) - 4
    factor = rng.choice(1 + (np.arange(11) - 5) / 50)
    angle = np.deg2rad(rng.choice(np.array([*range(-10, 11), 0, 0, 0, 0, 0])))
    second = rng.integers(0, 5, 2) - 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / factor
    shift = (first + turn @ second) * 2 / size
    return np.concatenate([turn, shift[:, None]], 1)[None].astype(np.float32)
