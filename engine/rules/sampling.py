"""Rule of GridSample: the adjoint of bilinear sampling."""

from __future__ import annotations

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("GridSample", _grid_sample, _grid, ignores=_ATTRIBUTES)


_ATTRIBUTES = ("align_corners", "mode", "padding_mode")


def _grid_sample(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    grid: Tensor,
    *,
    mode: str,
    padding_mode: str,
    align_corners: int,
) -> Tensor:
    """Each output pixel gives its cotangent back to the four pixels that it was mixed from."""
    if mode not in ("bilinear", "linear") or padding_mode != "zeros" or x.rank != 4:
        raise OperatorError(
            "the gradient of GridSample is supported for bilinear sampling of pictures with zeros "
            f"outside, not for mode {mode!r}, padding {padding_mode!r}, {x.rank - 2} dimensions"
        )
    batch, channels, height, width = x.shape
    out = int(np.prod(dy.shape[2:]))
    column = _pixel(grid[..., 0], width, align_corners).reshape(batch, 1, out)
    row = _pixel(grid[..., 1], height, align_corners).reshape(batch, 1, out)
    left, top = op.Floor(column), op.Floor(row)
    from_left, from_top = column - left, row - top
    indices, weights = [], []
    for down in (0, 1):
        for right in (0, 1):
            y = top + down if down else top
            x_ = left + right if right else left
            weight = (from_top if down else 1 - from_top) * (from_left if right else 1 - from_left)
            inside = op.And(
                op.And(op.GreaterOrEqual(y, op.constant(0, y.dtype)), y.less(height)),
                op.And(op.GreaterOrEqual(x_, op.constant(0, y.dtype)), x_.less(width)),
            )
            # A pixel outside gives nothing, to wherever.
            clipped_y = op.Clip(y, op.constant(0, y.dtype), op.constant(height - 1, y.dtype))
            clipped_x = op.Clip(x_, op.constant(0, y.dtype), op.constant(width - 1, y.dtype))
            indices.append((clipped_y * width + clipped_x).astype(np.dtype(np.int64)))
            weights.append(weight * inside.astype(dy.dtype))
    flat = dy.reshape(batch, channels, 1, out)
    all_weights = op.Concat(*weights, axis=1).reshape(batch, 1, 4, out)
    updates = (flat * all_weights).reshape(batch, channels, 4 * out)
    where = op.Concat(*indices, axis=1).reshape(batch, 1, 4 * out)
    where = op.Expand(where, op.constant([batch, channels, 4 * out], np.int64))
    zeros = op.ConstantOfShape(
        op.constant([batch, channels, height * width], np.int64), value=np.zeros(1, dy.dtype)
    )
    scattered = op.ScatterElements(zeros, where, updates, axis=2, reduction="add")
    return scattered.reshape(*x.shape)


def _grid(op: Operators, dy: Tensor, x: Tensor, grid: Tensor) -> Tensor:
    raise OperatorError(
        "the gradient of GridSample with respect to its grid is not supported, only to its picture"
    )


def _pixel(coordinate: Tensor, size: int, align_corners: int) -> Tensor:
    """ONNX's normalised coordinate (−1 to 1) in pixels."""
    if align_corners:
        return (coordinate + 1) * ((size - 1) / 2)
    return (coordinate + 1) * (size / 2) - 0.5
