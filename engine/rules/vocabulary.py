"""Words that several gradient rules share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor

# A steep HardSigmoid is a step function, and unlike Greater, Cast and Where it keeps ONNX Runtime's
# blocked convolution layout: two to three times as fast on the CPU. 2^100 leaves room for bounds up
# to 2^27 in float32; the multiplication by a power of two is exact, so the step is exact as well.
_STEEP = float(2.0**100)


def positive_mask(op: Operators, x: Tensor) -> Tensor:
    """1 where x > 0, else 0, in the type of x (float32: exact but for subnormal x)."""
    if x.dtype == np.float32:
        # beta is not 0, which OpenVINO reads as the default 0.5; any normal x · 3e38 outweighs it.
        return op.HardSigmoid(x, alpha=3e38, beta=-1e-30)
    return x.greater(0).astype(x.dtype)


def between_mask(op: Operators, x: Tensor, low: float | None, high: float | None) -> Tensor | None:
    """1 where low < x < high, else 0; `None` where neither bound is given."""
    masks: list[Tensor] = []
    steep = x.dtype == np.float32
    for bound, sign in ((low, 1.0), (high, -1.0)):
        if bound is None or np.isinf(bound):
            continue
        if bound == 0 and sign > 0:
            masks.append(positive_mask(op, x))
        elif steep and 2.0**-20 < abs(bound) < 2.0**27:
            masks.append(op.HardSigmoid(x, alpha=sign * _STEEP, beta=-sign * _STEEP * bound))
        else:
            masks.append((x.greater(bound) if sign > 0 else x.less(bound)).astype(x.dtype))
    if not masks:
        return None
    return masks[0] if len(masks) == 1 else masks[0] * masks[1]


def sum_to_shape(dy: Tensor, x: Tensor) -> Tensor:
    """Undo broadcasting: sum `dy` over the axes along which `x` was repeated."""
    if dy.dims == x.dims:
        return dy
    added = dy.rank - x.rank
    summed = list(range(added))
    for axis, (target, given) in enumerate(zip(x.dims, dy.dims[added:], strict=True), added):
        if target == 1 and given != 1:
            summed.append(axis)
        elif target != given and not isinstance(target, int) and given != 1:
            # Equal or repeated: only the sizes at run time tell.
            return _sum_to_open_shape(dy, x, added)
    if summed:
        dy = dy.sum(summed, keepdims=True)
    return dy if dy.dims == x.dims else reshape_as(dy, x)


def _sum_to_open_shape(dy: Tensor, x: Tensor, added: int) -> Tensor:
    op = dy.op
    before = op.constant(range(added), np.int64)
    differs = op.Not(op.Equal(op.Shape(x), op.Shape(dy, start=added)))
    repeated = op.Reshape(op.NonZero(differs), op.constant([-1], np.int64)) + added
    axes = op.Concat(before, repeated, axis=0) if added else repeated
    (total,) = dy.builder.append(
        "ReduceSum", [dy, axes], {"keepdims": 1, "noop_with_empty_axes": 1}
    )
    return reshape_as(total, x)


def reshape_as(dy: Tensor, x: Tensor) -> Tensor:
    """The elements of `dy` in the shape of `x`."""
    return x.builder.declare_shape(dy.reshape(*x.sizes), x.dims)


def channel_sum(dy: Tensor) -> Tensor:
    """Summed over pictures and pixels, one sum for each channel (axis 1)."""
    return dy.sum([axis for axis in range(dy.rank) if axis != 1])


def expand_as(dy: Tensor, x: Tensor) -> Tensor:
    """`dy` repeated to the shape of `x`."""
    expanded = dy.op.Expand(dy, dy.builder.vector(x.sizes))
    return dy.builder.declare_shape(expanded, x.dims)


def shape_of(x: Tensor) -> Tensor:
    """The shape of x as an int64 vector: a constant where it is known."""
    known = [size for size in x.dims if isinstance(size, int)]
    return x.op.constant(known, np.int64) if len(known) == x.rank else x.op.Shape(x)


def count_of(sizes: Sequence[Size], dtype: np.dtype[np.generic]) -> float | Tensor:
    """How many elements a shape has, to multiply with or divide by: a number, or a scalar."""
    total = math.prod(sizes)
    if not isinstance(total, Tensor):
        return total
    return total.astype(dtype).reshape()


def as_float(size: Size, dtype: np.dtype[np.generic]) -> float | Tensor:
    """A size to compute with in real numbers: a number, or a vector of one."""
    return size.astype(dtype) if isinstance(size, Tensor) else float(size)


def scalar(op: Operators, number: float | Tensor, dtype: np.dtype[np.generic]) -> Tensor:
    """A number, or a tensor of one, without axes; Clip takes no other bounds."""
    return number.reshape() if isinstance(number, Tensor) else op.constant(number, dtype)


def count_up(op: Operators, size: Size) -> Tensor:
    """0, 1, …, size − 1 (int64)."""
    if not isinstance(size, Tensor):
        return op.constant(np.arange(size), np.int64)
    limit = op.Squeeze(size, op.constant([0], np.int64))
    upto = op.Range(op.constant(0, np.int64), limit, op.constant(1, np.int64))
    return size.builder.named(upto, [size])


def constant_of(tensor: Tensor | None, what: str) -> np.ndarray:
    """The data of an input that must be a constant.

    Raises:
        OperatorError: it is computed in the graph.
    """
    array = None if tensor is None else tensor.array
    if array is None:
        raise OperatorError(f"{what} must be a constant for the gradient, and is computed")
    return array


def normalized_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the front."""
    return [int(axis) % rank for axis in axes]


def zeros_like(op: Operators, x: Tensor) -> Tensor:
    """Zeros of the shape and type of x."""
    return x.builder.declare_shape(zeros(op, x.sizes, x.dtype), x.dims)


def zeros(op: Operators, shape: Sequence[Size], dtype: np.dtype[np.generic]) -> Tensor:
    """Zeros, which take no room in the file."""
    return op.ConstantOfShape(op.vector(shape), value=np.zeros(1, dtype))
