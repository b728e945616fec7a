"""Sums over some of a picture's axes, kept from an order that depends on the other pictures.

ONNX Runtime adds up a row of numbers four at a time, from the first address on that 16 divides: of
rows of 121 numbers the second begins with other ones than the first. And what it adds up along
another axis, such as all channels of each cell, it adds up in another order where there is one
picture than where there are several. So the same picture would have other last bits alone than it
has among others, and behind some hundred steps would be another one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..builder import Builder
from ..tensor import Tensor
from ..words import normalized_axes
from .plan import Plan

_AT_ONCE = 4
"""So many numbers are added up at a time: rows of a multiple of it all begin alike, and fewer are
added up one by one."""

_SUMS = frozenset({"ReduceSum", "ReduceMean"})
_ROUNDED = frozenset({ir.DataType.FLOAT, ir.DataType.DOUBLE})


def add_up_alike(builder: Builder, plan: Plan) -> None:
    """Write sums so that each picture's is the same to the last bit, alone and among others.

    Rows are filled up with zeros; what is added up along another axis is a product with ones.
    """
    del plan  # what there is to do does not depend on it
    found = [(node, axes) for node in builder.graph if (axes := _at_risk(node))]
    for node, axes in found:
        value = node.inputs[0]
        assert value is not None  # `_at_risk` has read its shape
        x = Tensor(builder, value)
        keepdims = bool(node.attributes.get_int("keepdims", 1))
        total = (_filled_up if _are_last(x.shape, axes) else _as_product)(x, axes, keepdims)
        # The node becomes the last one itself: its result keeps its name, and may be an output.
        is_mean = node.op_type == "ReduceMean"
        node.op_type = "Div" if is_mean else "Identity"
        node.attributes.clear()
        node.replace_input_with(0, total.value)
        if is_mean:
            count = builder.constant(math.prod(x.shape[axis] for axis in axes), x.dtype)
            node.replace_input_with(1, count.value)
        else:
            node.resize_inputs(1)
    if found:
        builder.graph.sort()


def _filled_up(x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """The sum over the last axes, whose rows are a multiple of four numbers by zeros."""
    longest = max(axes, key=lambda axis: x.shape[axis])
    ends = np.zeros((2, x.rank), np.int64)
    ends[1, longest] = -x.shape[longest] % _AT_ONCE
    return x.op.Pad(x, x.op.constant(ends.ravel())).sum(axes, keepdims)


def _as_product(x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """The sum over axes before others, of each picture a product with a row of ones."""
    before, length, behind = _divided(x.shape, axes)
    ones = x.op.constant(np.ones((1, length), x.dtype))
    total = ones @ x.reshape(x.shape[0] * before, length, behind)
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return total.reshape(*(size for axis, size in enumerate(shape) if keepdims or axis not in axes))


def _at_risk(node: ir.Node) -> list[int]:
    """The axes of a sum that may depend on the other pictures, from the front; none of others.

    The first axis is that of pictures. Numbers of a row are beside each other where the last axes
    are added up: there pictures differ where what each has is no multiple of four numbers. Along
    axes before others, it counts how many pictures there are where nothing else stands before them.
    """
    if node.op_type not in _SUMS or node.domain != "" or len(node.inputs) < 2:
        return []
    x, given = node.inputs
    if x is None or x.shape is None or x.dtype not in _ROUNDED:
        return []
    shape = [size for size in x.shape if isinstance(size, int)]
    if len(shape) < len(x.shape) or given is None or given.const_value is None:
        return []
    axes = sorted(normalized_axes(given.const_value.numpy().ravel().tolist(), len(shape)))
    rows = [axis for axis in axes if shape[axis] > 1]
    if not rows or axes[0] == 0 or 0 in shape:
        return []
    if any(shape[axis] > 1 for axis in range(rows[0], rows[-1]) if axis not in axes):
        return []
    before, length, behind = _divided(shape, axes)
    if length < _AT_ONCE:
        return []
    if _are_last(shape, axes):
        return axes if before * length % _AT_ONCE else []
    return axes if before == 1 or behind == 1 else []


def _are_last(shape: Sequence[int], axes: Sequence[int]) -> bool:
    """Whether nothing is kept behind axes that have more than one element."""
    last = max(axis for axis in axes if shape[axis] > 1)
    return all(axis in axes for axis in range(last, len(shape)))


def _divided(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, int, int]:
    """How many numbers of a picture stand before axes, along them, and behind them."""
    rows = [axis for axis in axes if shape[axis] > 1]
    first, stop = rows[0], rows[-1] + 1
    return math.prod(shape[1:first]), math.prod(shape[first:stop]), math.prod(shape[stop:])
