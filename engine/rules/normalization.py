"""Rules of normalisations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.words import reshape_as
from .table import RuleTable
from .vocabulary import channel_sum


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("LRN", _lrn)
    rules.define("BatchNormalization", each=_batch_normalization, ignores=("momentum",))


@dataclass(frozen=True)
class LocalResponse:
    """Local response normalisation in parts: y = x · scale^−beta.

    scale = bias + alpha/size · Σ x² over the channels of the window.

    Attributes:
        scale: As above.
        power: scale^−beta.
        transposed: From the values of outputs to their sum over all whose window holds an input,
            times 2 · alpha · beta / size.
    """

    scale: Tensor
    power: Tensor
    transposed: Callable[[Tensor], Tensor]

    def gradient(self, op: Operators, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return dy · scale^−beta − 2 · alpha · beta / size · x · Σ dy · y / scale, of x."""
        return dy * self.power - x * self.transposed(dy * y / self.scale)


def local_response(
    op: Operators, x: Tensor, *, alpha: float, beta: float, bias: float, size: int
) -> LocalResponse:
    """Append the parts of a local response normalisation of x (N, C, ...).

    The sum is a 1×1 convolution with a banded matrix, which takes half the time of ONNX Runtime's
    LRN operator; of an unknown number of channels, which has no such matrix, an average pool.
    """
    # ONNX's window: of an even size the longer half is behind.
    before, behind = (size - 1) // 2, size // 2
    channels = x.dims[1]
    factor = 2 * alpha * beta / size
    if isinstance(channels, int):
        offset = np.arange(channels)[None, :] - np.arange(channels)[:, None]
        band = ((offset >= -before) & (offset <= behind)).astype(x.dtype)
        kernel_shape = (channels, channels, *([1] * (x.rank - 2)))

        def kernel(matrix: np.ndarray) -> Tensor:
            return op.constant(matrix.reshape(kernel_shape), x.dtype)

        shift = op.constant(np.full(channels, bias), x.dtype)
        scale = op.Conv(x * x, kernel(band * (alpha / size)), shift)
        transposed = kernel(band.T * factor)
        return LocalResponse(
            scale, _inverse_power(op, scale, beta), lambda given: op.Conv(given, transposed)
        )
    scale = _pooled(op, x * x, before, behind) * alpha + bias
    return LocalResponse(
        scale,
        _inverse_power(op, scale, beta),
        lambda given: _pooled(op, given, behind, before) * (factor * size),
    )


def _pooled(op: Operators, x: Tensor, before: int, behind: int) -> Tensor:
    """The sum over a window of channels, divided by the window's size."""
    batch, channels = x.sizes[:2]
    rows = x.reshape(batch, 1, channels, -1)
    mean = op.AveragePool(
        rows,
        kernel_shape=[before + behind + 1, 1],
        pads=[before, 0, behind, 0],
        count_include_pad=1,
    )
    return reshape_as(mean, x)


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
            "BatchNormalization in training mode has no rule: it is written as other operators "
            "where a model is read"
        )
    along_channels = [-1, *([1] * (x.rank - 2))]
    root = (variance + epsilon).sqrt()
    if index == 0:
        return dy * (scale / root).reshape(*along_channels)
    total = channel_sum(dy)
    if index == 2:
        return total
    if index == 3:
        return -(total * scale / root)
    centered = channel_sum(dy * (x - mean.reshape(*along_channels)))
    if index == 1:
        return centered / root
    return centered * scale * -0.5 / (root * root * root)
