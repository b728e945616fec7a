"""Rules of normalisations that bring values to mean zero and variance one, or to norm one.

Of z = (x − mean) / s over some axes, with s = √(variance + ε), the gradient is
(dz − mean(dz) − z · mean(dz · z)) / s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.words import count_of, expand_as
from .table import RuleTable
from .vocabulary import channel_sum


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define(
        "LayerNormalization",
        _layer,
        _layer_scale,
        _layer_bias,
        # The type to compute the mean in; of the bias' gradient, all.
        ignores=("axis", "epsilon", "stash_type"),
    )
    rules.define(
        "InstanceNormalization", _instance, _instance_scale, _instance_bias, ignores=("epsilon",)
    )
    rules.define("LpNormalization", _lp)


@dataclass(frozen=True)
class Standardized:
    """Values over the last axes brought to mean zero and variance one.

    Attributes:
        z: (x − mean) / s.
        inverse: 1 / s, the reduced axes of size 1.
        axes: The axes.
        count: How many elements share a mean.
    """

    z: Tensor
    inverse: Tensor
    axes: Sequence[int]
    count: float | Tensor

    def gradient(self, dz: Tensor, factor: Tensor | None = None) -> Tensor:
        """Return the cotangent of x from that of z, times a factor that is one for each mean."""
        along = (dz * self.z).mean(self.axes, keepdims=True)
        factor = self.inverse if factor is None else self.inverse * factor
        return factor * (dz - dz.mean(self.axes, keepdims=True) - self.z * along)


def standardized(op: Operators, x: Tensor, axis: int, epsilon: float) -> Standardized:
    """Standardise x over all axes from `axis` on."""
    axes = list(range(axis % x.rank, x.rank))
    sizes = x.sizes[axes[0] :]
    count = count_of(sizes, x.dtype)
    if x.dtype == np.float64:
        # LayerNormalization gives 1 / s in single precision only.
        centered = x - x.mean(axes, keepdims=True)
        variance = (centered * centered).mean(axes, keepdims=True)
        inverse = op.Reciprocal((variance + epsilon).sqrt())
        return Standardized(centered * inverse, inverse, axes, count)
    ones = op.ConstantOfShape(op.vector(sizes), value=np.ones(1, x.dtype))
    z, _, inverse = x.builder.append(
        "LayerNormalization", [x, ones], {"axis": axes[0], "epsilon": epsilon}, outputs=3
    )
    return Standardized(z, inverse.astype(x.dtype), axes, count)


# LayerNormalization -----------------------------------------------------------------------------


def _layer(
    op: Operators,
    dy: Tensor | None,
    x: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    *,
    dys: Sequence[Tensor | None],
    axis: int,
    epsilon: float,
) -> Tensor | None:
    """Of y = z · scale + bias, and of the mean and 1 / s, which may be outputs too."""
    parts = standardized(op, x, axis, epsilon)
    total = None if dy is None else parts.gradient(dy * scale)
    _, dmean, dinverse = (*dys, None, None)[:3]
    if dinverse is not None:
        # d(1/s)/dx = −z / (s² · count)
        slope = parts.inverse * parts.inverse * dinverse.astype(x.dtype) / parts.count
        total = -(slope * parts.z) if total is None else total - slope * parts.z
    if dmean is not None:
        share = dmean.astype(x.dtype) / parts.count
        total = expand_as(share, x) if total is None else total + share
    return total


def _layer_scale(
    op: Operators,
    dy: Tensor | None,
    x: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    *,
    dys: Sequence[Tensor | None],
    axis: int,
    epsilon: float,
) -> Tensor | None:
    return None if dy is None else dy * standardized(op, x, axis, epsilon).z


def _layer_bias(
    op: Operators,
    dy: Tensor | None,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    *,
    dys: Sequence[Tensor | None],
) -> Tensor | None:
    return dy


# InstanceNormalization --------------------------------------------------------------------------


def _instance(
    op: Operators, dy: Tensor, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float
) -> Tensor:
    """By picture and channel."""
    parts = standardized(op, x, 2, epsilon)
    return parts.gradient(dy, _by_channel(x, scale))


def _instance_scale(
    op: Operators, dy: Tensor, x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float
) -> Tensor:
    return channel_sum(dy * standardized(op, x, 2, epsilon).z)


def _instance_bias(op: Operators, dy: Tensor, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return channel_sum(dy)


def _by_channel(x: Tensor, parameter: Tensor) -> Tensor:
    return parameter.reshape(-1, *([1] * (x.rank - 2)))


# Norms ------------------------------------------------------------------------------------------


def _lp(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor, axis: int, p: int) -> Tensor:
    """Of y = x / n with the norm n: (dy − dn/dx · Σ dy · y) / n; zero where the norm is."""
    norm = x.builder.append(
        "ReduceL1" if p == 1 else "ReduceL2",
        [x, op.constant([axis], np.int64)],
        {"keepdims": 1},
    )[0]
    positive = norm.greater(0)
    safe = op.Where(positive, norm, op.constant(1, x.dtype))
    inverse = op.Where(positive, op.Reciprocal(safe), op.constant(0, x.dtype))
    slope = op.Sign(x) if p == 1 else y
    return (dy - slope * (dy * y).sum(axis, keepdims=True)) * inverse
