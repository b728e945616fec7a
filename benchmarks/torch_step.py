"""The opponent: one step of feature visualization in plain PyTorch, as one would write it.

The same work as onnxscope's step: a Fourier picture with decorrelated colours, one random affine
warp, the network, an objective, its gradient, Adam. What a careful user of PyTorch does is done:
the weights are frozen, the forward pass ends at the layer, the warp is one `grid_sample`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

_COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])

Network = Callable[[Any], Any]
"""From pictures (N, 3, H, W) in [0, 1] to a layer's activations."""


def objective(kind: str, unit: int | None) -> Callable[[Any], Any]:
    """Return one number for each picture from activations, as onnxscope's of that kind."""
    if kind == "layer":
        return lambda x: x.square().flatten(1).mean(1)
    if kind == "channel":
        return lambda x: x[:, unit].flatten(1).mean(1) if x.dim() > 2 else x[:, unit]
    return lambda x: x[:, unit, x.shape[2] // 2, x.shape[3] // 2] if x.dim() > 2 else x[:, unit]


class Visualization:
    """A unit of a layer, climbed by Adam.

    Attributes:
        spectrum: What is optimised: (N, 3, H, 2K), real parts and behind them the imaginary ones.
    """

    def __init__(
        self,
        network: Network,
        value: Callable[[Any], Any],
        size: int,
        *,
        batch: int = 1,
        device: str = "cpu",
        channels_last: bool = False,
        compiled: bool = False,
        precision: str = "float32",
    ) -> None:
        """Prepare a step.

        Args:
            network: A module, or a function of the pictures; on the device already.
            value: See `objective`.
            size: Height and width of the pictures.
            batch: How many pictures.
            device: PyTorch's name of it.
            channels_last: Lay the activations out so; the weights are the caller's to convert.
            compiled: Run network and objective through `torch.compile`.
            precision: `float32`, `tf32`, or `float16` for network and gradient in half precision.
        """
        self.size, self.batch, self.device = size, batch, device
        self._network, self._value, self._precision = network, value, precision
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._rng = np.random.default_rng(0)
        columns = size // 2 + 1
        start = self._rng.standard_normal((batch, 3, size, 2 * columns), np.float32) * 0.01
        self.spectrum = torch.from_numpy(start.astype(np.float32)).to(device).requires_grad_()
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
        scale = size / np.maximum(frequency, 1 / size) / 4
        self._scale = torch.from_numpy(scale.astype(np.float32)).to(device)
        colors = _COLORS / np.linalg.norm(_COLORS, axis=0).max()
        self._colors = torch.from_numpy(colors.astype(np.float32)).reshape(3, 3, 1, 1).to(device)
        self._optimizer = torch.optim.Adam([self.spectrum], lr=0.05, maximize=True)
        self._seen = torch.compile(self.objective) if compiled else self.objective

    def image(self) -> Any:
        """Return the pictures (N, 3, H, W) in [0, 1]."""
        count = self.size // 2 + 1
        waves = torch.complex(self.spectrum[..., :count], self.spectrum[..., count:])
        pixels = torch.fft.irfft2(waves * self._scale, s=(self.size, self.size))
        return torch.sigmoid(F.conv2d(pixels, self._colors))

    def objective(self, image: Any) -> Any:
        """Return the objective, (N,), of pictures."""
        image = image.contiguous(memory_format=self._format)
        if self._precision == "float16":
            image = image.half()
        return self._value(self._network(image).float())

    def value(self, grid: Any) -> Any:
        """Return the objective, (N,), of the pictures seen at the positions (N, H, W, 2)."""
        # Zeros outside are grey.
        return self._seen(F.grid_sample(self.image() - 0.5, grid, align_corners=False) + 0.5)

    def step(self) -> Any:
        """Return one step of the ascent; gives the values before it, (N,)."""
        self._optimizer.zero_grad()
        matrix = torch.from_numpy(random_warps(self._rng, self.batch, self.size)).to(self.device)
        value = self.value(F.affine_grid(matrix, [self.batch, 3, self.size, self.size], False))
        value.sum().backward()
        self._optimizer.step()
        return value.detach().cpu().numpy()

    def gradient(self, image: Any) -> tuple[Any, Any]:
        """Return value and gradient with respect to pictures alone, through the network alone."""
        image.grad = None
        value = self._seen(image)
        value.sum().backward()
        return value.detach().cpu().numpy(), image.grad


def random_warps(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Draw Lucid's standard transforms as random matrices (count, 2, 3) for `affine_grid`."""
    matrices = np.empty((count, 2, 3), np.float32)
    for matrix in matrices:
        first = rng.integers(0, 9, 2) - 4
        factor = rng.choice(1 + (np.arange(11) - 5) / 50)
        angle = np.deg2rad(rng.choice(np.array([*range(-10, 11), 0, 0, 0, 0, 0])))
        second = rng.integers(0, 5, 2) - 2
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / factor
        matrix[:, :2] = turn
        matrix[:, 2] = (first + turn @ second) * 2 / size
    return matrices
