"""Rules of normalisations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("LRN", _lrn)
    rules.define("BatchNormalization", each=_batch_normalization, ignores=("momentum",))


@dataclass(frozen=True)
class LocalResponse:
    """Local response normalisation in parts: y = x · scale^−beta.

    scale = bias + alpha/size · Σ x² over the channels of the window. The sum is a 1×1 convolution
    with a banded matrix, which takes half the time of ONNX Runtime's LRN operator.

    Attributes:
        scale: As above.
        power: scale^−beta.
        transposed_window: The kernel that sums over the outputs whose window holds an input,
            times 2 · alpha · beta / size.
    """

    scale: Tensor
    power: Tensor
    transposed_window: Tensor

    def gradient(self, op: Operators, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Of x: dy · scale^−beta − 2 · alpha · beta / size · x · Σ dy · y / scale."""
        spread = op.Conv(dy * y / self.scale, self.transposed_window)
        return dy * self.power - x * spread


def local_response(
    op: Operators, x: Tensor, *, alpha: float, beta: float, bias: float, size: int
) -> LocalResponse:
    """Append the parts of a local response normalisation of x (N, C, ...)."""
    channels = x.shape[1]
    offset = np.arange(channels)[None, :] - np.arange(channels)[:, None]
    # ONNX's window: of an even size the longer half is behind.
    band = ((offset >= -((size - 1) // 2)) & (offset <= size // 2)).astype(x.dtype)
    kernel_shape = (channels, channels, *([1] * (x.rank - 2)))

    def kernel(matrix: np.ndarray) -> Tensor:
        return op.constant(matrix.reshape(kernel_shape), x.dtype)

    scale = op.Conv(
        x * x, kernel(band * (alpha / size)), op.constant(np.full(channels, bias), x.dtype)
    )
    power = _inverse_power(op, scale, beta)
    return LocalResponse(scale, power, kernel(band.T * (2 * alpha * beta / size)))


def _inverse_power(op: Operators, s: Tensor, beta: float) -> Tensor:
    """s^−beta for s > 0; the usual exponents by square roots, three times as fast as Pow."""
    if beta == 0.5:
        return op.Reciprocal(op.Sqrt(s))
    if beta == 0.75:
        root = op.Sqrt(s)
        return op.Reciprocal(root * op.Sqrt(root))
    return op.Pow(s, op.constant(-beta, s.dtype))


def _lrn(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    y: Tensor,
    alpha: float,
    beta: float,
    bias: float,
    size: int,
) -> Tensor:
    parts = local_response(op, x, alpha=alpha, beta=beta, bias=bias, size=size)
    return parts.gradient(op, dy, x, y)


def _batch_normalization(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    index: int,
    epsilon: float,
    training_mode: int,
) -> Tensor:
    """By channel y = scale · (x − mean) / r + bias, with r = √(variance + ε)."""
    if training_mode:
        raise OperatorError(
            "BatchNormalization in training mode is not supported; export the model for inference"
        )
    along_channels = [-1, *([1] * (x.rank - 2))]
    others = [axis for axis in range(x.rank) if axis != 1]
    root = (variance + epsilon).sqrt()
    if index == 0:
        return dy * (scale / root).reshape(*along_channels)
    total = dy.sum(others)
    if index == 2:
        return total
    if index == 3:
        return -(total * scale / root)
    centered = (dy * (x - mean.reshape(*along_channels))).sum(others)
    if index == 1:
        return centered / root
    return centered * scale * -0.5 / (root * root * root)
