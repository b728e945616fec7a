"""ONNX Runtime's own operators (com.microsoft), which its optimiser and others' exporters write.

Each becomes the standard operators that it fuses. Sources: the operator documentation of ONNX
Runtime, "ContribOperators".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...errors import OperatorError
from ...graph.tensor import Tensor
from ...graph.words import reshape_as
from ..table import Call, Expansion


def _gelu(call: Call) -> Sequence[Tensor | None]:
    return [_erf_gelu(call.required(0))]


def _bias_gelu(call: Call) -> Sequence[Tensor | None]:
    return [_erf_gelu(call.required(0) + call.required(1))]


def _fast_gelu(call: Call) -> Sequence[Tensor | None]:
    x, bias = call.required(0), call.input(1)
    return [_tanh_gelu(x if bias is None else x + bias)]


def _quick_gelu(call: Call) -> Sequence[Tensor | None]:
    x = call.required(0)
    alpha = call.node.attributes.get_float("alpha", 1.702)
    return [x * call.op.Sigmoid(x * alpha)]


def _bias_split_gelu(call: Call) -> Sequence[Tensor | None]:
    total = call.required(0) + call.required(1)
    half = total.number(-1) // 2
    return [total[..., :half] * _erf_gelu(total[..., half:])]


def _erf_gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + x.op.Erf(x * math.sqrt(0.5)))


def _tanh_gelu(x: Tensor) -> Tensor:
    inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
    return x * 0.5 * (1 + x.op.Tanh(inner))


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


def _nhwc_conv(call: Call) -> Sequence[Tensor | None]:
    """Of (N, …, C) with kernels whose channels are last as well."""
    x, w, bias = call.required(0), call.required(1), call.input(2)
    first = [(0, tensor.rank - 1, *range(1, tensor.rank - 1)) for tensor in (x, w)]
    inputs = [tensor.transpose(*order) for tensor, order in zip((x, w), first, strict=True)]
    y = call.builder.append("Conv", [*inputs, bias], dict(call.node.attributes))[0]
    return [y.transpose(0, *range(2, y.rank), 1)]


def _gemm_fast_gelu(call: Call) -> Sequence[Tensor | None]:
    product, bias = call.required(0) @ call.required(1), call.input(2)
    return [_tanh_gelu(product if bias is None else product + bias)]


def _bias_softmax(call: Call) -> Sequence[Tensor | None]:
    """Of a sum, over all axes from one on; the other part lacks axes in front or among those."""
    x, bias, attributes = call.required(0), call.required(1), call.node.attributes
    axis = attributes.get_int("axis", 1) % x.rank
    total = x + bias
    rows = total.reshape(*x.sizes[:axis], -1)
    return [reshape_as(call.op.Softmax(rows, axis=-1), x)]


def _fused_gemm(call: Call) -> Sequence[Tensor | None]:
    kept = ("alpha", "beta", "transA", "transB")
    attributes = {name: call.node.attributes.get(name) for name in kept}
    y = call.builder.append("Gemm", call.inputs, attributes)[0]
    parameters = [
        call.node.attributes.get_float(f"activation_{name}", default)
        for name, default in (("alpha", 0.01), ("beta", 0.0), ("gamma", 1.0))
    ]
    return [_activated(call, y, parameters)]


def _activated(call: Call, y: Tensor, parameters: Sequence[float]) -> Tensor:
    """The activation that a fused operator names, of as many parameters as it has."""
    name, op = call.node.attributes.get_string("activation", "") or "", call.op
    alpha, beta, gamma = [*parameters, 0.0, 0.0, 0.0][:3]
    if name == "":
        return y
    if name in ("HardSwish", "Relu", "Sigmoid", "Softplus", "Softsign", "Tanh"):
        return call.builder.append(name, [y], {})[0]
    if name in ("Celu", "Elu", "LeakyRelu", "ThresholdedRelu"):
        return call.builder.append(name, [y], {"alpha": alpha})[0]
    if name == "HardSigmoid":
        return op.HardSigmoid(y, alpha=alpha, beta=beta)
    if name == "Selu":
        return op.Selu(y, alpha=alpha, gamma=gamma)
    if name == "ScaledTanh":
        return op.Tanh(y * beta) * alpha
    if name == "ParametricSoftplus":
        return op.Softplus(y * beta) * alpha
    if name == "Clip":
        return op.Clip(y, op.constant(alpha, y.dtype), op.constant(beta, y.dtype))
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


def _refuse_layout(call: Call) -> Sequence[Tensor | None]:
    raise OperatorError(
        f"{call.where} of {call.node.domain} has the layout of one kind of processor: ONNX Runtime "
        "wrote this file fully optimised; use the file before, or write it with "
        "ORT_ENABLE_EXTENDED at most"
    )


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "BiasAdd"): _bias_add,
    ("com.microsoft", "BiasGelu"): _bias_gelu,
    ("com.microsoft", "BiasSoftmax"): _bias_softmax,
    ("com.microsoft", "BiasSplitGelu"): _bias_split_gelu,
    ("com.microsoft", "FastGelu"): _fast_gelu,
    ("com.microsoft", "FusedConv"): _fused_conv,
    ("com.microsoft", "FusedGemm"): _fused_gemm,
    ("com.microsoft", "FusedMatMul"): _fused_matmul,
    ("com.microsoft", "Gelu"): _gelu,
    ("com.microsoft", "GemmFastGelu"): _gemm_fast_gelu,
    ("com.microsoft", "NhwcConv"): _nhwc_conv,
    ("com.microsoft", "QuickGelu"): _quick_gelu,
    # As FusedMatMul was called before.
    ("com.microsoft", "TransposeMatMul"): _fused_matmul,
}

# Operators on tensors in blocks of channels, or channels last.
DOMAINS: dict[str, Expansion] = {
    "com.microsoft.nchwc": _refuse_layout,
    "com.ms.internal.nhwc": _refuse_layout,
}
