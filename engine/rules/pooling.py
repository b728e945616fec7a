"""Rules of pooling."""

from __future__ import annotations

import math

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.window import Window, resolve_window
from .table import RuleTable
from .vocabulary import zeros


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("MaxPool", max_pool, ignores=("storage_order",))
    rules.define("AveragePool", _average_pool, ignores=("ceil_mode",))
    rules.define("GlobalAveragePool", _global_average_pool)


def max_pool(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    *,
    auto_pad: str,
    ceil_mode: int,
    dilations: list[int] | None,
    kernel_shape: list[int],
    pads: list[int] | None,
    strides: list[int] | None,
) -> Tensor:
    """Of MaxPool, by its Indices."""
    # Indices count within the whole tensor, in row-major order; of equal winners the first counts.
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
    size = math.prod(x.shape)
    scattered = op.ScatterElements(
        zeros(op, [size], x.dtype),
        indices.reshape(-1),
        dy.reshape(-1),
        axis=0,
        reduction="add",
    )
    return scattered.reshape(*x.shape)


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
    window = resolve_window(
        kernel_shape,
        x.shape[2:],
        y.shape[2:],
        auto_pad=auto_pad,
        dilations=dilations,
        pads=pads,
        strides=strides,
    )
    count = _window_counts(window, x.shape[2:], y.shape[2:], bool(count_include_pad))
    volume = math.prod(window.kernel)
    mirrored = window.mirrored_pads
    sizes = [
        out + first + last - span + 1
        for out, first, last, span in zip(
            y.shape[2:], mirrored, mirrored[len(window.kernel) :], window.extent, strict=False
        )
    ]
    smooth = set(window.strides) == {1} and min(mirrored) >= 0 and tuple(sizes) == x.shape[2:]
    if smooth and all(p < k for p, k in zip(mirrored, window.kernel * 2, strict=True)):
        # The transpose of a stride-1 sum is the mirrored sum: an average that counts its padding.
        return op.AveragePool(
            dy * (volume / count),
            kernel_shape=window.kernel,
            # Before opset 19 AveragePool has no such attribute.
            dilations=window.dilations if max(window.dilations) > 1 else None,
            pads=mirrored,
            count_include_pad=1,
        )
    if len(window.kernel) != 2:
        raise OperatorError("the gradient of a strided AveragePool is supported in two dimensions")
    rows, columns = _membership(window, x.shape[2:], y.shape[2:], x.dtype)
    return op.constant(rows.T) @ (dy * (1 / count)) @ op.constant(columns)


def _membership(
    window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...], dtype: np.dtype[np.generic]
) -> list[np.ndarray]:
    """For each axis the (outputs, pixels) matrix with 1 where the window holds the pixel."""
    matrices = []
    for axis, (size, out) in enumerate(zip(sizes, outputs, strict=True)):
        matrix = np.zeros((out, size), dtype)
        for tap in range(window.kernel[axis]):
            pixel = (
                np.arange(out) * window.strides[axis]
                + tap * window.dilations[axis]
                - window.before[axis]
            )
            inside = (pixel >= 0) & (pixel < size)
            matrix[np.arange(out)[inside], pixel[inside]] = 1
        matrices.append(matrix)
    return matrices


def _window_counts(
    window: Window, sizes: tuple[int, ...], outputs: tuple[int, ...], include_pad: bool
) -> np.ndarray:
    """How many elements each output's average divides by, of the output's shape.

    Padding counts with `include_pad`; what ceil_mode adds behind the padding never does.
    """
    counts = np.ones((1,) * len(sizes))
    for axis, (size, out) in enumerate(zip(sizes, outputs, strict=True)):
        low = -window.before[axis] if include_pad else 0
        high = size + (window.after[axis] if include_pad else 0)
        starts = np.arange(out) * window.strides[axis] - window.before[axis]
        taps = starts[:, None] + np.arange(window.kernel[axis]) * window.dilations[axis]
        along = ((taps >= low) & (taps < high)).sum(1)
        counts = counts * along.reshape([-1 if a == axis else 1 for a in range(len(sizes))])
    return counts


def _global_average_pool(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    scaled = dy / math.prod(x.shape[2:])
    return op.Expand(scaled, op.constant(x.shape, np.int64))
