"""Words that whoever writes nodes shares: shapes, counts, zeros, masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .builder import Operators
from .tensor import Size, Tensor


def reshape_as(dy: Tensor, x: Tensor) -> Tensor:
    """Return the elements of `dy` in the shape of `x`."""
    return x.builder.declare_shape(dy.reshape(*x.sizes), x.dims)


def expand_as(dy: Tensor, x: Tensor) -> Tensor:
    """Return `dy` repeated to the shape of `x`."""
    expanded = dy.op.Expand(dy, dy.builder.vector(x.sizes))
    return dy.builder.declare_shape(expanded, x.dims)


def shape_of(x: Tensor) -> Tensor:
    """Return the shape of x as an int64 vector: a constant where it is known."""
    known = [size for size in x.dims if isinstance(size, int)]
    return x.op.constant(known, np.int64) if len(known) == x.rank else x.op.Shape(x)


def count_of(sizes: Sequence[Size], dtype: np.dtype[np.generic]) -> float | Tensor:
    """Return how many elements a shape has, to compute with: a number, or a scalar."""
    total = math.prod(sizes)
    if not isinstance(total, Tensor):
        return total
    return total.astype(dtype).reshape()


def as_float(size: Size, dtype: np.dtype[np.generic]) -> float | Tensor:
    """Return a size to compute with in real numbers: a number, or a vector of one."""
    return size.astype(dtype) if isinstance(size, Tensor) else float(size)


def scalar(op: Operators, number: float | Tensor, dtype: np.dtype[np.generic]) -> Tensor:
    """Return a number, or a tensor of one, without axes; Clip takes no other bounds."""
    return number.reshape() if isinstance(number, Tensor) else op.constant(number, dtype)


def count_up(op: Operators, size: Size) -> Tensor:
    """Return 0, 1, …, size − 1 (int64)."""
    if not isinstance(size, Tensor):
        return op.constant(np.arange(size), np.int64)
    limit = op.Squeeze(size, op.constant([0], np.int64))
    upto = op.Range(op.constant(0, np.int64), limit, op.constant(1, np.int64))
    return size.builder.named(upto, [size])


def normalized_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Return axes counted from the front."""
    return [int(axis) % rank for axis in axes]


def zeros_like(op: Operators, x: Tensor) -> Tensor:
    """Return zeros of the shape and type of x."""
    return x.builder.declare_shape(zeros(op, x.sizes, x.dtype), x.dims)


def zeros(op: Operators, shape: Sequence[Size], dtype: np.dtype[np.generic]) -> Tensor:
    """Return zeros, which take no room in the file."""
    return op.ConstantOfShape(op.vector(shape), value=np.zeros(1, dtype))


def ones_like(op: Operators, x: Tensor) -> Tensor:
    """Return ones of the shape and type of x, which take no room in the file."""
    ones = op.ConstantOfShape(op.vector(x.sizes), value=np.ones(1, x.dtype))
    return x.builder.declare_shape(ones, x.dims)
