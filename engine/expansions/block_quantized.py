"""Weights of few bits, a scale for each block of them: products and look-ups (com.microsoft).

Only the weights are rounded, once and for all; what they are multiplied with is real, and has a
gradient. The weights stay packed in the file: shifts and masks take them apart, which ONNX Runtime
does once, when it opens the model. Where `accuracy_level` allows kernels to round the other factor
as well, it is not rounded here. Sources: the operator documentation of ONNX Runtime,
"ContribOperators"; Dettmers et al., QLoRA: Efficient Finetuning of Quantized LLMs, 2023,
arXiv:2305.14314, for the sixteen values of NF4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..errors import OperatorError
from ..graph.tensor import Size, Tensor
from .table import Call, Expansion

_BYTE = np.dtype(np.uint8)

_NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)

# One bit for the sign, two for the exponent and one for the mantissa; the largest is 1.
_FP4 = tuple(
    sign * value
    for sign in (1.0, -1.0)
    for value in (0.0, 1 / 192, 2 / 3, 1.0, 1 / 3, 1 / 2, 1 / 6, 1 / 4)
)


def _unpacked(call: Call, x: Tensor, bits: int, *, low_first: bool = True) -> Tensor:
    """Bytes (…, n) as (…, n · 8 / bits) numbers of so many bits."""
    if bits == 8:
        return x
    if bits not in (1, 2, 4):
        raise OperatorError(f"{call.where} has weights of {bits} bits; 2, 4 and 8 are supported")
    op = x.op
    mask = op.constant(2**bits - 1, _BYTE)
    shifts = range(0, 8, bits) if low_first else range(8 - bits, -1, -bits)
    behind = op.constant([x.rank], np.int64)
    parts = [
        op.BitwiseAnd(op.BitShift(x, op.constant(shift, _BYTE), direction="RIGHT"), mask)
        for shift in shifts
    ]
    stacked = op.Concat(*(op.Unsqueeze(part, behind) for part in parts), axis=x.rank)
    *before, last = x.sizes
    return stacked.reshape(*before, last * len(parts))


def _matmul_n_bits(call: Call) -> Sequence[Tensor | None]:
    """A product with Wᵀ, W (N, K) in blocks along K."""
    x, packed, scales = (call.required(index) for index in range(3))
    zero, bias, attributes = call.input(3), call.input(5), call.node.attributes
    if call.input(4) is not None:
        raise OperatorError(f"{call.where} has a g_idx, which ONNX Runtime has deprecated")
    if attributes.get_int("weight_prepacked", 0):
        raise OperatorError(f"{call.where} has weights in the layout of one kind of processor")
    width, columns = call.integer("K"), call.integer("N")
    size, bits = call.integer("block_size"), attributes.get_int("bits", 4)
    blocks = math.ceil(width / size)
    grid = _unpacked(call, packed.reshape(columns, blocks, size * bits // 8), bits).astype(x.dtype)
    if zero is None:
        grid = grid - 2 ** (bits - 1)
    else:
        if zero.dtype == _BYTE:
            zero = _unpacked(call, zero.reshape(columns, -1), bits)[:, :blocks]
        grid = grid - zero.reshape(columns, blocks, 1).astype(x.dtype)
    weights = (grid * scales.reshape(columns, blocks, 1)).reshape(columns, blocks * size)
    y = x @ weights[:, :width].transpose(1, 0)
    return [y if bias is None else y + bias]


def _matmul_bnb4(call: Call) -> Sequence[Tensor | None]:
    """A product with Wᵀ, W (N, K) in blocks of all its numbers, floats of four bits."""
    x, packed, scales = (call.required(index) for index in range(3))
    attributes = call.node.attributes
    if attributes.get_int("transB", 1) == 0:
        raise OperatorError(
            f"{call.where} has transB=0, the product of a backward pass, which ONNX Runtime's CPU "
            "provider does not compute"
        )
    width, columns = call.integer("K"), call.integer("N")
    size, count = call.integer("block_size"), width * columns
    values = call.op.constant(_NF4 if call.integer("quant_type", least=0) else _FP4, x.dtype)
    codes = _unpacked(call, packed.reshape(-1), 4, low_first=False)[:count]
    grid = call.op.Gather(values, codes.astype(np.dtype(np.int32)), axis=0)
    scale = _spread(scales.reshape(-1), 0, size, count)
    return [x @ (grid * scale).reshape(columns, width).transpose(1, 0)]


def _gather_block_quantized(call: Call) -> Sequence[Tensor | None]:
    """Rows of a table in blocks; their scales and zero points are looked up alike."""
    table, indices, scales = (call.required(index) for index in range(3))
    zero, attributes = call.input(3), call.node.attributes
    size, bits = attributes.get_int("block_size", 128), attributes.get_int("bits", 4)
    axis = attributes.get_int("gather_axis", 0) % table.rank
    blocked = attributes.get_int("quantize_axis", 1) % table.rank
    kind = table.value.dtype
    if kind not in (ir.DataType.UINT8, ir.DataType.INT4, ir.DataType.UINT4):
        raise OperatorError(f"{call.where} has a table of {kind}, which is not supported")
    packed = kind == ir.DataType.UINT8

    def rows(x: Tensor, places: Tensor) -> Tensor:
        if not packed:
            # A byte for each, which runtimes look up; not all of them convert four bits.
            byte = np.dtype(np.int8)
            x = x.astype(byte) if x.array is None else call.builder.constant(x.array, byte)
        found = call.op.Gather(x, places, axis=axis)
        return (_unpacked(call, found, bits) if packed else found).astype(scales.dtype)

    grid = rows(table, indices)
    # Where the blocks of what was looked up are, and which each row is of.
    place, places = blocked + (indices.rank - 1 if blocked > axis else 0), indices
    if blocked == axis:
        length = call.op.vector([table.sizes[axis]]).astype(indices.dtype)
        places = call.op.Div(call.op.Mod(indices, length), call.op.constant(size, indices.dtype))

    def along(x: Tensor) -> Tensor:
        return x if blocked == axis else _spread(x, place, size, grid.sizes[place])

    if zero is not None:
        # Packed zero points of the last block may be followed by unused bits.
        points = rows(zero, places)
        if packed:
            points = points[(*[slice(None)] * place, slice(0, scales.sizes[blocked]))]
        grid = grid - along(points)
    elif packed:
        grid = grid - 2 ** (bits - 1)
    return [grid * along(call.op.Gather(scales, places, axis=axis))]


def _spread(x: Tensor, axis: int, size: int, length: Size) -> Tensor:
    """Numbers of blocks, each as often as a block has elements; the last block may be cut."""
    sizes = list(x.sizes)
    apart = x.op.Unsqueeze(x, x.op.constant([axis + 1], np.int64))
    wide = x.op.Expand(apart, x.op.vector([*sizes[: axis + 1], size, *sizes[axis + 1 :]]))
    merged = wide.reshape(*sizes[:axis], sizes[axis] * size, *sizes[axis + 1 :])
    return merged[(*[slice(None)] * axis, slice(0, length))]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "GatherBlockQuantized"): _gather_block_quantized,
    ("com.microsoft", "MatMulBnb4"): _matmul_bnb4,
    ("com.microsoft", "MatMulNBits"): _matmul_n_bits,
}
