"""The pixels that GridSample mixes: their places, their weights, and the slopes of the weights."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from ..graph.words import as_float, scalar

# The parameter of the cubic kernel, which ONNX fixes for GridSample.
_A = -0.75

_INDEX = np.dtype(np.int64)


@dataclass(frozen=True)
class Tap:
    """One of the pixels along one axis that every output is mixed from; all are (N, outputs).

    Attributes:
        index: Its number, within the picture (int64).
        weight: Its share, zero outside where the padding is zeros.
        slope: The share's derivative by the grid's normalised coordinate, `None` for zero.
    """

    index: Tensor
    weight: Tensor
    slope: Tensor | None


@dataclass(frozen=True)
class Mixture:
    """All pixels that a grid takes from, over all axes.

    Attributes:
        index: Their number within the flattened picture, (N, taps, outputs), int64.
        weight: Their shares, (N, taps, outputs).
        slopes: The derivative of the shares by each coordinate of the grid, in the grid's order;
            `None` where the mode has none.
    """

    index: Tensor
    weight: Tensor
    slopes: list[Tensor] | None


def mixture(
    op: Operators, grid: Tensor, sizes: tuple[Size, ...], *, mode: str, padding: str, align: bool
) -> Mixture:
    """Return the pixels of pictures of spatial `sizes` that a grid (N, ..., axes) takes from."""
    axes = len(sizes)
    count = math.prod(grid.sizes[1:-1])
    # The grid's first coordinate is that of the last axis.
    coordinates = [grid[..., axes - 1 - axis].reshape(grid.sizes[0], count) for axis in range(axes)]
    along = _taps(op, coordinates, sizes, mode=mode, padding=padding, align=align)
    indices, weights = [], []
    slopes: list[list[Tensor]] = [[] for _ in range(axes)]
    for taps in itertools.product(*along):
        flat = taps[0].index
        for tap, size in zip(taps[1:], sizes[1:], strict=True):
            flat = flat * size + tap.index
        indices.append(flat)
        weights.append(_product([tap.weight for tap in taps]))
        for axis, tap in enumerate(taps):
            if tap.slope is not None:
                rest = [other.weight for other in taps if other is not tap]
                slopes[axes - 1 - axis].append(_product([tap.slope, *rest]))
    return Mixture(
        _stacked(op, indices),
        _stacked(op, weights),
        None if mode == "nearest" else [_stacked(op, parts) for parts in slopes],
    )


def _product(factors: list[Tensor]) -> Tensor:
    total = factors[0]
    for factor in factors[1:]:
        total = total * factor
    return total


def _stacked(op: Operators, parts: list[Tensor]) -> Tensor:
    axis = op.constant([1], np.int64)
    return op.Concat(*(op.Unsqueeze(part, axis) for part in parts), axis=1)


def _taps(
    op: Operators,
    coordinates: list[Tensor],
    sizes: tuple[Size, ...],
    *,
    mode: str,
    padding: str,
    align: bool,
) -> list[list[Tap]]:
    """The taps along each axis, as ONNX Runtime takes them."""
    dtype = coordinates[0].dtype
    lengths = [as_float(size, dtype) for size in sizes]
    pixels, scales = [], []
    for coordinate, length in zip(coordinates, lengths, strict=True):
        scale = (length - 1) / 2 if align else length / 2
        pixels.append((coordinate + 1) * scale - (0 if align else 0.5))
        scales.append(scale)
    if mode == "nearest":
        pixels = [op.Round(pixel) for pixel in pixels]
    # The ends of the picture: the centres or the outer sides of the pixels there.
    shift = 0.0 if align else 0.5
    result = []
    for pixel, length, scale in zip(pixels, lengths, scales, strict=True):
        place, direction = pixel, None
        if padding == "border" and mode not in ("cubic", "bicubic"):
            last = scalar(op, length - 1, dtype)
            place = op.Clip(pixel, scalar(op, 0, dtype), last)
            direction = op.Equal(place, pixel).astype(dtype)
        elif padding == "reflection":
            place, direction = _reflected(op, pixel, length, shift)
        chain = scale if direction is None else direction * scale
        result.append(
            [
                Tap(
                    *_within(op, number, weight, length, padding, shift),
                    None if slope is None else _masked(op, number, slope * chain, length, padding),
                )
                for number, weight, slope in _kernel(op, place, mode)
            ]
        )
    return result


def _kernel(op: Operators, place: Tensor, mode: str) -> list[tuple[Tensor, Tensor, Tensor | None]]:
    """Pixel numbers, weights and slopes of the weights along one axis."""
    if mode == "nearest":
        return [(place, place * 0 + 1, None)]
    first = op.Floor(place)
    f = place - first
    if mode in ("linear", "bilinear"):
        one = f * 0 + 1
        return [(first, 1 - f, -one), (first + 1, f, one)]

    def far(t: Tensor) -> tuple[Tensor, Tensor]:
        # Of a pixel between one and two pixels away.
        value = ((t * _A - 5 * _A) * t + 8 * _A) * t - 4 * _A
        return value, (t * (3 * _A) - 10 * _A) * t + 8 * _A

    def near(t: Tensor) -> tuple[Tensor, Tensor]:
        return (t * (_A + 2) - (_A + 3)) * t * t + 1, (t * (3 * _A + 6) - (2 * _A + 6)) * t

    before, after = (far(f + 1), near(f)), (near(1 - f), far(2 - f))
    return [
        (first - 1, before[0][0], before[0][1]),
        (first, before[1][0], before[1][1]),
        (first + 1, after[0][0], -after[0][1]),
        (first + 2, after[1][0], -after[1][1]),
    ]


def _within(
    op: Operators,
    number: Tensor,
    weight: Tensor,
    length: float | Tensor,
    padding: str,
    shift: float,
) -> tuple[Tensor, Tensor]:
    """A pixel's number within the picture, and its weight."""
    if padding == "reflection":
        number, _ = _reflected(op, number, length, shift)
    dtype = number.dtype
    kept = op.Clip(number, scalar(op, 0, dtype), scalar(op, length - 1, dtype))
    return kept.astype(_INDEX), _masked(op, number, weight, length, padding)


def _masked(
    op: Operators, number: Tensor, weight: Tensor, length: float | Tensor, padding: str
) -> Tensor:
    if padding != "zeros":
        return weight
    dtype = number.dtype
    kept = op.Clip(number, scalar(op, 0, dtype), scalar(op, length - 1, dtype))
    return op.Where(op.Equal(kept, number), weight, scalar(op, 0, dtype))


def _reflected(
    op: Operators, pixel: Tensor, length: float | Tensor, shift: float
) -> tuple[Tensor, Tensor]:
    """A place mirrored at both ends as often as it takes, and the sign of its slope."""
    span = length - 1 + 2 * shift
    moved = pixel + shift
    period = span * 2
    phase = moved - op.Floor(moved / period) * period
    back = phase - span
    # What is exactly at the far end still goes forwards.
    sign = op.Where(
        op.Greater(back, scalar(op, 0, pixel.dtype)),
        scalar(op, -1, pixel.dtype),
        scalar(op, 1, pixel.dtype),
    )
    return span - abs(back) - shift, sign
