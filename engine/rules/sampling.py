"""Rules of GridSample: the adjoint of sampling, and how it changes with the grid."""

from __future__ import annotations

import math

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.words import as_float, reshape_as, scalar
from .grid import Mixture, mixture
from .scattering import scatter_add
from .table import RuleTable

# Room for a pixel and its right or lower neighbour that both lie outside.
_BORDER = 2


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("GridSample", _grid_sample, _grid)


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
    """Each output gives its cotangent back to the pixels that it was mixed from."""
    if mode in ("bilinear", "linear") and padding_mode == "zeros" and x.rank == 4:
        return _bilinear(op, dy, x, grid, align_corners)
    mixed = _mixture(op, x, grid, mode, padding_mode, align_corners)
    batch, channels, taps = x.sizes[0], x.sizes[1], mixed.weight.sizes[1]
    count, pixels = math.prod(dy.sizes[2:]), math.prod(x.sizes[2:])
    shares = mixed.weight.reshape(batch, 1, taps, count)
    updates = dy.reshape(batch, channels, 1, count) * shares
    updates = updates.reshape(batch, channels, taps * count)
    places = _every_channel(op, mixed, x, count)
    return reshape_as(scatter_add(op, updates, [batch, channels, pixels], places, axis=2), x)


def _grid(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    grid: Tensor,
    *,
    mode: str,
    padding_mode: str,
    align_corners: int,
) -> Tensor | None:
    """The slope of the weights times the pixels that they weigh; none for the nearest pixel.

    At whole pixels, where sampling has a kink, the slope towards the next pixel counts.
    """
    mixed = _mixture(op, x, grid, mode, padding_mode, align_corners)
    if mixed.slopes is None:
        return None
    batch, channels, taps = x.sizes[0], x.sizes[1], mixed.weight.sizes[1]
    count, pixels = math.prod(dy.sizes[2:]), math.prod(x.sizes[2:])
    flat = x.reshape(batch, channels, pixels)
    taken = op.GatherElements(flat, _every_channel(op, mixed, x, count), axis=2)
    weighed = taken.reshape(batch, channels, taps, count) * dy.reshape(batch, channels, 1, count)
    received = weighed.sum(1)
    parts = [(received * slope).sum(1).reshape(batch, count, 1) for slope in mixed.slopes]
    return reshape_as(op.Concat(*parts, axis=2), grid)


def _mixture(
    op: Operators, x: Tensor, grid: Tensor, mode: str, padding_mode: str, align_corners: int
) -> Mixture:
    return mixture(
        op, grid, x.sizes[2:], mode=mode, padding=padding_mode, align=bool(align_corners)
    )


def _every_channel(op: Operators, mixed: Mixture, x: Tensor, count: Size) -> Tensor:
    """The pixels' numbers for each channel: (N, C, taps · outputs)."""
    batch, channels = x.sizes[:2]
    joined = mixed.index.sizes[1] * count
    return op.Expand(mixed.index.reshape(batch, 1, joined), op.vector([batch, channels, joined]))


def _bilinear(op: Operators, dy: Tensor, x: Tensor, grid: Tensor, align_corners: int) -> Tensor:
    """Of bilinear sampling of pictures with zeros outside, without a test for what is outside."""
    batch, channels, height, width = x.sizes
    count = math.prod(dy.sizes[2:])
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
    wide_as_float = as_float(wide, x.dtype)
    corner = _clipped(top, height) * wide_as_float + _clipped(left, width)
    integer = np.dtype(np.int32)
    first = corner.astype(integer)
    below = wide.astype(integer) if isinstance(wide, Tensor) else wide
    index = op.Concat(first, first + 1, first + below, first + (below + 1), axis=2)
    scattered = scatter_add(
        op,
        updates.reshape(batch, channels, 4 * count),
        [batch, channels, (height + 2 * _BORDER) * wide],
        op.Expand(index, op.vector([batch, channels, 4 * count])),
        axis=2,
    )
    framed = scattered.reshape(batch, channels, height + 2 * _BORDER, wide)
    inside = (slice(_BORDER, height + _BORDER), slice(_BORDER, width + _BORDER))
    return x.builder.declare_shape(framed[(slice(None), slice(None), *inside)], x.dims)


def _clipped(pixel: Tensor, size: Size) -> Tensor:
    """The first of two neighbouring pixels, counted within the border; far ones at its end."""
    low = pixel.op.constant(-_BORDER, pixel.dtype)
    upper = scalar(pixel.op, as_float(size, pixel.dtype), pixel.dtype)
    return pixel.op.Clip(pixel, low, upper) + _BORDER


def _pixel(coordinate: Tensor, size: Size, align_corners: int) -> Tensor:
    """ONNX's normalised coordinate (−1 to 1) in pixels."""
    length = as_float(size, coordinate.dtype)
    if align_corners:
        return (coordinate + 1) * ((length - 1) / 2)
    return (coordinate + 1) * (length / 2) - 0.5
