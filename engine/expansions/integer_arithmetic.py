"""Arithmetic of quantised networks in integers, written in real numbers on the same grids.

A product of integers of 8 bits, and a sum of such products up to 2²⁴, is exact in single precision,
so the values are those of integers, and a gradient goes through: straight through what rounds to
the next grid, and zero where a value is beyond its ends (see `quantized`). The scale of a grid that
is made of the values themselves, as by DynamicQuantizeLinear, counts as constant: a change of it
moves all of the grid and, but for the rounding, no value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..errors import OperatorError
from ..graph.builder import Compound
from ..graph.tensor import Tensor
from .quantized import on_grid
from .table import Call, Expansion

_BYTE = ir.DataType.UINT8
_WHOLE = ir.DataType.INT32
_REAL = np.dtype(np.float32)


def _has_real(call: Call) -> bool:
    """Return whether any integers of a node are kept as real numbers.

    Where none are, none has a gradient, and the runtime's own sums are exact whatever their size.
    """
    given = (tensor for tensor in call.inputs if tensor is not None)
    return any(tensor.value in call.builder.integers for tensor in given)


def _centred(call: Call, index: int, zero: Tensor | None, axis: int | None = None) -> Tensor:
    """Integers of an input less their zero point, as float32.

    Args:
        call: The node.
        index: Which input.
        zero: One for all, or one for each entry along the axis; `None` is zero.
        axis: See `zero`; `None` where several are already of a shape that fits.
    """
    x = call.required(index)
    known = x.array
    real = x.astype(_REAL) if known is None else call.op.constant(known, np.float32)
    if zero is None or (zero.array is not None and not zero.array.any()):
        return real
    return real - _along(zero.astype(_REAL), axis, x)


def _along(parameter: Tensor, axis: int | None, x: Tensor) -> Tensor:
    """A scale or zero point as it meets x along one of its axes."""
    if parameter.rank != 1 or parameter.dims == (1,) or axis is None:
        return parameter
    return parameter.reshape(*(-1 if a == axis % x.rank else 1 for a in range(x.rank)))


def _real(call: Call, index: int, scale: int, zero: int) -> Tensor:
    """What the integers of an input stand for, from the indices of its scale and zero point."""
    return _centred(call, index, call.input(zero)) * call.required(scale).astype(_REAL)


def _to_grid(call: Call, y: Tensor, scale: int, zero: int, kind: ir.DataType) -> list[Tensor]:
    """Real numbers on the output's grid."""
    return [on_grid(call, y / call.required(scale).astype(_REAL), call.input(zero), kind)]


def _kind(call: Call, index: int) -> ir.DataType:
    """The type of an input's integers, which may be kept as real numbers."""
    value = call.required(index).value
    kind = call.builder.integers.get(value, value.dtype)
    if kind is None:
        raise OperatorError(f"{call.where} takes integers of a type that is not known")
    return kind


# Integers that are summed -------------------------------------------------------------------------


def _whole(call: Call, y: Tensor) -> list[Tensor]:
    call.builder.integers[y.value] = _WHOLE
    return [y]


def _product(call: Call, a: int, b: int, a_zero: int, b_zero: int) -> Tensor:
    """The matrix product of two inputs less their zero points: of rows of a, of columns of b."""
    left = _centred(call, a, call.input(a_zero), -2 if call.required(a).rank > 1 else None)
    right = _centred(call, b, call.input(b_zero), -1)
    return call.op.MatMul(left, right)


def _convolution(
    call: Call, x: Tensor, w: Tensor, bias: Tensor | None = None, *, dropped: Sequence[str] = ()
) -> Tensor:
    attributes = {k: v for k, v in call.node.attributes.items() if k not in dropped}
    return call.builder.append("Conv", [x, w, bias], attributes)[0]


def _matmul_integer(call: Call) -> Sequence[Tensor | None] | None:
    if not _has_real(call):
        return None
    return _whole(call, _product(call, 0, 1, 2, 3))


def _conv_integer(call: Call) -> Sequence[Tensor | None] | None:
    zero = call.input(3)
    if not _has_real(call) and (zero is None or zero.rank == 0 or zero.dims == (1,)):
        return None  # of a zero point for each channel the runtime has no kernel
    x, w = _centred(call, 0, call.input(2)), _centred(call, 1, call.input(3), 0)
    return _whole(call, _convolution(call, x, w))


def _qlinear_matmul(call: Call) -> Sequence[Tensor | None]:
    a, b, y = (call.required(index).astype(_REAL) for index in (1, 4, 6))
    left = _along(a, -2, call.required(0)) if call.required(0).rank > 1 else a
    factor = left * _along(b, -1, call.required(3)) / y
    scaled = _product(call, 0, 3, 2, 5) * factor
    return [on_grid(call, scaled, call.input(7), _kind(call, 7))]


def _qlinear_conv(call: Call) -> Sequence[Tensor | None]:
    if call.node.attributes.get_int("channels_last", 0):
        raise OperatorError(f"{call.where} has channels last, which is not differentiated")
    x, w = _centred(call, 0, call.input(2)), _centred(call, 3, call.input(5), 0)
    bias = None if call.input(8) is None else _centred(call, 8, None)
    sums = _convolution(call, x, w, bias, dropped=["channels_last"])
    scales = (call.required(index).astype(_REAL) for index in (1, 4, 6))
    of_x, of_w, of_y = scales
    scaled = sums * _along(of_x * of_w / of_y, 1, sums)
    return [on_grid(call, scaled, call.input(7), _kind(call, 7))]


def _qgemm(call: Call) -> Sequence[Tensor | None]:
    """`QGemm`: real numbers where no grid is given for them."""
    attributes = call.node.attributes
    turned_a, turned_b = (attributes.get_int(name, 0) for name in ("transA", "transB"))
    a = _centred(call, 0, call.input(2))
    b = _centred(call, 3, call.input(5), 0 if turned_b else 1)
    bias = None if call.input(6) is None else _centred(call, 6, None)
    left = call.op.Transpose(a, perm=[1, 0]) if turned_a else a
    right = call.op.Transpose(b, perm=[1, 0]) if turned_b else b
    sums = call.op.MatMul(left, right)
    if bias is not None:
        sums = sums + bias
    factor = call.required(1) * call.required(4) * attributes.get_float("alpha", 1.0)
    if call.input(7) is None:
        return [sums * factor]
    scaled = sums * (factor / call.required(7))
    return [on_grid(call, scaled, call.input(8), _kind(call, 8))]


def _matmul_to_float(call: Call) -> Sequence[Tensor | None]:
    y = _product(call, 0, 1, 4, 5) * (call.required(2) * call.required(3))
    bias = call.input(6)
    return [y if bias is None else y + bias]


# Grids of the values themselves -------------------------------------------------------------------


def _own_grid(call: Call, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values on the grid of bytes from their smallest to their largest, its scale and its zero."""
    op = call.op
    zero = op.constant(0, np.float32)
    top = op.Max(op.ReduceMax(x, keepdims=0), zero)
    bottom = op.Min(op.ReduceMin(x, keepdims=0), zero)
    width = top - bottom
    scale = op.Where(op.Equal(width, zero), op.constant(1, np.float32), width / 255)
    call.builder.compounds[scale.value] = Compound((), lambda *_: (), frozenset())
    position = op.Round(op.Clip(-bottom / scale, zero, op.constant(255, np.float32)))
    call.builder.integers[position.value] = _BYTE
    return on_grid(call, x / scale, position, _BYTE, fits=True), scale, position


def _dynamic_quantize(call: Call) -> Sequence[Tensor | None]:
    return _own_grid(call, call.required(0))


def _dynamic_matmul(call: Call) -> Sequence[Tensor | None]:
    grid, scale, zero = _own_grid(call, call.required(0))
    right = _centred(call, 1, call.input(3), -1)
    y = call.op.MatMul(grid - zero, right) * (scale * call.required(2))
    bias = call.input(4)
    return [y if bias is None else y + bias]


# One number by another ----------------------------------------------------------------------------


def _add(call: Call) -> Sequence[Tensor | None]:
    y = _real(call, 0, 1, 2) + _real(call, 3, 4, 5)
    return _to_grid(call, y, 6, 7, _kind(call, 0))


def _multiply(call: Call) -> Sequence[Tensor | None]:
    a, b = _centred(call, 0, call.input(2)), _centred(call, 3, call.input(5))
    factor = call.required(1) * call.required(4) / call.required(6)
    return [on_grid(call, a * b * factor, call.input(7), _kind(call, 0))]


def _sigmoid(call: Call) -> Sequence[Tensor | None]:
    return _to_grid(call, call.op.Sigmoid(_real(call, 0, 1, 2)), 3, 4, _kind(call, 0))


def _leaky_relu(call: Call) -> Sequence[Tensor | None]:
    alpha = call.node.attributes.get_float("alpha", 0.01)
    y = call.op.LeakyRelu(_real(call, 0, 1, 2), alpha=alpha)
    return _to_grid(call, y, 3, 4, _kind(call, 0))


def _where(call: Call) -> Sequence[Tensor | None]:
    y = call.op.Where(call.required(0), _real(call, 1, 2, 3), _real(call, 4, 5, 6))
    return _to_grid(call, y, 7, 8, _kind(call, 1))


def _concat(call: Call) -> Sequence[Tensor | None]:
    parts = [_real(call, i, i + 1, i + 2) for i in range(2, len(call.inputs), 3)]
    axis = int(call.attribute("axis").as_int())
    return _to_grid(call, call.op.Concat(*parts, axis=axis), 0, 1, _kind(call, 2))


def _global_pool(call: Call) -> Sequence[Tensor | None]:
    x = _real(call, 0, 1, 2)
    last = call.node.attributes.get_int("channels_last", 0)
    axes = range(1, x.rank - 1) if last else range(2, x.rank)
    y = call.op.ReduceMean(x, call.op.constant(list(axes), np.int64), keepdims=1)
    return _to_grid(call, y, 3, 4, _kind(call, 0))


def _pool(call: Call) -> Sequence[Tensor | None]:
    attributes = dict(call.node.attributes)
    call.integers("kernel_shape")
    for name in ("channels_last", "ceil_mode"):
        if call.node.attributes.get_int(name, 0):
            raise OperatorError(f"{call.where} has {name}, which is not differentiated")
        attributes.pop(name, None)
    y = call.builder.append("AveragePool", [_real(call, 0, 1, 2)], attributes)[0]
    return _to_grid(call, y, 3, 4, _kind(call, 0))


def _softmax(call: Call) -> Sequence[Tensor | None]:
    x = _real(call, 0, 1, 2)
    axis = call.node.attributes.get_int("axis", -1) % x.rank
    if call.integer("opset") < 13 and axis < x.rank - 1:
        # All axes from there on were one.
        flat = call.op.Softmax(call.op.Flatten(x, axis=axis), axis=-1)
        y = call.op.Reshape(flat, call.op.Shape(x))
    else:
        y = call.op.Softmax(x, axis=axis)
    return _to_grid(call, y, 3, 4, _kind(call, 0))


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "ConvInteger"): _conv_integer,
    ("", "DynamicQuantizeLinear"): _dynamic_quantize,
    ("", "MatMulInteger"): _matmul_integer,
    ("", "QLinearConv"): _qlinear_conv,
    ("", "QLinearMatMul"): _qlinear_matmul,
    **{
        ("com.microsoft", name): expansion
        for name, expansion in {
            "DynamicQuantizeMatMul": _dynamic_matmul,
            "MatMulIntegerToFloat": _matmul_to_float,
            "QGemm": _qgemm,
            "QLinearAdd": _add,
            "QLinearAveragePool": _pool,
            "QLinearConcat": _concat,
            "QLinearConv": _qlinear_conv,
            "QLinearGlobalAveragePool": _global_pool,
            "QLinearLeakyRelu": _leaky_relu,
            "QLinearMul": _multiply,
            "QLinearSigmoid": _sigmoid,
            "QLinearSoftmax": _softmax,
            "QLinearWhere": _where,
        }.items()
    },
}
