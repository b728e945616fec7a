"""Normalisations that are written as others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..errors import OperatorError
from ..graph.tensor import Tensor
from ..graph.words import normalized_axes, reshape_as
from .table import Call, Expansion

_SINGLE = np.dtype(np.float32)

# The smallest normal numbers by the bytes of their type.
_SMALLEST = {
    2: float(np.finfo(np.float16).tiny),
    4: float(np.finfo(np.float32).tiny),
    8: float(np.finfo(np.float64).tiny),
}


def _group_normalization(call: Call) -> Sequence[Tensor | None]:
    """InstanceNormalization of groups; a scale for each group, since opset 21 for each channel.

    Half precision is computed in single, as `stash_type` asks for by default, or the other way
    round.
    """
    x, scale, bias = (call.required(index) for index in range(3))
    op, attributes = call.op, call.node.attributes
    groups = call.integer("num_groups")
    by_channel = (call.node.version or call.builder.opset) >= 21
    batch, channels, *_ = x.sizes
    if isinstance(channels, int) and channels % groups:
        raise OperatorError(f"{call.where} has num_groups={groups} for {channels} channels")
    stash = ir.DataType(attributes.get_int("stash_type", 1)).numpy()
    # Double precision stays what it is: a gradient is checked in it.
    wide = x if x.dtype.itemsize > 4 else x.astype(stash)
    rows = wide.reshape(batch, groups, -1)
    factor, offset = (
        op.constant(np.full(groups, number), wide.dtype)
        if by_channel
        else parameter.astype(wide.dtype)
        for number, parameter in ((1, scale), (0, bias))
    )
    epsilon = attributes.get_float("epsilon", 1e-5)
    normal = reshape_as(op.InstanceNormalization(rows, factor, offset, epsilon=epsilon), x)
    normal = normal.astype(x.dtype)
    if not by_channel:
        return [normal]
    along = [1] * (x.rank - 2)
    return [normal * scale.reshape(channels, *along) + bias.reshape(channels, *along)]


def _mean_variance_normalization(call: Call) -> Sequence[Tensor | None]:
    """(x − mean) / (σ + 1e-9), by default over pictures and cells.

    Before opset 9 it had two switches in the place of axes, and its default was the same.
    """
    x, attributes = call.required(0), call.node.attributes
    across = attributes.get_int("across_channels", 0) == 1
    axes = range(x.rank) if across else attributes.get_ints("axes", ()) or [0, 2, 3]
    # Those that the value does not have are none to ONNX Runtime: the default names four.
    axes = list(dict.fromkeys(normalized_axes([a for a in axes if a < x.rank], x.rank)))
    centered = x - x.mean(axes, keepdims=True)
    if attributes.get_int("normalize_variance", 1) == 0:
        return [centered]
    variance = (centered * centered).mean(axes, keepdims=True)
    # The square root has no slope at zero; the smallest normal number changes nothing else.
    deviation = (variance + _SMALLEST[x.dtype.itemsize]).sqrt()
    return [centered / (deviation + 1e-9)]


def _batch_normalization(call: Call) -> Sequence[Tensor | None] | None:
    """`BatchNormalization` in training mode: by the mean and variance of the batch itself.

    The further outputs are the running mean and variance, moved towards those of the batch.
    """
    if call.node.attributes.get_int("training_mode", 0) == 0:
        return None
    x, scale, bias, mean, variance = (call.required(index) for index in range(5))
    attributes = call.node.attributes
    axes = [axis for axis in range(x.rank) if axis != 1]
    along = [-1, *[1] * (x.rank - 2)]
    wide = x.astype(mean.dtype)
    here = wide.mean(axes, keepdims=True)
    centered = wide - here
    spread = (centered * centered).mean(axes, keepdims=True)
    deviation = (spread + attributes.get_float("epsilon", 1e-5)).sqrt()
    normal = (centered / deviation).astype(x.dtype)
    y = normal * scale.astype(x.dtype).reshape(*along) + bias.astype(x.dtype).reshape(*along)
    momentum = attributes.get_float("momentum", 0.9)
    moved = [
        kept * momentum + reshape_as(new, kept) * (1 - momentum)
        for kept, new in ((mean, here), (variance, spread))
    ]
    return [y, *moved][: len(call.node.outputs)]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "BatchNormalization"): _batch_normalization,
    ("", "GroupNormalization"): _group_normalization,
    ("", "MeanVarianceNormalization"): _mean_variance_normalization,
}
