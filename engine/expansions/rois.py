"""Pooling of regions of interest as matrix products and masked maxima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OperatorError
from ..graph.tensor import Size, Tensor
from ..graph.words import as_float, count_up, scalar
from .table import Call, Expansion


@dataclass(frozen=True)
class Samples:
    """Where the bins of every region are sampled along one axis.

    Attributes:
        low: The share of the pixel before each place, (R, bins, samples, pixels).
        high: The share of the pixel behind it; both are zero for places outside.
        taken: 1 for samples that count, else 0, (R, 1, samples).
        count: How many count, (R, 1, 1).
    """

    low: Tensor
    high: Tensor
    taken: Tensor
    count: Tensor

    @property
    def mean(self) -> Tensor:
        """The matrices (R, bins, pixels) of the mean over the samples."""
        weight = self.taken / self.count
        return ((self.low + self.high) * self.low.op.Unsqueeze(weight, _axes(self.low, 3))).sum(2)


def expand_roi_align(call: Call) -> Sequence[Tensor | None]:
    """Write RoiAlign, also with as many samples in a bin as it is wide (sampling_ratio 0).

    Differentiable in the pictures and in the regions.
    """
    op, x, rois, batch = call.op, call.required(0), call.required(1), call.required(2)
    attributes = call.node.attributes
    before = call.builder.opset < 16
    half = not before and (
        attributes.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    )
    bins = [attributes.get_int(f"output_{name}", 1) for name in ("height", "width")]
    along = [
        _samples(
            call,
            [rois[:, start], rois[:, start + 2]],
            x.sizes[2 + axis],
            bins[axis],
            attributes.get_float("spatial_scale", 1.0) or 1.0,
            attributes.get_int("sampling_ratio", 0) or 0,
            half,
        )
        for axis, start in ((0, 1), (1, 0))
    ]
    pictures = x if x.dims[0] == 1 else op.Gather(x, batch, axis=0)
    one = op.constant([1], np.int64)
    if attributes.get_string("mode", "avg") == "avg":
        rows, columns = (op.Unsqueeze(samples.mean, one) for samples in along)
        return [rows @ pictures @ columns.transpose(0, 1, 3, 2)]
    return [_largest(call, pictures, along, bins, rois.sizes[0])]


def _largest(
    call: Call, pictures: Tensor, along: list[Samples], bins: list[int], regions: Size
) -> Tensor:
    """For each bin the largest share of any pixel in any sample, as ONNX Runtime takes it."""
    op = call.op
    rows, columns = (
        [
            op.Unsqueeze(part.reshape(regions, -1, part.sizes[3]), op.constant([1], np.int64))
            for part in (samples.low, samples.high)
        ]
        for samples in along
    )
    corners = [row @ pictures @ column.transpose(0, 1, 3, 2) for row in rows for column in columns]
    largest = op.Max(*corners)
    counts = [samples.taken.sizes[2] for samples in along]
    channels = pictures.sizes[1]
    split = largest.reshape(regions, channels, bins[0], counts[0], bins[1], counts[1])
    down, across = along
    kept = down.taken.reshape(regions, 1, 1, counts[0], 1, 1) * across.taken.reshape(
        regions, 1, 1, 1, 1, counts[1]
    )
    lowest = op.constant(-np.inf, largest.dtype)
    return op.ReduceMax(
        op.Where(kept.greater(0), split, lowest), op.constant([3, 5], np.int64), keepdims=0
    )


def _samples(
    call: Call,
    ends: list[Tensor],
    size: Size,
    bins: int,
    scale: float,
    ratio: int,
    half: bool,
) -> Samples:
    """The samples of all regions along one axis of a picture, whose ends are (R,)."""
    op, dtype = call.op, ends[0].dtype
    start, stop = (end * scale - (0.5 if half else 0.0) for end in ends)
    width = stop - start
    if not half:
        width = op.Max(width, op.constant(1, dtype))
    width, start = (part.reshape(-1, 1, 1) for part in (width, start))
    if ratio > 0:
        number: Size = ratio
        count = width * 0 + ratio
    else:
        count = op.Max(op.Ceil(width / bins), op.constant(0, dtype))
        number = op.ReduceMax(count, keepdims=1).astype(np.dtype(np.int64)).reshape(1)
        number = op.Max(number, op.constant([1], np.int64))
    sample = count_up(op, number).astype(dtype).reshape(1, 1, -1)
    taken = op.Less(sample, count).astype(dtype)
    divisor = op.Max(count, op.constant(1, dtype))
    step = width / bins
    number_of_bin = op.constant(np.arange(bins).reshape(1, -1, 1), dtype)
    place = start + number_of_bin * step + (sample + 0.5) * (step / divisor)
    last = as_float(size, dtype)
    outside = op.Or(
        op.Less(place, op.constant(-1, dtype)), op.Greater(place, scalar(op, last, dtype))
    )
    inside = op.Not(outside).astype(dtype)
    clipped = op.Clip(place, op.constant(0, dtype), scalar(op, last - 1, dtype))
    first = op.Floor(clipped)
    axis = op.constant([3], np.int64)
    pixel = count_up(op, size).astype(dtype)
    behind = op.Unsqueeze(clipped - first, axis)
    kept = op.Unsqueeze(inside, axis)
    at_first = op.Equal(op.Unsqueeze(first, axis), pixel).astype(dtype)
    at_next = op.Equal(op.Unsqueeze(first + 1, axis), pixel).astype(dtype)
    return Samples((1 - behind) * at_first * kept, behind * at_next * kept, taken, divisor)


def expand_max_roi_pool(call: Call) -> Sequence[Tensor | None]:
    """Write MaxRoiPool: the maximum over each bin of whole pixels, zero where a bin has none.

    Raises:
        OperatorError: the pooled shape is not that of pictures.
    """
    op, x, rois = call.op, call.required(0), call.required(1)
    attributes = call.node.attributes
    bins = attributes.get_ints("pooled_shape") or []
    if x.rank != 4 or len(bins) != 2:
        raise OperatorError(f"{call.where} pools pictures (N, C, H, W) to a height and a width")
    scale = attributes.get_float("spatial_scale", 1.0) or 1.0
    pictures = x
    if x.dims[0] != 1:
        pictures = op.Gather(x, rois[:, 0].astype(np.dtype(np.int64)), axis=0)
    lowest = op.constant(-np.inf, x.dtype)
    filled: list[Tensor] = []
    # Columns first, then rows: of equal pixels the first in row-major order wins.
    for axis, start in ((3, 1), (2, 2)):
        held = _pixels_of_bins(
            call, [rois[:, start], rois[:, start + 2]], x.sizes[axis], bins[axis - 2], scale
        )
        parts = []
        for number in range(bins[axis - 2]):
            pixels = (1, x.sizes[3]) if axis == 3 else (x.sizes[2], 1)
            mask = held[:, number].reshape(rois.sizes[0], 1, *pixels)
            chosen = op.Where(mask, pictures, lowest)
            parts.append(op.ReduceMax(chosen, op.constant([axis], np.int64), keepdims=1))
        pictures = parts[0] if len(parts) == 1 else op.Concat(*parts, axis=axis)
        some = op.ReduceMax(held.astype(x.dtype), op.constant([2], np.int64), keepdims=0)
        filled.append(some.reshape(*((-1, 1, 1, bins[1]) if axis == 3 else (-1, 1, bins[0], 1))))
    full = (filled[0] * filled[1]).greater(0)
    return [op.Where(full, pictures, op.constant(0, x.dtype))]


def _pixels_of_bins(call: Call, ends: list[Tensor], size: Size, bins: int, scale: float) -> Tensor:
    """Which pixels each bin of each region holds along one axis: truth values (R, bins, pixels)."""
    op, dtype = call.op, ends[0].dtype
    # Halves are rounded away from zero.
    start, stop = ((op.Sign(end) * op.Floor(abs(end * scale) + 0.5)).reshape(-1, 1) for end in ends)
    width = op.Max(stop - start + 1, op.constant(1, dtype)) / bins
    number = op.constant(np.arange(bins)[None], dtype)
    limit = scalar(op, as_float(size, dtype), dtype)
    zero = op.constant(0, dtype)
    first = op.Clip(op.Floor(number * width) + start, zero, limit).reshape(-1, bins, 1)
    last = op.Clip(op.Ceil((number + 1) * width) + start, zero, limit).reshape(-1, bins, 1)
    pixel = count_up(op, size).astype(dtype)
    return op.And(op.GreaterOrEqual(pixel, first), op.Less(pixel, last))


def _axes(tensor: Tensor, *axes: int) -> Tensor:
    return tensor.op.constant(axes, np.int64)


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "RoiAlign"): expand_roi_align,
    ("", "MaxRoiPool"): expand_max_roi_pool,
}
