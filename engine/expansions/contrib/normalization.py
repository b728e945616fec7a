"""ONNX Runtime's own normalisations (com.microsoft), with what they add up or look up before.

Each becomes the standard operators that it fuses. Sources: the operator documentation of ONNX
Runtime, "ContribOperators".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.tensor import Tensor
from ...graph.words import zeros
from ..table import Call, Expansion


def _embed_layer_normalization(call: Call) -> Sequence[Tensor | None]:
    """Of the sum of what words, positions and segments are looked up as.

    The second output counts the ones of a mask in each sequence, and is 0 without one.
    """
    op, ids, segments = call.op, call.required(0), call.input(1)
    words, places, kinds = call.required(2), call.required(3), call.input(4)
    batch, length = ids.sizes
    mask, positions = call.input(7), call.input(8)
    total = op.Gather(words, ids, axis=0)
    total = total + (places[:length] if positions is None else op.Gather(places, positions, axis=0))
    if segments is not None and kinds is not None:
        total = total + op.Gather(kinds, segments, axis=0)
    normal = call.builder.append(
        "LayerNormalization",
        [total, call.required(5), call.required(6)],
        {"axis": -1, "epsilon": call.node.attributes.get_float("epsilon", 1e-12)},
    )[0]
    whole = np.dtype(np.int32)
    if mask is None:
        ones = zeros(op, [batch], whole)
    else:
        ones = op.Equal(mask, op.constant(1, mask.dtype)).astype(whole).sum(1)
    return [normal, ones, total][: len(call.node.outputs)]


def _skip_layer_normalization(call: Call) -> Sequence[Tensor | None]:
    x, skip, gamma = (call.required(index) for index in range(3))
    beta, bias = call.input(3), call.input(4)
    total = x + skip if bias is None else x + skip + bias
    outputs = call.builder.append(
        "LayerNormalization",
        [total, gamma, beta],
        {"axis": -1, "epsilon": call.node.attributes.get_float("epsilon", 1e-12)},
        outputs=3,
    )
    return [*outputs, total][: len(call.node.outputs)]


def _skip_simplified_layer_normalization(call: Call) -> Sequence[Tensor | None]:
    x, skip, gamma, bias = (*(call.required(index) for index in range(3)), call.input(3))
    total = x + skip if bias is None else x + skip + bias
    y, inverse = _root_mean_square(total, gamma, call.node.attributes.get_float("epsilon", 1e-12))
    return [y, None, inverse, total][: len(call.node.outputs)]


def _simplified_layer_normalization(call: Call) -> Sequence[Tensor | None]:
    x, gamma = call.required(0), call.required(1)
    axis = call.node.attributes.get_int("axis", -1)
    epsilon = call.node.attributes.get_float("epsilon", 1e-5)
    return _root_mean_square(x, gamma, epsilon, axis)[: len(call.node.outputs)]


def _root_mean_square(
    x: Tensor, gamma: Tensor, epsilon: float, axis: int = -1
) -> tuple[Tensor, Tensor]:
    axes = list(range(axis % x.rank, x.rank))
    # Squares go beyond half precision.
    wide = x.astype(np.dtype(np.float32)) if x.dtype.itemsize < 4 else x
    inverse = x.op.Reciprocal(((wide * wide).mean(axes, keepdims=True) + epsilon).sqrt())
    return (wide * inverse).astype(x.dtype) * gamma.astype(x.dtype), inverse


def _group_norm(call: Call) -> Sequence[Tensor | None]:
    return [_grouped(call, call.required(0))]


def _grouped(call: Call, x: Tensor) -> Tensor:
    """Groups of channels normalised, with a Swish behind it where it is asked for."""
    gamma, beta, attributes = call.required(1), call.required(2), call.node.attributes
    last = _channels_last(call)
    planes = x.transpose(0, 3, 1, 2) if last else x
    groups = call.integer("groups")
    batch, channels, *cells = planes.sizes
    split = planes.reshape(batch, groups, -1)
    ones = call.op.constant(np.ones(groups), x.dtype)
    normal = call.op.InstanceNormalization(
        split, ones, ones * 0, epsilon=attributes.get_float("epsilon", 1e-5)
    ).reshape(batch, channels, *cells)
    factor, offset = (y.reshape(-1, 1, 1).astype(x.dtype) for y in (gamma, beta))
    shaped = normal * factor + offset
    if call.integer("activation", least=0):
        shaped = shaped * call.op.Sigmoid(shaped)
    return shaped.transpose(0, 2, 3, 1) if last else shaped


def _channels_last(call: Call) -> bool:
    return call.node.attributes.get_int("channels_last", 1) == 1


def _skip_group_norm(call: Call) -> Sequence[Tensor | None]:
    """Of a sum, whose second part and bias may be the same for all cells."""
    x, skip, bias = call.required(0), call.required(3), call.input(4)
    cells = (1, 1) if _channels_last(call) else ()
    behind = () if cells else (1, 1)
    if skip.rank == 2:
        batch, channels = skip.sizes
        skip = skip.reshape(batch, *cells, channels, *behind)
    total = x + skip
    if bias is not None:
        total = total + bias.reshape(*cells, -1, *behind)
    return [_grouped(call, total), total][: len(call.node.outputs)]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "EmbedLayerNormalization"): _embed_layer_normalization,
    ("com.microsoft", "GroupNorm"): _group_norm,
    ("com.microsoft", "SkipGroupNorm"): _skip_group_norm,
    ("com.microsoft", "SkipLayerNormalization"): _skip_layer_normalization,
    ("com.microsoft", "SkipSimplifiedLayerNormalization"): _skip_simplified_layer_normalization,
    # ONNX Runtime keeps this one in the standard domain, where ONNX does not know it.
    ("", "SimplifiedLayerNormalization"): _simplified_layer_normalization,
}
