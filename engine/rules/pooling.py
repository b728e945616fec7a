"""Rules of maxima and averages over windows.

The adjoint of a sum over windows is a matrix product along each axis (see `slide`); two cases that
nearly all networks have are faster: with stride 1 it is the mirrored sum, and where windows neither
overlap nor leave gaps every element is repeated.
"""

from __future__ import annotations

import math

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.words import count_of, count_up, expand_as, reshape_as, zeros
from .scattering import scatter_add
from .slide import Matrix, Slide, numbers, slide_of, sum_of_windows, window_counts
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("MaxPool", max_pool)
    rules.define("MaxUnpool", _max_unpool, ignores=("kernel_shape", "pads", "strides"))
    rules.define("AveragePool", _average_pool, ignores=("ceil_mode",))
    rules.define("GlobalAveragePool", _global_average_pool)
    rules.define("GlobalMaxPool", _global_max_pool)


def max_pool(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    ys: list[Tensor],
    auto_pad: str,
    ceil_mode: int,
    dilations: list[int] | None,
    kernel_shape: list[int],
    pads: list[int] | None,
    storage_order: int,
    strides: list[int] | None,
) -> Tensor:
    """Return MaxPool's by its Indices; of equal winners the first in row-major order takes all."""
    if len(ys) > 1 and storage_order == 0:
        indices = ys[1]
    else:
        # Indices count within the whole tensor.
        _, indices = x.builder.append(
            "MaxPool",
            [x],
            {
                "auto_pad": auto_pad,
                "ceil_mode": ceil_mode,
                "dilations": dilations,
                "kernel_shape": kernel_shape,
                "pads": pads,
                "strides": strides,
            },
            outputs=2,
        )
    pixels = [math.prod(x.sizes)]
    return reshape_as(scatter_add(op, dy.reshape(-1), pixels, indices.reshape(-1), axis=0), x)


def _max_unpool(
    op: Operators, dy: Tensor, x: Tensor, indices: Tensor, output_shape: Tensor | None, *, y: Tensor
) -> Tensor:
    """Each element takes what came to the place that its index names in the whole output.

    Of several that are written to one place the last one is there.
    """
    places = indices.reshape(-1)
    taken = op.GatherElements(dy.reshape(-1), places, axis=0).reshape(*x.sizes)
    if _are_distinct(indices):
        return taken
    order = count_up(op, math.prod(x.sizes))
    nothing = zeros(op, [math.prod(y.sizes)], np.dtype(np.int64))
    last = op.GatherElements(op.ScatterElements(nothing, places, order, axis=0), places, axis=0)
    is_last = reshape_as(op.Equal(last, order), x)
    return op.Where(is_last, taken, op.constant(0, dy.dtype))


def _are_distinct(indices: Tensor) -> bool:
    """Whether the places are surely all different: of windows that do not overlap, for one."""
    known = indices.array
    if known is not None:
        return np.unique(known).size == known.size
    node = indices.value.producer()
    if node is None or node.op_type != "MaxPool":
        return False
    kernel = node.attributes["kernel_shape"].as_ints()
    ones = [1] * len(kernel)
    strides, dilations = (
        node.attributes.get_ints(name, ones) or ones for name in ("strides", "dilations")
    )
    return all(
        stride > dilation * (taps - 1)
        for taps, stride, dilation in zip(kernel, strides, dilations, strict=True)
    )


def _average_pool(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    y: Tensor,
    auto_pad: str,
    count_include_pad: int,
    dilations: list[int] | None,
    kernel_shape: list[int],
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    slide = slide_of(
        x,
        y,
        kernel_shape,
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    counts = window_counts(op, slide, dy.dtype, include_pad=bool(count_include_pad))
    return x.builder.declare_shape(spread_over_windows(op, dy, slide, counts), x.dims)


def spread_over_windows(
    op: Operators, dy: Tensor, slide: Slide, counts: Matrix | float = 1.0
) -> Tensor:
    """Sum dy / counts, for each pixel, over the windows that hold it."""
    window, sizes, outputs = slide.window, numbers(slide.sizes), numbers(slide.outputs)
    if window is None:
        return sum_of_windows(op, _scaled(dy, 1, counts), slide)
    volume = math.prod(window.kernel)
    mirrored = window.mirrored_pads
    fits = all(0 <= p < taps for p, taps in zip(mirrored, window.kernel * 2, strict=True))
    # Before opset 19 AveragePool has no dilations.
    plain = max(window.dilations) == 1
    if set(window.strides) == {1} and fits and (plain or dy.builder.opset >= 19):
        # An average that counts its padding.
        return op.AveragePool(
            _scaled(dy, volume, counts),
            kernel_shape=window.kernel,
            dilations=None if plain else window.dilations,
            pads=mirrored,
            count_include_pad=1,
        )
    dy = _scaled(dy, 1, counts)
    tiles = plain and window.kernel == window.strides and not any(window.before)
    if tiles and sizes is not None and outputs is not None:
        repeated = op.Resize(
            dy,
            None,
            op.constant([1, 1, *window.kernel], np.float32),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        rest = [size - out * k for size, out, k in zip(sizes, outputs, window.kernel, strict=True)]
        if any(n < 0 for n in rest):
            inside = (slice(0, size) for size in sizes)
            repeated = repeated[(slice(None), slice(None), *inside)]
        if any(n > 0 for n in rest):
            after = [max(n, 0) for n in rest]
            none = [0] * slide.rank
            repeated = op.Pad(repeated, op.constant([0, 0, *none, 0, 0, *after], np.int64))
        return repeated
    return sum_of_windows(op, dy, slide)


def _scaled(dy: Tensor, factor: float, counts: Matrix | float) -> Tensor:
    """The cotangent times factor / counts."""
    if isinstance(counts, Tensor):
        return dy * (factor / counts)
    slope = np.asarray(factor / counts)
    first = slope.ravel()[0]
    if (slope != first).any():
        return dy * slope
    return dy if first == 1 else dy * float(first)


def _global_average_pool(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    return expand_as(dy / count_of(x.sizes[2:], dy.dtype), x)


def _global_max_pool(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    """The first of equal winners in row-major order takes all."""
    flat = x.reshape(*x.sizes[:2], math.prod(x.sizes[2:]))
    winner = op.ArgMax(flat, axis=2, keepdims=1)
    empty = zeros(op, flat.sizes, x.dtype)
    given = dy.reshape(*dy.sizes[:2], 1)
    return reshape_as(op.ScatterElements(empty, winner, given, axis=2), x)
