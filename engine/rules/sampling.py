"""Rule of GridSample: the adjoint of bilinear sampling."""

from __future__ import annotations

import math

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .table import RuleTable
from .vocabulary import zeros

# Room for a pixel and its right or lower neighbour that both lie outside.
_BORDER = 2


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
    count = math.prod(dy.shape[2:])
    column = _pixel(grid[..., 0], width, align_corners).reshape(batch, 1, count)
    row = _pixel(grid[..., 1], height, align_corners).reshape(batch, 1, count)
    left, top = op.Floor(column), op.Floor(row)
    right_share, lower_share = column - left, row - top
    both = right_share * lower_share
    upper_left = 1 - right_share - lower_share + both
    shares = op.Concat(upper_left, right_share - both, lower_share - both, both, axis=1)
    updates = dy.reshape(batch, channels, 1, count) * shares.reshape(batch, 1, 4, count)
    # Pixels outside the picture get what is theirs in a border, which is cut off.
    wide = width + 2 * _BORDER
    corner = _clipped(top, height) * wide + _clipped(left, width)
    first = corner.astype(np.dtype(np.int32))
    index = op.Concat(first, first + 1, first + wide, first + (wide + 1), axis=2)
    scattered = op.ScatterElements(
        zeros(op, [batch, channels, (height + 2 * _BORDER) * wide], dy.dtype),
        op.Expand(index, op.constant([batch, channels, 4 * count], np.int64)),
        updates.reshape(batch, channels, 4 * count),
        axis=2,
        reduction="add",
    )
    framed = scattered.reshape(batch, channels, height + 2 * _BORDER, wide)
    inside = (slice(_BORDER, _BORDER + height), slice(_BORDER, _BORDER + width))
    return framed[(slice(None), slice(None), *inside)]


def _clipped(pixel: Tensor, size: int) -> Tensor:
    """The first of two neighbouring pixels, counted within the border; far ones at its end."""
    low, high = (pixel.builder.constant(n, pixel.dtype) for n in (-_BORDER, size))
    return pixel.op.Clip(pixel, low, high) + _BORDER


def _grid(op: Operators, dy: Tensor, x: Tensor, grid: Tensor) -> Tensor:
    raise OperatorError(
        "the gradient of GridSample with respect to its grid is not supported, only to its picture"
    )


def _pixel(coordinate: Tensor, size: int, align_corners: int) -> Tensor:
    """ONNX's normalised coordinate (−1 to 1) in pixels."""
    if align_corners:
        return (coordinate + 1) * ((size - 1) / 2)
    return (coordinate + 1) * (size / 2) - 0.5
