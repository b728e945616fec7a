"""A network under construction: a small vocabulary of layers, each exposed under its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir

from ..errors import ModelError
from ..graph.builder import Builder
from ..graph.metadata import Metadata
from ..graph.tensor import Tensor
from ..graph.versions import IR_VERSION
from .parameters import Parameters

Padding = Literal["valid", "half", "same"]
"""How a window meets the border.

`valid` pads nothing. `half` pads (k − 1) / 2 on every side, as PyTorch and Caffe networks do.
`same` is TensorFlow's: as much as makes ceil(size / stride) outputs, the odd pixel at the end; for
an odd window at stride 1 that is `half`.
"""

Activation = Literal["relu", "relu6"]


class Network:
    """Appends layers to an ONNX graph and remembers which are exposed.

    Attributes:
        parameters: Where kernels and biases come from.
        exposed: The exposed layers by name, from the image to the output.
    """

    def __init__(self, name: str, parameters: Parameters) -> None:
        self.parameters = parameters
        self.exposed: dict[str, Tensor] = {}
        self._builder = Builder(name)

    def image(self, scale: Sequence[float], shift: Sequence[float]) -> Tensor:
        """Return the input, RGB in [0, 1] of any size, as the first layer wants it.

        Scale and shift stay nodes: folded into the first convolution they would be wrong at the
        border, where that pads with zeros.
        """
        image = self._builder.input("image", ["N", 3, "H", "W"], np.float32)
        per_channel = (1, 3, 1, 1)
        scaled = image * np.reshape(np.asarray(scale, np.float32), per_channel)
        return scaled + np.reshape(np.asarray(shift, np.float32), per_channel)

    def expose(self, name: str, tensor: Tensor) -> Tensor:
        """Make a value an output of the graph under the layer's name."""
        self.exposed[name] = self._builder.output(name, tensor)
        return self.exposed[name]

    def conv(
        self,
        x: Tensor,
        layer: str,
        channels: int,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        padding: Padding = "half",
        groups: int = 1,
    ) -> Tensor:
        """Return a convolution with bias."""
        shape = (channels, _channels(x) // groups, *kernel)
        weights, bias = self.parameters.conv(layer, shape)
        return self._builder.op.Conv(
            x,
            self._store(f"{layer}/weights", weights),
            self._store(f"{layer}/bias", bias),
            kernel_shape=kernel,
            strides=[stride, stride],
            group=groups,
            **_padded(padding, kernel, stride),
        )

    def activate(self, x: Tensor, activation: Activation) -> Tensor:
        """Return a rectifier, for `relu6` cut off at 6."""
        if activation == "relu":
            return x.op.Relu(x)
        return x.op.Clip(x, x.op.constant(0, np.float32), x.op.constant(6, np.float32))

    def max_pool(
        self, x: Tensor, size: int, stride: int, padding: Padding, *, ceil: bool = False
    ) -> Tensor:
        """Return the maximum under a square window; padding never wins.

        With `ceil` a last window that hangs over the end counts too. With no padding it always
        starts inside the picture, so that Caffe, PyTorch and ONNX Runtime agree.
        """
        window = (size, size)
        return x.op.MaxPool(
            x,
            kernel_shape=window,
            strides=[stride, stride],
            ceil_mode=1 if ceil else None,
            **_padded(padding, window, stride),
        )

    def average_pool(self, x: Tensor, size: int, *, count_padding: bool) -> Tensor:
        """Append means of square windows at stride 1, of the picture's own pixels or of all."""
        window = (size, size)
        return x.op.AveragePool(
            x,
            kernel_shape=window,
            count_include_pad=int(count_padding),
            **_padded("half", window, 1),
        )

    def local_response_norm(
        self, x: Tensor, size: int, alpha: float, beta: float, bias: float
    ) -> Tensor:
        """Append a normalisation across channels: x / (bias + alpha / size · Σ x²)^beta.

        Krizhevsky, Sutskever and Hinton 2012, section 3.3.
        """
        return x.op.LRN(x, size=size, alpha=alpha, beta=beta, bias=bias)

    def concat(self, branches: Sequence[Tensor]) -> Tensor:
        """Append branches side by side as channels."""
        return branches[0].op.Concat(*branches, axis=1)

    def global_average(self, x: Tensor) -> Tensor:
        """Return the mean over all positions, (N, C, 1, 1)."""
        return x.op.GlobalAveragePool(x)

    def flatten(self, x: Tensor) -> Tensor:
        """Return (N, C, 1, 1) as (N, C)."""
        return x.op.Flatten(x, axis=1)

    def dense(self, x: Tensor, layer: str) -> Tensor:
        """Return a fully connected layer; the weights say how many outputs."""
        weights, bias = self.parameters.dense(layer, _channels(x))
        return self._builder.op.Gemm(
            x,
            self._store(f"{layer}/weights", weights),
            self._store(f"{layer}/bias", bias),
            transB=1,
        )

    def softmax(self, x: Tensor) -> Tensor:
        """Append the probabilities of the classes."""
        return x.op.Softmax(x, axis=1)

    def model(self, metadata: Metadata) -> onnx.ModelProto:
        """Return the finished network."""
        model = ir.Model(self._builder.graph, ir_version=IR_VERSION, producer_name="onnxscope")
        model.metadata_props.update(metadata.to_props())
        return ir.to_proto(model)

    def _store(self, name: str, array: np.ndarray) -> Tensor:
        return self._builder.initializer(ir.tensor(array), name)


def _channels(x: Tensor) -> int:
    channels = x.dims[1]
    if not isinstance(channels, int):
        raise ModelError(f"the number of channels of {x.name!r} is unknown")
    return channels


def _padded(padding: Padding, window: tuple[int, int], stride: int) -> dict[str, str | list[int]]:
    """The attributes that pad so; explicit ones wherever they do not depend on the size."""
    if padding == "same" and (stride > 1 or not all(side % 2 for side in window)):
        return {"auto_pad": "SAME_UPPER"}
    if padding == "valid" or window == (1, 1):
        return {}
    height, width = ((side - 1) // 2 for side in window)
    return {"pads": [height, width, height, width]}
