"""Rules of operators that write elements by index: ScatterElements, ScatterND.

Where updates of one element compete (`max`, `min`) and are equal, what was there before comes first
and then the updates in their order. Without a reduction, ONNX does not say which of several updates
of one element stays; ONNX Runtime keeps the last, which alone has a gradient where the indices are
constants. Where they are known at run time only, they must differ.
"""

from __future__ import annotations

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import INT64_MAX, Tensor
from ..graph.words import zeros_like
from .scattering import positions_in, scatter_add
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("ScatterElements", _elements_data, None, _elements_updates)
    rules.define("ScatterND", _nd_data, None, _nd_updates)


def _elements_data(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    indices: Tensor,
    updates: Tensor,
    *,
    y: Tensor,
    axis: int,
    reduction: str,
) -> Tensor:
    if reduction == "add":
        return dy
    if reduction == "none":
        return op.ScatterElements(dy, indices, zeros_like(op, updates), axis=axis)
    if reduction == "mul":
        ones = op.ConstantOfShape(op.vector(x.sizes), value=np.ones(1, x.dtype))
        return dy * op.ScatterElements(ones, indices, updates, axis=axis, reduction="mul")
    return dy * op.Equal(x, y).astype(x.dtype)


def _elements_updates(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    indices: Tensor,
    updates: Tensor,
    *,
    y: Tensor,
    axis: int,
    reduction: str,
) -> Tensor:
    if reduction in ("add", "none"):
        taken = op.GatherElements(dy, indices, axis=axis)
        if reduction == "add" or indices.array is None or indices.array.size == 0:
            return taken
        places = np.indices(indices.array.shape)
        places[axis] = _from_the_front(indices.array, x.dims[axis])
        return _of_the_last(op, taken, places)
    if reduction == "mul":
        factor = op.GatherElements(dy * x, indices, axis=axis)
        return factor * _product_of_others(op, x, indices, updates, axis)
    chosen = _first_winner(op, x, y, indices, updates, axis)
    return op.GatherElements(dy, indices, axis=axis) * chosen.astype(x.dtype)


def _product_of_others(
    op: Operators, x: Tensor, indices: Tensor, updates: Tensor, axis: int
) -> Tensor:
    """For each update the product of the others of the same element, zeros among them or not."""
    zero = op.Equal(updates, op.constant(0, x.dtype))
    one = op.constant(1, x.dtype)
    divisor = op.Where(zero, one, updates)
    ones = op.ConstantOfShape(op.vector(x.sizes), value=np.ones(1, x.dtype))
    nonzero = op.ScatterElements(ones, indices, divisor, axis=axis, reduction="mul")
    is_zero = zero.astype(x.dtype)
    count = scatter_add(op, is_zero, x.sizes, indices, axis)
    other_zeros = op.GatherElements(count, indices, axis=axis) - is_zero
    product = op.GatherElements(nonzero, indices, axis=axis) / divisor
    return op.Where(other_zeros.greater(0.5), op.constant(0, x.dtype), product)


def _first_winner(
    op: Operators, x: Tensor, y: Tensor, indices: Tensor, updates: Tensor, axis: int
) -> Tensor:
    """Which updates are the extreme of their element, as truth values."""
    final = op.GatherElements(y, indices, axis=axis)
    before = op.GatherElements(x, indices, axis=axis)
    wins = op.And(op.Equal(updates, final), op.Not(op.Equal(before, final)))
    last = op.constant(INT64_MAX, np.int64)
    place = op.Where(wins, positions_in(op, updates), last)
    none = op.Expand(last, op.vector(x.sizes))
    first = op.ScatterElements(none, indices, place, axis=axis, reduction="min")
    return op.And(wins, op.Equal(op.GatherElements(first, indices, axis=axis), place))


def _nd_data(
    op: Operators, dy: Tensor, x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str
) -> Tensor:
    if reduction == "add":
        return dy
    _only_without_reduction(reduction)
    return op.ScatterND(dy, indices, zeros_like(op, updates))


def _nd_updates(
    op: Operators, dy: Tensor, x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str
) -> Tensor:
    taken = op.GatherND(dy, indices)
    if reduction == "add":
        return taken
    _only_without_reduction(reduction)
    if indices.array is None or indices.array.size == 0:
        return taken
    columns = np.moveaxis(indices.array, -1, 0)
    places = [_from_the_front(column, size) for column, size in zip(columns, x.dims, strict=False)]
    return _of_the_last(op, taken, np.array(places))


def _from_the_front(indices: np.ndarray, size: int | str | None) -> np.ndarray:
    """Indices of which some may be counted from the end of an axis, as far as its size is known."""
    return indices % size if isinstance(size, int) and size else indices


def _of_the_last(op: Operators, taken: Tensor, places: np.ndarray) -> Tensor:
    """Cotangents of updates, zero for those that another one overwrites.

    Args:
        op: Operators of the graph.
        taken: (updates..., ...): what comes from the elements that they are written to.
        places: (axes, updates...): the elements, as whole numbers.
    """
    rows = places.reshape(len(places), -1).T[::-1]
    _, last = np.unique(rows, axis=0, return_index=True)
    if len(last) == len(rows):
        return taken
    stays = np.zeros(len(rows), np.bool_)
    stays[len(rows) - 1 - last] = True
    shape = [*places.shape[1:], *[1] * (taken.rank - places.ndim + 1)]
    mask = op.constant(stays.reshape(shape), np.bool_)
    return op.Where(mask, taken, op.constant(0, taken.dtype))


def _only_without_reduction(reduction: str) -> None:
    """Those of a network are written as ScatterElements before anything is differentiated."""
    if reduction != "none":
        raise OperatorError(
            f"the gradient of ScatterND with reduction {reduction!r} is not supported: write it "
            "as ScatterElements"
        )
