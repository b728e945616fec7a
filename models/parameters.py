"""Published tensors as the kernels and biases of layers, checked and folded.

Publications differ in names, in memory layout and in whether batch normalisation is a layer of its
own. `Parameters` hides all three: it is asked for a layer and answers with float32 in ONNX's order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import ModelError, nearest

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Normalization:
    """Names of the tensors of a batch normalisation (Ioffe and Szegedy, arXiv:1502.03167)."""

    scale: str
    shift: str
    mean: str
    variance: str
    epsilon: float = 1e-3

    @staticmethod
    def of_torch(module: str, epsilon: float = 1e-3) -> Normalization:
        """Return the names in a PyTorch state dict."""
        return Normalization(
            f"{module}.weight",
            f"{module}.bias",
            f"{module}.running_mean",
            f"{module}.running_var",
            epsilon,
        )


@dataclass(frozen=True)
class Names:
    """Names of the tensors of one layer: a kernel, then a bias or a normalisation."""

    kernel: str
    bias: str | None = None
    normalization: Normalization | None = None

    def all(self) -> tuple[str, ...]:
        """Return every tensor name of the layer."""
        norm = self.normalization
        rest = (norm.scale, norm.shift, norm.mean, norm.variance) if norm else ()
        return (self.kernel, *((self.bias,) if self.bias else ()), *rest)


class Parameters:
    """The weights of one publication, by layer.

    Args:
        weights: Tensors by their published names.
        names: From a layer of the architecture to the published names of its tensors.
        channels_last: Kernels are stored as (height, width, in, out) and matrices as (in, out), as
            TensorFlow does, rather than (out, in, height, width) and (out, in).
        bgr_layer: The layer, if any, that expects the picture's channels as blue, green, red. Its
            kernel's input channels are reversed, which is exact; then it expects RGB.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        names: Callable[[str], Names],
        *,
        channels_last: bool = False,
        bgr_layer: str | None = None,
    ) -> None:
        self._weights = weights
        self._names = names
        self._channels_last = channels_last
        self._bgr_layer = bgr_layer

    def has(self, layer: str) -> bool:
        """Return whether any tensor of the layer is there."""
        return any(name in self._weights for name in self._names(layer).all())

    def conv(self, layer: str, shape: Sequence[int]) -> tuple[Floats, Floats]:
        """Return kernel and bias of a convolution, of `shape` (out, in per group, height, width).

        Raises:
            ModelError: a tensor is missing or has another shape.
        """
        kernel = self._kernel(layer, shape, (3, 2, 0, 1))
        if layer == self._bgr_layer:
            kernel = kernel[:, ::-1]
        return self._with_bias(layer, kernel)

    def dense(self, layer: str, inputs: int) -> tuple[Floats, Floats]:
        """Return matrix (out, `inputs`) and bias of a layer of any number of outputs."""
        return self._with_bias(layer, self._kernel(layer, (None, inputs), (1, 0)))

    def _kernel(
        self, layer: str, shape: Sequence[int | None], from_last: Sequence[int]
    ) -> np.ndarray:
        """The kernel as published, in ONNX's order of axes."""
        name = self._names(layer).kernel
        if not self._channels_last:
            return self._tensor(name, shape)
        stored: list[int | None] = [None] * len(shape)
        for axis, source in enumerate(from_last):
            stored[source] = shape[axis]
        return self._tensor(name, stored).transpose(from_last)

    def _with_bias(self, layer: str, kernel: np.ndarray) -> tuple[Floats, Floats]:
        names, channels = self._names(layer), kernel.shape[:1]
        norm = names.normalization
        if norm is None:
            bias = self._tensor(names.bias, channels) if names.bias else np.zeros(channels)
            return _stored(kernel), _stored(bias)
        # In float64, so that the folded network differs from the published one by no more than the
        # final rounding to float32.
        scale, shift, mean, variance = (
            self._tensor(name, channels).astype(np.float64)
            for name in (norm.scale, norm.shift, norm.mean, norm.variance)
        )
        factor = scale / np.sqrt(variance + norm.epsilon)
        folded = kernel * factor.reshape(-1, *[1] * (kernel.ndim - 1))
        bias = shift - mean * factor
        if names.bias:
            bias += self._tensor(names.bias, channels) * factor
        return _stored(folded), _stored(bias)

    def _tensor(self, name: str, shape: Sequence[int | None]) -> np.ndarray:
        """A published tensor whose shape is as expected; `None` stands for any size."""
        array = self._weights.get(name)
        if array is None:
            raise ModelError(
                f"the weights have no tensor {name!r}, expected with shape {_shown(shape)}"
                + nearest(name, self._weights)
            )
        if array.dtype.kind != "f":
            raise ModelError(f"tensor {name!r} is of {array.dtype}, expected floating point")
        # Caffe's older files give every blob four axes, a bias as (1, 1, 1, n).
        extra = max(array.ndim - len(shape), 0)
        found = array.shape[extra:] if array.shape[:extra] == (1,) * extra else array.shape
        if len(found) != len(shape) or any(
            want is not None and size != want for size, want in zip(found, shape, strict=True)
        ):
            raise ModelError(
                f"tensor {name!r} has shape {_shown(array.shape)}, expected {_shown(shape)}"
            )
        return array.reshape(found)


def _stored(array: np.ndarray) -> Floats:
    """As an initializer wants it; no copy where it is so already."""
    return np.ascontiguousarray(array, np.float32)


def _shown(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
