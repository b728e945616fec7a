"""ONNX Runtime's own operators (com.microsoft), which its optimiser and others' exporters write.

Each becomes the standard operators that it fuses. Sources: the operator documentation of ONNX
Runtime, "ContribOperators".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..errors import OperatorError
from ..graph.tensor import Tensor
from .heads import attend, joined_heads, split_heads
from .table import Call, Expansion


def _gelu(call: Call) -> Sequence[Tensor | None]:
    return [_erf_gelu(call.required(0))]


def _bias_gelu(call: Call) -> Sequence[Tensor | None]:
    return [_erf_gelu(call.required(0) + call.required(1))]


def _fast_gelu(call: Call) -> Sequence[Tensor | None]:
    x, bias = call.required(0), call.input(1)
    x = x if bias is None else x + bias
    inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
    return [x * 0.5 * (1 + call.op.Tanh(inner))]


def _quick_gelu(call: Call) -> Sequence[Tensor | None]:
    x = call.required(0)
    alpha = call.node.attributes.get_float("alpha", 1.702)
    return [x * call.op.Sigmoid(x * alpha)]


def _bias_split_gelu(call: Call) -> Sequence[Tensor | None]:
    total = call.required(0) + call.required(1)
    half = total.shape[-1] // 2
    return [total[..., :half] * _erf_gelu(total[..., half:])]


def _erf_gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + x.op.Erf(x * math.sqrt(0.5)))


def _bias_add(call: Call) -> Sequence[Tensor | None]:
    return [call.required(0) + call.required(1) + call.required(2)]


def _fused_conv(call: Call) -> Sequence[Tensor | None]:
    x, w, bias, addend = call.required(0), call.required(1), call.input(2), call.input(3)
    kept = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    attributes = {name: call.node.attributes.get(name) for name in kept}
    y = call.builder.append("Conv", [x, w, bias], attributes)[0]
    y = y if addend is None else y + addend
    parameters = call.node.attributes.get_floats("activation_params", None) or []
    return [_activated(call, y, parameters)]


def _fused_gemm(call: Call) -> Sequence[Tensor | None]:
    kept = ("alpha", "beta", "transA", "transB")
    attributes = {name: call.node.attributes.get(name) for name in kept}
    y = call.builder.append("Gemm", call.inputs, attributes)[0]
    parameters = [
        call.node.attributes.get_float(f"activation_{name}", default)
        for name, default in (("alpha", 0.01), ("beta", 0.0))
    ]
    return [_activated(call, y, parameters)]


def _activated(call: Call, y: Tensor, parameters: Sequence[float]) -> Tensor:
    """The activation that a fused operator names."""
    name = call.node.attributes.get_string("activation", "") or ""
    first, second = [*parameters, 0.0, 0.0][:2]
    if name == "":
        return y
    if name in ("Relu", "Tanh", "Sigmoid"):
        return call.builder.append(name, [y], {})[0]
    if name == "LeakyRelu":
        return call.op.LeakyRelu(y, alpha=first)
    if name == "HardSigmoid":
        return call.op.HardSigmoid(y, alpha=first, beta=second)
    if name == "Clip":
        return call.op.Clip(y, call.op.constant(first, y.dtype), call.op.constant(second, y.dtype))
    raise OperatorError(f"{call.where} has the activation {name!r}, which is not known")


def _fused_matmul(call: Call) -> Sequence[Tensor | None]:
    attributes = call.node.attributes
    sides = []
    for tensor, side in ((call.required(0), "A"), (call.required(1), "B")):
        order = list(range(tensor.rank))
        if attributes.get_int(f"transBatch{side}", 0):
            # The axis before the last one comes to the front.
            order = [*order[1:-1], order[0], order[-1]]
        if attributes.get_int(f"trans{side}", 0) and tensor.rank > 1:
            order[-2:] = order[:-3:-1]
        plain = order == list(range(tensor.rank))
        sides.append(tensor if plain else tensor.transpose(*order))
    alpha = attributes.get_float("alpha", 1.0)
    product = sides[0] @ sides[1]
    return [product if alpha == 1 else product * alpha]


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
    """Of (N, H, W, C), with a Swish behind it where it is asked for."""
    x, gamma, beta = (call.required(index) for index in range(3))
    attributes = call.node.attributes
    last = attributes.get_int("channels_last", 1) == 1
    planes = x.transpose(0, 3, 1, 2) if last else x
    groups = attributes.get_int("groups", 1)
    batch, channels, *cells = planes.sizes
    split = planes.reshape(batch, groups, -1)
    ones = call.op.constant(np.ones(groups), x.dtype)
    normal = call.op.InstanceNormalization(
        split, ones, ones * 0, epsilon=attributes.get_float("epsilon", 1e-5)
    ).reshape(batch, channels, *cells)
    shaped = normal * gamma.reshape(-1, 1, 1).astype(x.dtype) + beta.reshape(-1, 1, 1).astype(
        x.dtype
    )
    if attributes.get_int("activation", 0):
        shaped = shaped * call.op.Sigmoid(shaped)
    return [shaped.transpose(0, 2, 3, 1) if last else shaped]


def _multi_head_attention(call: Call) -> Sequence[Tensor | None]:
    query, key, value = (call.required(index) for index in range(3))
    bias, scores = call.input(3), call.input(5)
    _refuse(call, "a cache of past keys", range(6, 8))
    _refuse(call, "a key padding mask", [4])
    if query.rank != 3 or key.rank != 3 or value.rank != 3:
        raise OperatorError(
            f"{call.where} takes packed or four-dimensional keys: only (N, L, C) is supported"
        )
    if bias is not None:
        width, values = query.shape[-1], value.shape[-1]
        query, key = query + bias[:width], key + bias[width : 2 * width]
        value = value + bias[2 * width : 2 * width + values]
    heads = call.node.attributes.get_int("num_heads", 1)
    parts = [split_heads(tensor, heads) for tensor in (query, key, value)]
    mixed = attend(
        *parts,
        scale=call.node.attributes.get_float("scale", 0.0),
        bias=scores,
        causal=call.node.attributes.get_int("unidirectional", 0) == 1,
    )
    return [joined_heads(mixed), *([None] * (len(call.node.outputs) - 1))]


def _attention(call: Call) -> Sequence[Tensor | None]:
    """Of com.microsoft: one product for queries, keys and values."""
    x, weights, bias = call.required(0), call.required(1), call.input(2)
    _refuse(call, "a mask", [3])
    _refuse(call, "a cache of past keys", [4, 6])
    projected = x @ weights
    projected = projected if bias is None else projected + bias
    sizes = call.node.attributes.get_ints("qkv_hidden_sizes", None)
    width = projected.shape[-1]
    query, key, value = sizes or [width // 3] * 3
    heads = call.node.attributes.get_int("num_heads", 1)
    ends = (0, query, query + key, query + key + value)
    parts = [split_heads(projected[..., first:last], heads) for first, last in pairwise(ends)]
    mixed = attend(
        *parts,
        scale=call.node.attributes.get_float("scale", 0.0),
        bias=call.input(5),
        causal=call.node.attributes.get_int("unidirectional", 0) == 1,
    )
    return [joined_heads(mixed), *([None] * (len(call.node.outputs) - 1))]


def _refuse(call: Call, what: str, indices: Sequence[int]) -> None:
    if any(call.input(index) is not None for index in indices):
        raise OperatorError(f"{call.where} has {what}, which is not supported")


def _refuse_layout(call: Call) -> Sequence[Tensor | None]:
    raise OperatorError(
        f"{call.where} of {call.node.domain} has the layout of one kind of processor: ONNX Runtime "
        "wrote this file fully optimised; use the file before, or write it with "
        "ORT_ENABLE_EXTENDED at most"
    )


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "Attention"): _attention,
    ("com.microsoft", "BiasAdd"): _bias_add,
    ("com.microsoft", "BiasGelu"): _bias_gelu,
    ("com.microsoft", "BiasSplitGelu"): _bias_split_gelu,
    ("com.microsoft", "FastGelu"): _fast_gelu,
    ("com.microsoft", "FusedConv"): _fused_conv,
    ("com.microsoft", "FusedGemm"): _fused_gemm,
    ("com.microsoft", "FusedMatMul"): _fused_matmul,
    ("com.microsoft", "Gelu"): _gelu,
    ("com.microsoft", "GroupNorm"): _group_norm,
    ("com.microsoft", "MultiHeadAttention"): _multi_head_attention,
    ("com.microsoft", "QuickGelu"): _quick_gelu,
    ("com.microsoft", "SkipLayerNormalization"): _skip_layer_normalization,
    ("com.microsoft", "SkipSimplifiedLayerNormalization"): _skip_simplified_layer_normalization,
    # ONNX Runtime keeps this one in the standard domain, where ONNX does not know it.
    ("", "SimplifiedLayerNormalization"): _simplified_layer_normalization,
}

# Operators on tensors in blocks of channels, or channels last.
DOMAINS: dict[str, Expansion] = {
    "com.microsoft.nchwc": _refuse_layout,
    "com.ms.internal.nhwc": _refuse_layout,
}
