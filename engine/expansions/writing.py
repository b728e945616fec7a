"""Operators that write by index, in the one form that is right and that every runtime has."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..errors import OperatorError
from ..graph.positions import as_elements
from ..graph.tensor import Tensor
from ..graph.words import count_up, reshape_as
from .table import Call, Expansion


def _scatter_nd(call: Call) -> Sequence[Tensor | None] | None:
    """`ScatterND` with a reduction, by ScatterElements.

    ONNX Runtime's own runs its updates side by side, and loses some where indices repeat.
    """
    reduction = call.node.attributes.get_string("reduction", "none")
    if reduction == "none":
        return None
    x, indices, updates = (call.required(index) for index in range(3))
    if 0 in x.dims or 0 in updates.dims:
        # Runtimes refuse to write nothing among nothing.
        return [call.op.Identity(x)]
    depth = indices.dims[-1]
    if not isinstance(depth, int):
        raise OperatorError(
            f"{call.where} needs the last size of its indices as a number{call.shapes_to_give}"
        )
    positions, written = as_elements(call.op, x, indices, updates)
    rows = x.reshape(prod(x.sizes[:depth]), prod(x.sizes[depth:]))
    y = call.op.ScatterElements(rows, positions, written, axis=0, reduction=reduction)
    return [reshape_as(y, x)]


def _tensor_scatter(call: Call) -> Sequence[Tensor | None]:
    """`TensorScatter`: each sequence of a batch written from a position of its own on."""
    cache, update, first = call.required(0), call.required(1), call.input(2)
    op, attributes = call.op, call.node.attributes
    axis = attributes.get_int("axis", -2) % cache.rank
    column = [-1 if other == axis else 1 for other in range(cache.rank)]
    positions = count_up(op, update.sizes[axis]).reshape(*column)
    if first is not None:
        starts = first.astype(np.dtype(np.int64))
        positions = positions + starts.reshape(-1, *[1] * (cache.rank - 1))
    if attributes.get_string("mode", "linear") == "circular":
        positions = op.Mod(positions, op.vector([cache.sizes[axis]]))
    everywhere = op.Expand(positions, op.vector(update.sizes))
    return [op.ScatterElements(cache, everywhere, update, axis=axis)]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "ScatterND"): _scatter_nd,
    ("", "TensorScatter"): _tensor_scatter,
}
