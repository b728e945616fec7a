"""Shapes of operators that read, write or find elements by index (see `symbolic`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .algebra import Dim
from .known import Known, Shape


def _same(known: Known) -> Shape:
    return known.shape()


def _of_indices(known: Known) -> Shape:
    return known.shape(1)


def _gather(known: Known) -> Shape:
    x, indices = known.shape(0), known.shape(1)
    if x is None or indices is None:
        return None
    axis = known.axis(0, len(x))
    return [*x[:axis], *indices, *x[axis + 1 :]]


def _gather_nd(known: Known) -> Shape:
    x, indices = known.shape(0), known.shape(1)
    if x is None or indices is None or not isinstance(indices[-1], int):
        return None
    batch = known.node.attributes.get_int("batch_dims", 0)
    return [*indices[:-1], *x[batch + indices[-1] :]]


def _chosen(known: Known) -> Shape:
    """Compress and Unique: how many are left is only known where the condition is."""
    x, axis = known.shape(), known.node.attributes.get("axis")
    condition = known.numbers(1) if known.node.op_type == "Compress" else None
    left = None if condition is None else sum(condition)
    if axis is None:
        return [left]
    if x is None:
        return None
    return [left if a == axis.as_int() % len(x) else dim for a, dim in enumerate(x)]


def _top_k(known: Known) -> Shape:
    x, k = known.shape(), known.data(1)
    if x is None:
        return None
    dims: list[Dim | None] = list(x)
    dims[known.axis(-1, len(x))] = None if k is None else k[0]
    return dims


def _one_hot(known: Known) -> Shape:
    indices, depth = known.shape(), known.data(1)
    if indices is None:
        return None
    axis = known.axis(-1, len(indices) + 1)
    return [*indices[:axis], None if depth is None else depth[0], *indices[axis:]]


def _range(known: Known) -> Shape:
    start, limit, delta = (known.data(index) for index in range(3))
    counted = start == (0,) and delta == (1,) and limit is not None
    if not counted or limit is None or limit[0] is None:
        return [None]
    # What is not the difference of sizes is never negative.
    size = limit[0]
    return [max(size, 0) if isinstance(size, int) else size if "-" not in size else None]


def _non_zero(known: Known) -> Shape:
    x = known.shape()
    return None if x is None else [len(x), None]


SHAPES: Mapping[str, Callable[[Known], Shape]] = {
    "Gather": _gather,
    "GatherElements": _of_indices,
    "GatherND": _gather_nd,
    "Compress": _chosen,
    "Unique": _chosen,
    "TopK": _top_k,
    "OneHot": _one_hot,
    "Range": _range,
    "NonZero": _non_zero,
    **dict.fromkeys(("ScatterElements", "ScatterND", "ReverseSequence"), _same),
    **dict.fromkeys(("CumSum", "CumProd", "Trilu"), _same),
}
