"""Gradients of convolution and pooling by plain loops in float64, from the specification's text.

An oracle: every output position and every tap of the kernel is visited one by one, and nothing of
the engine is used.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

Taps = list[list[list[int]]]


def taps(
    sizes: tuple[int, ...],
    kernel: tuple[int, ...],
    *,
    strides: list[int] | None = None,
    dilations: list[int] | None = None,
    pads: list[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> tuple[Taps, list[int], list[int]]:
    """For each axis, output and tap the pixel (also outside), and the padding before and after."""
    rank = len(kernel)
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    pads = pads or [0] * (2 * rank)
    result, all_before, all_after = [], [], []
    for axis in range(rank):
        size, step = sizes[axis], strides[axis]
        span = (kernel[axis] - 1) * dilations[axis] + 1
        before, after = pads[axis], pads[axis + rank]
        if auto_pad.startswith("SAME"):
            out = math.ceil(size / step)
            total = max((out - 1) * step + span - size, 0)
            before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            after = total - before
        else:
            if auto_pad == "VALID":
                before = after = 0
            room = (size + before + after - span) / step
            out = (math.ceil(room) if ceil_mode else math.floor(room)) + 1
            if ceil_mode and (out - 1) * step >= size + before:
                out -= 1
        starts = [o * step - before for o in range(out)]
        result.append([[s + t * dilations[axis] for t in range(kernel[axis])] for s in starts])
        all_before.append(before)
        all_after.append(after)
    return result, all_before, all_after


def positions(where: Taps, sizes: tuple[int, ...]):
    """(output, [(tap, pixel or None)]) in row-major order."""
    for out in itertools.product(*(range(len(axis)) for axis in where)):
        rows = [axis[o] for axis, o in zip(where, out, strict=True)]
        hits = []
        for tap in itertools.product(*(range(len(row)) for row in rows)):
            pixel = tuple(row[t] for row, t in zip(rows, tap, strict=True))
            inside = all(0 <= p < size for p, size in zip(pixel, sizes, strict=True))
            hits.append((tap, pixel if inside else None))
        yield out, hits


def conv(inputs, cotangent, *, group=1, kernel_shape=None, **geometry):
    """Gradients of Conv with respect to x, w and, where there is one, b."""
    x, w = (np.asarray(array, np.float64) for array in inputs[:2])
    dy = np.asarray(cotangent, np.float64)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    per_input, per_output = w.shape[1], w.shape[0] // group
    where, _, _ = taps(x.shape[2:], w.shape[2:], **geometry)
    for out, hits in positions(where, x.shape[2:]):
        for tap, pixel in hits:
            if pixel is None:
                continue
            for g in range(group):
                ins = slice(g * per_input, (g + 1) * per_input)
                outs = slice(g * per_output, (g + 1) * per_output)
                given = dy[(slice(None), outs, *out)]
                dx[(slice(None), ins, *pixel)] += given @ w[(outs, slice(None), *tap)]
                dw[(outs, slice(None), *tap)] += given.T @ x[(slice(None), ins, *pixel)]
    db = dy.sum(axis=(0, *range(2, dy.ndim)))
    return (dx, dw, db)[: len(inputs)]


def max_pool(inputs, cotangent, *, kernel_shape, storage_order=0, **geometry):
    """Gradient of MaxPool; of equal winners the first in row-major order takes all."""
    (x,) = inputs
    dx = np.zeros(x.shape)
    where, _, _ = taps(x.shape[2:], tuple(kernel_shape), **geometry)
    for n, c in np.ndindex(*x.shape[:2]):
        for out, hits in positions(where, x.shape[2:]):
            pixels = [pixel for _, pixel in hits if pixel is not None]
            winner = max(pixels, key=lambda pixel: x[(n, c, *pixel)])
            dx[(n, c, *winner)] += cotangent[(n, c, *out)]
    return (dx,)


def average_pool(inputs, cotangent, *, kernel_shape, count_include_pad=0, **geometry):
    """Gradient of AveragePool; what ceil_mode adds behind the padding is never counted."""
    (x,) = inputs
    dx = np.zeros(x.shape)
    where, before, after = taps(x.shape[2:], tuple(kernel_shape), **geometry)
    sizes = x.shape[2:]
    for out, hits in positions(where, sizes):
        pixels = [pixel for _, pixel in hits if pixel is not None]
        count = len(pixels)
        if count_include_pad:
            count = math.prod(
                sum(-b <= p < size + a for p in axis[o])
                for axis, o, b, a, size in zip(where, out, before, after, sizes, strict=True)
            )
        for pixel in pixels:
            dx[(slice(None), slice(None), *pixel)] += (
                cotangent[(slice(None), slice(None), *out)] / count
            )
    return (dx,)
