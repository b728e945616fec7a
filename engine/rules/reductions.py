"""Rules of reductions and of running sums and products.

Where several elements are the largest or the smallest, ReduceMax and ReduceMin give each an equal
share of the cotangent, as PyTorch's `amax` and `amin` do. Axes may be computed in the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..graph.builder import Operators
from ..graph.ranges import may_be_infinite
from ..graph.tensor import Size, Tensor
from ..graph.words import count_of, count_up, expand_as, normalized_axes, reshape_as, shape_of
from .choices import unless_passed_over
from .table import Rule, RuleTable
from .vocabulary import let_through

_INT64 = np.dtype(np.int64)


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    for op_type, rule in (
        ("ReduceSum", lambda op, dy, x, y, over: over.spread(dy)),
        ("ReduceMean", lambda op, dy, x, y, over: over.spread(dy / over.count())),
        ("ReduceSumSquare", lambda op, dy, x, y, over: x * over.kept(dy * 2)),
        ("ReduceL1", lambda op, dy, x, y, over: op.Sign(x) * over.kept(dy)),
        ("ReduceL2", _l2),
        (
            "ReduceLogSum",
            lambda op, dy, x, y, over: over.spread(unless_passed_over(y, dy * op.Exp(-y))),
        ),
        (
            "ReduceLogSumExp",
            lambda op, dy, x, y, over: op.Exp(x - over.kept(y)) * over.kept(dy),
        ),
        ("ReduceProd", _product),
        ("ReduceMax", _extremum),
        ("ReduceMin", _extremum),
    ):
        rules.define(op_type, _of(rule))
    rules.define("CumSum", _cumulative_sum)
    rules.define("CumProd", _cumulative_product)


@dataclass(frozen=True)
class Reduction:
    """What a node reduces.

    Attributes:
        x: What is reduced.
        axes: The second input of the node.
        keepdims: The attribute of that name.
        noop: Whether no axes mean none, and not all.
    """

    x: Tensor
    axes: Tensor | None
    keepdims: bool
    noop: bool

    @property
    def listed(self) -> list[int] | None:
        """The reduced axes, each once; `None` where they are computed in the graph."""
        if self.axes is not None and self.axes.array is None:
            return None
        data = None if self.axes is None else self.axes.array
        if data is None or not data.size:
            return [] if self.noop else list(range(self.x.rank))
        return list(dict.fromkeys(normalized_axes(data.ravel().tolist(), self.x.rank)))

    def kept(self, reduced: Tensor) -> Tensor:
        """Return a reduced value with x's rank: the reduced axes are of size 1."""
        if self.keepdims or self.listed == []:
            return reduced
        if self.listed is None:
            kept = (
                reduced.op.Unsqueeze(reduced, self.axes)
                if self._exactly_axes
                else reduced.op.Reshape(reduced, self._kept_shape())
            )
            return kept.builder.declare_shape(kept, [None] * self.x.rank)
        sizes: list[Size] = [
            1 if axis in self.listed else size for axis, size in enumerate(self.x.sizes)
        ]
        return reduced.reshape(*sizes)

    @property
    def _exactly_axes(self) -> bool:
        """Whether the computed axes are those that are reduced, and never stand for all."""
        if self.noop:
            return True
        count = None if self.axes is None else self.axes.dims[0]
        return isinstance(count, int) and count > 0

    def _kept_shape(self) -> Tensor:
        """The shape of `kept` for computed axes, at run time."""
        return self.x.op.Where(self._reduced(), self.x.op.constant(1, np.int64), shape_of(self.x))

    def _reduced(self) -> Tensor:
        """For each axis of x whether it is reduced, for computed axes.

        Without the size of `axes`, which ONNX Runtime would compare on the CPU.
        """
        assert self.axes is not None
        op, rank = self.x.op, self.x.rank
        column = op.Unsqueeze(self.axes.astype(_INT64), op.constant([1], np.int64))
        # Each axis is written as `axis` or as `axis - rank`.
        front, back = (op.constant([range(n, n + rank)], np.int64) for n in (0, -rank))
        hits = op.Or(op.Equal(column, front), op.Equal(column, back)).astype(_INT64)
        reduced = op.ReduceSum(hits, op.constant([0], np.int64), keepdims=0).greater(0)
        if self._exactly_axes:
            return reduced
        return op.Or(reduced, op.Equal(op.ReduceSum(hits, keepdims=0), op.constant(0, np.int64)))

    def spread(self, reduced: Tensor) -> Tensor:
        """Return a reduced value repeated along the reduced axes of x."""
        return reduced if self.listed == [] else expand_as(self.kept(reduced), self.x)

    def count(self) -> float | Tensor:
        """Return how many elements of x go into one of the result."""
        if self.listed is None:
            op, dtype = self.x.op, self.x.dtype
            sizes = op.Where(self._reduced(), shape_of(self.x).astype(dtype), op.constant(1, dtype))
            return op.ReduceProd(sizes, keepdims=0)
        return count_of([self.x.sizes[axis] for axis in self.listed], self.x.dtype)

    def again(self, op_type: str, x: Tensor) -> Tensor:
        """Append another reduction, of x's shape over the same axes, which stay as 1."""
        options = {"keepdims": 1, "noop_with_empty_axes": int(self.noop)}
        return x.builder.append(op_type, [x, self.axes], options)[0]


_ReductionRule = Callable[[Operators, Tensor, Tensor, Tensor, Reduction], Tensor]


def _of(rule: _ReductionRule) -> Rule:
    def wrapped(
        op: Operators,
        dy: Tensor,
        x: Tensor,
        axes: Tensor | None,
        *,
        y: Tensor,
        keepdims: int,
        noop_with_empty_axes: int,
    ) -> Tensor:
        over = Reduction(x, axes, keepdims == 1, noop_with_empty_axes == 1)
        return rule(op, dy, x, y, over)

    return wrapped


def _l2(op: Operators, dy: Tensor, x: Tensor, y: Tensor, over: Reduction) -> Tensor:
    """The direction of x, and zero where there is none."""
    norm = op.Where(y.greater(0), y, op.constant(1, y.dtype))
    return x * over.kept(dy / norm)


def _product(op: Operators, dy: Tensor, x: Tensor, y: Tensor, over: Reduction) -> Tensor:
    """The product of the others, also where an element is zero.

    Of a single zero the derivative is the product of the rest, and the others have none; of two
    zeros nothing is left. (Of a gradient's gradient, this leaves out what products of zeros have.)
    """
    zero, one = op.constant(0, x.dtype), op.constant(1, x.dtype)
    is_zero = op.Equal(x, zero)
    replaced = op.Where(is_zero, one, x)
    product = over.again("ReduceProd", replaced) * over.kept(dy)
    zeros = over.again("ReduceSum", is_zero.astype(x.dtype))
    without = op.Where(op.Equal(zeros, zero), product, zero)
    single = op.Where(op.Equal(zeros, one), product, zero)
    return op.Where(is_zero, single, without / replaced)


def _extremum(op: Operators, dy: Tensor, x: Tensor, y: Tensor, over: Reduction) -> Tensor:
    chosen = op.Equal(x, over.kept(y)).astype(x.dtype)
    share = over.kept(dy) / over.again("ReduceSum", chosen)
    if may_be_infinite(dy):
        return let_through(op, expand_as(share, x), chosen)
    return chosen * share


# Running sums and products ----------------------------------------------------------------------


def _cumulative_sum(
    op: Operators, dy: Tensor, x: Tensor, axis: Tensor, *, exclusive: int, reverse: int
) -> Tensor:
    return op.CumSum(dy, axis, exclusive=exclusive, reverse=1 - reverse)


def _cumulative_product(
    op: Operators, dy: Tensor, x: Tensor, axis: Tensor, *, exclusive: int, reverse: int
) -> Tensor:
    """Of yᵢ = Πⱼ≤ᵢ xⱼ: dxₖ = Σᵢ≥ₖ dyᵢ · the product of all xⱼ, j ≤ i, but xₖ.

    Right where elements are zero too. The products without xₖ are running products of an (n, n)
    table whose row k has a one instead of xₖ: the gradient takes n times the memory of x.
    """
    shape = _around(op, x, axis)
    moved, given = (op.Reshape(part, shape) for part in (x, dy))
    rows, columns = (op.Unsqueeze(part, op.constant([1], np.int64)) for part in (moved, given))
    index = count_up(op, moved.sizes[1])
    row = op.Unsqueeze(index, op.constant([1, 2], np.int64))
    column = op.Unsqueeze(index, op.constant([0, 2], np.int64))
    without = op.Where(op.Equal(row, column), op.constant(1, x.dtype), rows)
    products = op.CumProd(without, op.constant(2, np.int64), exclusive=exclusive, reverse=reverse)
    before, after = (column, row) if reverse else (row, column)
    enters = (op.Less if exclusive else op.LessOrEqual)(before, after)
    weighted = op.Where(enters, products * columns, op.constant(0, x.dtype))
    return reshape_as(weighted.sum(2), x)


def _around(op: Operators, x: Tensor, axis: Tensor) -> Tensor:
    """The shape (elements before, n, elements behind) of x for one axis of n."""
    if axis.array is not None:
        at = int(axis.array.reshape(())) % x.rank
        return op.vector([math.prod(x.sizes[:at]), x.sizes[at], math.prod(x.sizes[at + 1 :])])
    shape, one = op.Shape(x), op.constant(1, np.int64)
    at_run_time = op.Mod(axis.astype(_INT64).reshape(1), op.constant([x.rank], np.int64))
    numbers = op.constant(range(x.rank), np.int64)
    before, behind = (
        op.ReduceProd(op.Where(beside(numbers, at_run_time), shape, one), keepdims=1)
        for beside in (op.Less, op.Greater)
    )
    return op.Concat(before, op.Gather(shape, at_run_time), behind, axis=0)
