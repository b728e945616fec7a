"""Rules of normalisations."""

from __future__ import annotations

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("LRN", _lrn)
    rules.define("BatchNormalization", each=_batch_normalization, ignores=("momentum",))


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
    """With s = bias + alpha/size · Σ x² over the window and y = x · s^−beta.

    dx = dy · s^−beta − 2 · alpha · beta / size · x · Σ' dy · y / s, where Σ' runs over the outputs
    whose window holds x: the transposed window.
    """
    band = _channel_window(x.shape[1], size, x.dtype)
    scale = window_sum(op, x * x, band) * (alpha / size) + bias
    power = inverse_power(op, scale, beta)
    spread = window_sum(op, dy * y / scale, band.T)
    return dy * power - x * spread * (2 * alpha * beta / size)


def _channel_window(channels: int, size: int, dtype: np.dtype[np.generic]) -> np.ndarray:
    """The banded matrix with 1 where channel j is in the window of channel i (ONNX's LRN)."""
    offset = np.arange(channels)[None, :] - np.arange(channels)[:, None]
    return ((offset >= -((size - 1) // 2)) & (offset <= size // 2)).astype(dtype)


def window_sum(op: Operators, x: Tensor, band: np.ndarray) -> Tensor:
    """Sums over channels by a banded matrix, as the convolution that every runtime does fast."""
    kernel = band.reshape(*band.shape, *([1] * (x.rank - 2)))
    return op.Conv(x, op.constant(kernel, x.dtype))


def inverse_power(op: Operators, s: Tensor, beta: float) -> Tensor:
    """s^−beta for s > 0; the usual exponents by square roots, three times as fast as Pow."""
    if beta == 0.5:
        return op.Reciprocal(op.Sqrt(s))
    if beta == 0.75:
        root = op.Sqrt(s)
        return op.Reciprocal(root * op.Sqrt(root))
    return op.Pow(s, op.constant(-beta, s.dtype))


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
