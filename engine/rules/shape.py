"""Rules of operators that give elements another shape: reshape, permute, join, split, repeat."""

from __future__ import annotations

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.words import reshape_as, shape_of, zeros_like
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Reshape", _as_input, ignores=("allowzero",))
    rules.define("Flatten", _as_input, ignores=("axis",))
    rules.define("Squeeze", _squeeze)
    rules.define("Unsqueeze", _unsqueeze)
    rules.define("Transpose", _transpose)
    rules.define("Concat", each=_concat)
    rules.define("Split", _split, ignores=("num_outputs",))
    # The walk sums over repeated axes: only axes that Expand adds or widens are left to it.
    rules.define("Expand", lambda op, dy, x: dy)
    rules.define("Tile", _tile)
    rules.define("DepthToSpace", _depth_to_space)
    rules.define("SpaceToDepth", _space_to_depth)
    rules.define("ReverseSequence", _reverse_sequence)
    rules.define("Trilu", _trilu)
    rules.define("Range", _range_start, None, _range_delta)


def _as_input(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    return reshape_as(dy, x)


def _squeeze(op: Operators, dy: Tensor, x: Tensor, axes: Tensor | None) -> Tensor:
    if axes is None or _is_known(x):
        return reshape_as(dy, x)
    return x.builder.declare_shape(op.Unsqueeze(dy, axes), x.dims)


def _unsqueeze(op: Operators, dy: Tensor, x: Tensor, axes: Tensor) -> Tensor:
    if _is_known(x):
        return reshape_as(dy, x)
    return x.builder.declare_shape(op.Squeeze(dy, axes), x.dims)


def _is_known(x: Tensor) -> bool:
    return all(isinstance(dim, int) for dim in x.dims)


def _transpose(op: Operators, dy: Tensor, x: Tensor, *, perm: list[int] | None) -> Tensor:
    order = list(reversed(range(x.rank))) if perm is None else perm
    return op.Transpose(dy, perm=[int(axis) for axis in np.argsort(order)])


def _concat(op: Operators, dy: Tensor, *xs: Tensor, axis: int, index: int) -> Tensor:
    start: Size = 0
    for x in xs[:index]:
        start = start + x.sizes[axis]
    part = [slice(None)] * dy.rank
    part[axis] = slice(start, start + xs[index].sizes[axis])
    return dy.builder.declare_shape(dy[tuple(part)], xs[index].dims)


def _split(
    op: Operators,
    dy: Tensor | None,
    x: Tensor,
    *,
    axis: int,
    ys: list[Tensor],
    dys: list[Tensor | None],
) -> Tensor:
    parts = [
        zeros_like(op, part) if cotangent is None else cotangent
        for part, cotangent in zip(ys, dys, strict=True)
    ]
    return op.Concat(*parts, axis=axis)


def _tile(op: Operators, dy: Tensor, x: Tensor, repeats: Tensor) -> Tensor:
    known = repeats.array
    if known is not None:
        # One axis for the repetitions in front of each axis that has several.
        sizes: list[Size] = []
        repeated: list[int] = []
        for count, size in zip(known, x.sizes, strict=True):
            if count != 1:
                repeated.append(len(sizes))
                sizes.append(int(count))
            sizes.append(size)
        return dy.reshape(*sizes).sum(repeated) if repeated else dy
    columns = [
        op.Unsqueeze(column, op.constant([1], np.int64)) for column in (repeats, shape_of(x))
    ]
    interleaved = op.Reshape(op.Concat(*columns, axis=1), op.constant([-1], np.int64))
    apart = op.Reshape(dy, interleaved)
    return reshape_as(op.ReduceSum(apart, op.constant(range(0, 2 * x.rank, 2), np.int64)), x)


def _depth_to_space(op: Operators, dy: Tensor, x: Tensor, *, blocksize: int, mode: str) -> Tensor:
    if mode == "DCR":
        return x.builder.declare_shape(op.SpaceToDepth(dy, blocksize=blocksize), x.dims)
    batch, channels, height, width = dy.sizes[0], dy.sizes[1], x.sizes[2], x.sizes[3]
    blocks = dy.reshape(batch, channels, height, blocksize, width, blocksize)
    return reshape_as(blocks.transpose(0, 1, 3, 5, 2, 4), x)


def _space_to_depth(op: Operators, dy: Tensor, x: Tensor, *, blocksize: int) -> Tensor:
    return x.builder.declare_shape(op.DepthToSpace(dy, blocksize=blocksize), x.dims)


def _reverse_sequence(
    op: Operators, dy: Tensor, x: Tensor, lengths: Tensor, *, batch_axis: int, time_axis: int
) -> Tensor:
    # Reversing twice is no change.
    return op.ReverseSequence(dy, lengths, batch_axis=batch_axis, time_axis=time_axis)


def _trilu(op: Operators, dy: Tensor, x: Tensor, k: Tensor | None, *, upper: int) -> Tensor:
    return op.Trilu(dy, k, upper=upper)


def _range_start(op: Operators, dy: Tensor, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return dy.sum()


def _range_delta(op: Operators, dy: Tensor, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Element k is start + k·delta; how many there are has no derivative."""
    count = dy.dims[0]
    # Not Shape made a scalar: ONNX Runtime would reshape it on the CPU, whatever the provider.
    end = op.constant(count, np.int64) if isinstance(count, int) else op.Size(dy)
    steps = op.Range(op.constant(0, np.int64), end, op.constant(1, np.int64))
    return (dy * steps.astype(dy.dtype)).sum()
