"""Quantised networks: QuantizeLinear and DequantizeLinear with a straight-through gradient.

Rounding has no derivative but zero. Where a network rounds its values to a grid of integers, the
gradient of the values before the grid is taken instead, and zero where they are beyond its ends.
Between the two operators the grid's integers, or floating-point numbers of few bits, are kept as
wider floating-point numbers. (Bengio, Léonard,
Courville: Estimating or Propagating Gradients Through Stochastic Neurons, 2013; Jacob et al.:
Quantization and Training of Neural Networks, 2018.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..errors import OperatorError
from ..graph.builder import Composite
from ..graph.tensor import Tensor
from .table import Call, Expansion


def _quantize(call: Call) -> Sequence[Tensor | None]:
    """round(x / scale) + zero point, between the ends of the integer type; kept as x's type."""
    x, scale, zero = call.required(0), call.required(1), call.input(2)
    attributes = call.node.attributes
    code = attributes.get_int("output_dtype", 0)
    kind = ir.DataType(code) if code else ir.DataType.UINT8
    if zero is not None and zero.value.dtype is not None:
        kind = zero.value.dtype
    scaled = x / _along_axis(call, scale.astype(x.dtype), x)
    if not kind.is_integer():
        if zero is not None and (zero.array is None or np.any(zero.array.astype(np.float32))):
            raise OperatorError(
                f"{call.where} quantises to {kind} with a zero point, which has to be 0 there"
            )
        return [_on_few_bits(call, scaled, kind)]
    return [on_grid(call, scaled, None if zero is None else _along_axis(call, zero, x), kind)]


def on_grid(
    call: Call, scaled: Tensor, zero: Tensor | None, kind: ir.DataType, *, fits: bool = False
) -> Tensor:
    """Round numbers to integers of a type, kept as real numbers.

    Args:
        call: The node that rounds.
        scaled: The numbers, in steps of the grid.
        zero: Where zero is on the grid, of a shape that fits; `None` is at zero.
        kind: The type of the integers.
        fits: Whether nothing is beyond the grid's ends but by rounding.
    """
    rounded = call.op.Round(scaled)
    straight = Composite(scaled, lambda dy: dy, rounding=call.where)
    if not fits:
        call.builder.composites[rounded.value] = straight
    if zero is not None:
        rounded = rounded + zero.astype(scaled.dtype)
    low, high = (call.op.constant(end, scaled.dtype) for end in _ends(kind))
    grid = call.op.Clip(rounded, low, high)
    if fits:
        call.builder.composites[grid.value] = straight
    call.builder.integers[grid.value] = kind
    return grid


def _on_few_bits(call: Call, scaled: Tensor, kind: ir.DataType) -> Tensor:
    """Round numbers to those that a floating-point type of few bits has, kept in their own."""
    op, saturate = call.op, call.node.attributes.get_int("saturate", 1)
    if saturate:
        bounds = (op.constant(float(end), scaled.dtype) for end in (kind.min, kind.max))
        scaled = op.Clip(scaled, *bounds)
    options = {"to": int(kind), "saturate": saturate}
    (coarse,) = call.builder.append("Cast", [scaled], options)
    grid = op.Cast(coarse, to=int(ir.DataType.from_numpy(scaled.dtype)))
    straight = Composite(scaled, lambda dy: dy, rounding=call.where, onto=str(kind).lower())
    call.builder.composites[grid.value] = straight
    call.builder.integers[grid.value] = kind
    return grid


def _cast(call: Call) -> Sequence[Tensor | None] | None:
    """A cast to a floating-point type of few bits; others have a rule."""
    x = call.required(0)
    if call.node.op_type == "CastLike":
        kind = call.required(1).value.dtype
    else:
        kind = ir.DataType(call.node.attributes.get_int("to", 0))
    if kind not in _FEW_BITS or x.array is not None or x.value.dtype is None:
        return None
    if not x.value.dtype.is_floating_point():
        return None
    few = x.value.dtype in _FEW_BITS
    return [_on_few_bits(call, x.astype(np.dtype(np.float32)) if few else x, kind)]


def _dequantize(call: Call) -> Sequence[Tensor | None]:
    """(x − zero point) · scale, in the scale's type."""
    x, scale, zero = call.required(0), call.required(1), call.input(2)
    code = call.node.attributes.get_int("output_dtype", 0)
    dtype = ir.DataType(code).numpy() if code else scale.dtype
    grid = x.astype(dtype) if x.array is None else call.builder.constant(x.array, dtype)
    if zero is not None:
        grid = grid - _along_axis(call, zero.astype(dtype), x)
    return [grid * _along_axis(call, scale.astype(dtype), x)]


def _along_axis(call: Call, parameter: Tensor, x: Tensor) -> Tensor:
    """A scale or zero point as it meets x: one for all, one for each channel, or one a block."""
    if parameter.rank == 0 or x.rank == 0:
        return parameter
    axis = call.node.attributes.get_int("axis", 1) % x.rank
    block = call.node.attributes.get_int("block_size", 0)
    if parameter.rank == 1:
        if parameter.dims == (1,):
            return parameter
        return parameter.reshape(*(-1 if a == axis else 1 for a in range(x.rank)))
    if not block:
        return parameter
    spread = call.op.Unsqueeze(parameter, call.op.constant([axis + 1], np.int64))
    sizes = list(parameter.sizes)
    wide = call.op.Expand(spread, call.op.vector([*sizes[: axis + 1], block, *sizes[axis + 1 :]]))
    merged = [*sizes[:axis], sizes[axis] * block, *sizes[axis + 1 :]]
    # The last block may be cut.
    return wide.reshape(*merged)[(*[slice(None)] * axis, slice(0, x.sizes[axis]))]


def _ends(kind: ir.DataType) -> tuple[int, int]:
    bits = round(kind.itemsize * 8)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.is_signed() else (0, 2**bits - 1)


def _refuse_integers(call: Call) -> Sequence[Tensor | None]:
    raise OperatorError(
        f"{call.where} computes with integers alone, which have no gradient; use the model before "
        "its quantisation, or one with QuantizeLinear and DequantizeLinear around float operators"
    )


_FEW_BITS = frozenset(
    {
        ir.DataType.FLOAT8E4M3FN,
        ir.DataType.FLOAT8E4M3FNUZ,
        ir.DataType.FLOAT8E5M2,
        ir.DataType.FLOAT8E5M2FNUZ,
        ir.DataType.FLOAT8E8M0,
        ir.DataType.FLOAT4E2M1,
    }
)

_INTEGER_ONLY = ("DynamicQuantizeLSTM", "QAttention", "QLinearReduceMean", "QMoE")

EXPANSIONS: dict[tuple[str, str], Expansion] = {
    **{("", op_type): _cast for op_type in ("Cast", "CastLike")},
    **{(domain, "QuantizeLinear"): _quantize for domain in ("", "com.microsoft")},
    **{(domain, "DequantizeLinear"): _dequantize for domain in ("", "com.microsoft")},
    **{("com.microsoft", op_type): _refuse_integers for op_type in _INTEGER_ONLY},
}
