"""AffineGrid as a product: the places of the cells times the affine map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.words import count_up
from .table import Call, Expansion


def expand_affine_grid(call: Call) -> Sequence[Tensor | None]:
    """Write the grid (N, ..., D) from theta (N, D, D + 1) and the size (N, C, ...).

    Raises:
        OperatorError: the number of axes is not known.
    """
    op, theta, size = call.op, call.required(0), call.required(1)
    length = size.dims[0]
    if not isinstance(length, int) or length < 3:
        raise OperatorError(
            f"{call.where} needs a size (N, C, ...) of known rank{call.shapes_to_give}"
        )
    known = call.builder.elements(size) or (None,) * length
    sizes: list[Size] = [
        n if isinstance(n, int) else size[axis : axis + 1] for axis, n in enumerate(known)
    ]
    align = call.node.attributes.get_int("align_corners", 0) == 1
    places = _places(op, sizes[2:], theta.dtype, align)
    # (N, D, D + 1) times (D + 1, cells): runtimes do not repeat a matrix for a batch of none.
    grid = (theta @ places.transpose(1, 0)).transpose(0, 2, 1)
    return [grid.reshape(sizes[0], *sizes[2:], length - 2)]


def _places(op: Operators, sizes: list[Size], dtype: np.dtype[np.generic], align: bool) -> Tensor:
    """The normalised place of every cell, the last axis first, and a one behind: (cells, D + 1)."""
    rank, numbers = len(sizes), [n for n in sizes if isinstance(n, int)]
    if len(numbers) == rank:
        axes = [_along(np.arange(n), n, align) for n in numbers]
        mesh = np.meshgrid(*axes, indexing="ij")
        columns = [axis.ravel() for axis in reversed(mesh)]
        return op.constant(np.stack([*columns, np.ones_like(columns[0])], 1), dtype)
    parts = []
    for axis, size in reversed(list(enumerate(sizes))):
        steps = count_up(op, size).astype(dtype)
        length = op.vector([size]).astype(dtype)
        if align:
            # Counted from the end, where the runtime puts a single cell.
            behind = length - 1 - steps
            place = 1 - behind * 2 / op.Max(length - 1, op.constant([1], dtype))
        else:
            place = (steps * 2 + 1) / length - 1
        shaped = place.reshape(*(-1 if a == axis else 1 for a in range(rank)), 1)
        parts.append(op.Expand(shaped, op.vector([*sizes, 1])))
    parts.append(parts[0] * 0 + 1)
    return op.Concat(*parts, axis=rank).reshape(math.prod(sizes), rank + 1)


def _along(cells: np.ndarray, size: int, align: bool) -> np.ndarray:
    if align:
        # A single cell is at the end, where the runtime puts it.
        return cells * 2 / (size - 1) - 1 if size > 1 else np.ones(1)
    return (cells * 2 + 1) / size - 1


EXPANSIONS: dict[tuple[str, str], Expansion] = {("", "AffineGrid"): expand_affine_grid}
