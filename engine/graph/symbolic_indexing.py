"""Shapes of operators that move elements by index or by computed axes (see `symbolic`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .algebra import Dim

if TYPE_CHECKING:
    from .symbolic import Known

Shape = Sequence[Dim | None] | None


def _same(known: Known) -> Shape:
    return known.shape()


def _of_indices(known: Known) -> Shape:
    return known.shape(1)


def _axis_of(known: Known, default: int, rank: int) -> int:
    return known.node.attributes.get_int("axis", default) % max(rank, 1)


def _gather(known: Known) -> Shape:
    x, indices = known.shape(0), known.shape(1)
    if x is None or indices is None:
        return None
    axis = _axis_of(known, 0, len(x))
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
    dims[_axis_of(known, -1, len(x))] = None if k is None else k[0]
    return dims


def _one_hot(known: Known) -> Shape:
    indices, depth = known.shape(), known.data(1)
    if indices is None:
        return None
    axis = _axis_of(known, -1, len(indices) + 1)
    return [*indices[:axis], None if depth is None else depth[0], *indices[axis:]]


def _squeeze(known: Known) -> Shape:
    """Computed axes: how many there are, but not which."""
    return _other_rank(known, -1)


def _unsqueeze(known: Known) -> Shape:
    return _other_rank(known, 1)


def _other_rank(known: Known, sign: int) -> Shape:
    x, axes = known.shape(0), known.shape(1)
    if x is None or axes is None or len(axes) != 1 or not isinstance(axes[0], int):
        return None
    return [None] * (len(x) + sign * axes[0])


def _center_crop_pad(known: Known) -> Shape:
    x, wanted = known.shape(), known.data(1)
    if x is None:
        return None
    axes = known.node.attributes.get_ints("axes", None)
    dims: list[Dim | None] = list(x)
    for position, axis in enumerate(range(len(x)) if axes is None else axes):
        dims[axis] = None if wanted is None else wanted[position]
    return dims


def _split(known: Known) -> Shape:
    """Any output of Split; inference knows the sizes that are constants."""
    x = known.shape()
    if x is None:
        return None
    axis = _axis_of(known, 0, len(x))
    return [None if a == axis else dim for a, dim in enumerate(x)]


def _range(known: Known) -> Shape:
    start, limit, delta = (known.data(index) for index in range(3))
    counted = start == (0,) and delta == (1,) and limit is not None
    if not counted or limit is None or limit[0] is None:
        return [None]
    # What is not the difference of sizes is never negative.
    size = limit[0]
    return [max(size, 0) if isinstance(size, int) else size if "-" not in size else None]


def _col_to_image(known: Known) -> Shape:
    x, image, block = known.shape(0), known.data(1), known.data(2)
    length = known.shape(1)
    if x is None or length is None or not isinstance(length[0], int):
        return None
    pixels = [None] * length[0] if image is None else image
    taps = [n for n in block or () if n is not None]
    if block is None or len(taps) != len(block):
        return [x[0], None, *pixels]
    return [x[0], known.sizes.floor_divide(x[1], known.sizes.product(taps)), *pixels]


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
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "CenterCropPad": _center_crop_pad,
    "Split": _split,
    "Range": _range,
    "Col2Im": _col_to_image,
    "NonZero": _non_zero,
    "ReverseSequence": _same,
    "TensorScatter": _same,
}
