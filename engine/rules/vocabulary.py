"""Words that several gradient rules share."""

from __future__ import annotations

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.ranges import may_be_infinite
from ..graph.tensor import Tensor
from ..graph.words import reshape_as

# A steep HardSigmoid is a step function, and unlike Greater, Cast and Where it keeps ONNX Runtime's
# blocked convolution layout: two to three times as fast on the CPU. 2^100 leaves room for bounds up
# to 2^27 in float32; the multiplication by a power of two is exact, so the step is exact as well.
_STEEP = float(2.0**100)


def positive_mask(op: Operators, x: Tensor) -> Tensor:
    """Return 1 where x > 0, else 0, in the type of x (float32: exact but for subnormal x)."""
    if x.dtype == np.float32:
        # beta is not 0, which OpenVINO reads as the default 0.5; any normal x · 3e38 outweighs it.
        return op.HardSigmoid(x, alpha=3e38, beta=-1e-30)
    return x.greater(0).astype(x.dtype)


def between_mask(op: Operators, x: Tensor, low: float | None, high: float | None) -> Tensor | None:
    """Return 1 where low < x < high, else 0; `None` where neither bound is given."""
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


def unless_zero(value: Tensor, dx: Tensor) -> Tensor:
    """Return a cotangent that is zero where a value is."""
    op = dx.op
    return op.Where(op.Equal(value, op.constant(0, value.dtype)), op.constant(0, dx.dtype), dx)


def let_through(op: Operators, dy: Tensor, mask: Tensor) -> Tensor:
    """Return a cotangent where a mask is 1, and zero where it is 0, also of what is infinite."""
    if may_be_infinite(dy):
        return op.Where(op.Equal(mask, op.constant(0, mask.dtype)), op.constant(0, dy.dtype), dy)
    return dy * mask


def channel_sum(dy: Tensor) -> Tensor:
    """Sum over pictures and pixels, one sum for each channel (axis 1)."""
    return dy.sum([axis for axis in range(dy.rank) if axis != 1])


def constant_of(tensor: Tensor | None, what: str) -> np.ndarray:
    """Return the data of an input that must be a constant.

    Raises:
        OperatorError: it is computed in the graph.
    """
    array = None if tensor is None else tensor.array
    if array is None:
        raise OperatorError(f"{what} must be a constant for the gradient, and is computed")
    return array
