"""Cases of the layers of common networks: products, convolutions, pools, normalisation, warps."""

from __future__ import annotations

import math

import numpy as np
import window_adjoints
from rule_cases import Const, case, distinct, normal, positive, rng

# Matrix products --------------------------------------------------------------------------------

for a, b in (
    [(3,), (3,)],
    [(3,), (3, 4)],
    [(2, 3), (3,)],
    [(3,), (5, 3, 4)],
    [(5, 2, 3), (3,)],
    [(2, 3), (3, 4)],
    [(5, 2, 3), (3, 4)],
    [(2, 3), (5, 3, 4)],
    [(5, 1, 2, 3), (6, 3, 4)],
    [(1, 2, 3), (5, 3, 4)],
    [(2, 1, 2, 3), (1, 5, 3, 2)],
    [(1, 1), (1, 1)],
):
    case("MatMul", f"{a} and {b}", normal(*a), normal(*b))
for trans_a in (0, 1):
    for trans_b in (0, 1):
        a = normal(3, 2) if trans_a else normal(2, 3)
        b = normal(4, 3) if trans_b else normal(3, 4)
        label = f"{'T' if trans_a else 'N'}{'T' if trans_b else 'N'}"
        for c in ((), (4,), (1, 4), (2, 1), (2, 4), (1,)):
            case(
                "Gemm", f"{label} bias {c}", a, b, normal(*c),
                transA=trans_a, transB=trans_b, alpha=0.5, beta=-1.25,
            )  # fmt: skip
        case("Gemm", f"{label} no bias", a, b, transA=trans_a, transB=trans_b, alpha=1.5)
case("Gemm", "defaults", normal(2, 3), normal(3, 4), normal(4))


# Convolution ------------------------------------------------------------------------------------

for x, w, attributes in (
    ((1, 2, 5, 6), (3, 2, 3, 3), {}),
    ((2, 2, 5, 6), (3, 2, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((2, 2, 5, 6), (3, 2, 3, 3), {"pads": [2, 0, 1, 2]}),
    ((1, 2, 5, 5), (3, 2, 3, 2), {"pads": [3, 4, 3, 2]}),
    ((1, 2, 5, 6), (3, 2, 1, 1), {}),
    ((1, 2, 5, 6), (3, 2, 1, 1), {"strides": [2, 2]}),
    ((1, 2, 5, 6), (3, 2, 1, 1), {"strides": [3, 2], "pads": [1, 0, 2, 1]}),
    ((1, 2, 7, 8), (3, 2, 3, 3), {"strides": [2, 2]}),
    ((1, 2, 8, 8), (3, 2, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 2, 8, 9), (2, 2, 3, 3), {"strides": [3, 2], "pads": [0, 1, 2, 0]}),
    ((1, 2, 9, 9), (2, 2, 2, 2), {"strides": [3, 3]}),
    ((1, 2, 8, 9), (2, 2, 3, 3), {"dilations": [2, 2]}),
    ((1, 2, 8, 9), (2, 2, 3, 2), {"dilations": [2, 3], "pads": [2, 1, 0, 3]}),
    ((1, 2, 9, 9), (2, 2, 3, 3), {"dilations": [2, 1], "strides": [2, 3], "pads": [1, 2, 0, 1]}),
    ((1, 4, 6, 6), (6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    ((2, 4, 7, 6), (6, 2, 3, 3), {"group": 2, "strides": [2, 2], "pads": [0, 1, 0, 1]}),
    ((2, 3, 6, 6), (3, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    ((1, 3, 6, 7), (6, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    ((1, 3, 7, 8), (3, 1, 5, 5), {"group": 3, "strides": [2, 2], "pads": [2, 2, 2, 2]}),
    ((1, 2, 7), (3, 2, 3), {"pads": [1, 1]}),
    ((2, 2, 8), (3, 2, 4), {"strides": [3], "pads": [1, 2]}),
    ((1, 2, 4, 5, 4), (2, 2, 3, 2, 3), {"pads": [1, 0, 1, 1, 1, 1]}),
    ((1, 2, 5, 4, 5), (2, 2, 2, 2, 2), {"strides": [2, 1, 2]}),
    ((1, 2, 3, 3), (4, 2, 3, 3), {}),
    ((1, 2, 7, 8), (2, 2, 3, 3), {"auto_pad": "VALID"}),
    ((1, 2, 7, 8), (2, 2, 3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
    *(
        ((1, 2, *sizes), (2, 2, *kernel), {"auto_pad": same, "strides": strides})
        for same in ("SAME_UPPER", "SAME_LOWER")
        for sizes, kernel, strides in (
            ((6, 7), (3, 3), [1, 1]),
            ((6, 7), (2, 4), [1, 1]),
            ((6, 7), (3, 3), [2, 2]),
            ((7, 8), (2, 4), [2, 3]),
            ((8, 7), (5, 1), [3, 2]),
        )
    ),
):
    label = f"{x} {w} {attributes}"
    case("Conv", label, normal(*x), normal(*w), normal(w[0]), dtypes="f",
         exact=window_adjoints.conv, **attributes)  # fmt: skip
case("Conv", "no bias", normal(1, 2, 5, 5), normal(3, 2, 3, 3), dtypes="f", kernel_shape=[3, 3],
     exact=window_adjoints.conv)  # fmt: skip
case("Conv", "onnx-ad", normal(2, 4, 6, 7), normal(6, 4, 3, 3), normal(6), dtypes="f",
     pads=[1, 1, 1, 1])  # fmt: skip


# Pooling ----------------------------------------------------------------------------------------

_windows = (
    ((5, 6), (2, 2), {}),
    ((5, 6), (2, 2), {"strides": [2, 2]}),
    ((6, 7), (3, 3), {"strides": [2, 2]}),
    ((6, 7), (3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((6, 7), (3, 3), {"pads": [1, 1, 1, 1]}),
    ((6, 7), (3, 2), {"strides": [3, 1], "pads": [2, 0, 1, 1]}),
    ((6, 7), (3, 3), {"pads": [2, 1, 0, 2]}),
    ((6, 7), (3, 3), {"strides": [2, 2], "ceil_mode": 1}),
    ((6, 8), (3, 2), {"strides": [2, 3], "ceil_mode": 1, "pads": [1, 0, 1, 1]}),
    ((7, 7), (2, 2), {"strides": [3, 3], "ceil_mode": 1}),
    ((7, 7), (2, 2), {"strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}),
    ((5, 6), (1, 1), {"strides": [2, 2]}),
    ((5, 6), (5, 6), {}),
    ((6, 7), (3, 3), {"auto_pad": "SAME_UPPER"}),
    ((6, 7), (2, 2), {"auto_pad": "SAME_UPPER"}),
    ((6, 7), (2, 2), {"auto_pad": "SAME_LOWER"}),
    ((6, 7), (3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((6, 7), (3, 2), {"auto_pad": "SAME_LOWER", "strides": [2, 3]}),
    ((6, 7), (3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
)
for sizes, kernel, attributes in _windows:
    label = f"{sizes} {kernel} {attributes}"
    case("MaxPool", label, distinct(2, 2, *sizes), kernel_shape=kernel, dtypes="df",
         exact=window_adjoints.max_pool, **attributes)  # fmt: skip
    for include in (0, 1):
        case("AveragePool", f"{label} include {include}", normal(2, 2, *sizes), dtypes="f",
             kernel_shape=kernel, count_include_pad=include, exact=window_adjoints.average_pool,
             **attributes)  # fmt: skip
for sizes, kernel, attributes in (
    ((7, 8), (3, 2), {"dilations": [2, 3]}),
    ((7,), (3,), {"strides": [2], "pads": [1, 1]}),
    ((5, 4, 5), (2, 3, 2), {"strides": [2, 1, 2]}),
):
    label = f"{sizes} {kernel} {attributes}"
    case("MaxPool", label, distinct(1, 2, *sizes), kernel_shape=kernel, dtypes="df",
         exact=window_adjoints.max_pool, **attributes)  # fmt: skip
_plateau = np.round(normal(1, 2, 6, 6))
case("MaxPool", "ties", _plateau, kernel_shape=(3, 3), strides=[2, 2], dtypes="df", finite=False,
     exact=window_adjoints.max_pool)  # fmt: skip
case("MaxPool", "all equal", np.zeros((1, 1, 5, 5)), kernel_shape=(3, 3), pads=[1] * 4, dtypes="df",
     finite=False, exact=window_adjoints.max_pool)  # fmt: skip
case("MaxPool", "storage order", distinct(2, 2, 5, 5), kernel_shape=(2, 2), storage_order=1,
     dtypes="df", exact=window_adjoints.max_pool)  # fmt: skip
case("MaxPool", "onnx-ad", distinct(2, 2, 6, 6), kernel_shape=(2, 2), strides=[2, 2])
for sizes, kernel, attributes in (
    ((7,), (3,), {"pads": [1, 1]}),
    ((7,), (2,), {}),
    ((4, 5, 4), (2, 3, 2), {"pads": [1, 1, 0, 0, 1, 1]}),
):
    label = f"{sizes} {kernel} {attributes}"
    case("AveragePool", label, normal(1, 2, *sizes), kernel_shape=kernel, dtypes="f",
         exact=window_adjoints.average_pool, **attributes)  # fmt: skip
for strides in ([1, 1], [2, 3]):
    case("AveragePool", f"dilations strides {strides}", normal(1, 2, 7, 8), kernel_shape=(3, 2),
         dilations=[2, 3], strides=strides, pads=[1, 1, 0, 1], opset=19, dtypes="f",
         exact=window_adjoints.average_pool)  # fmt: skip
case("AveragePool", "onnx-ad", normal(2, 2, 6, 6), kernel_shape=(2, 2), strides=[2, 2], dtypes="f")
for shape in ((2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 2, 2)):
    case("GlobalAveragePool", f"{shape}", normal(*shape), dtypes="f")


# Normalisation ----------------------------------------------------------------------------------


def _lrn(inputs, cotangent, *, size, alpha=1e-4, beta=0.75, bias=1.0):
    x, alpha = inputs[0].astype(float), float(np.float32(alpha))
    channels = x.shape[1]
    window = [
        range(max(0, c - (size - 1) // 2), min(channels, c + math.ceil((size - 1) / 2) + 1))
        for c in range(channels)
    ]
    dx = np.zeros_like(x)
    for c in range(channels):
        s = bias + alpha / size * (x[:, list(window[c])] ** 2).sum(1)
        dx[:, c] += cotangent[:, c] * s**-beta
        for other in window[c]:
            slope = -beta * s ** (-beta - 1) * alpha / size * 2 * x[:, other]
            dx[:, other] += cotangent[:, c] * x[:, c] * slope
    return (dx,)


for size in (1, 3, 5, 11):
    case("LRN", f"size {size}", normal(2, 7, 3, 2) * 2, size=size, alpha=0.9, beta=0.75, bias=1.5,
         dtypes="f", exact=_lrn)  # fmt: skip
for beta in (0.5, 0.6, 1.0):
    case("LRN", f"beta {beta}", normal(1, 5, 2, 2), size=3, alpha=2.0, beta=beta, bias=0.7,
         dtypes="f", exact=_lrn)  # fmt: skip
case("LRN", "defaults", normal(1, 6, 2, 2) * 50, size=5, dtypes="f", exact=_lrn)
for size in (2, 4):
    # The reference runs over channels as many as there are pictures.
    case("LRN", f"even size {size}", normal(7, 7, 2, 2), size=size, alpha=0.9, beta=0.75, bias=1.5,
         exact=_lrn, runtime="reference")  # fmt: skip


def _batch_normalization(inputs, cotangent, *, epsilon=1e-5, momentum=0):
    x = inputs[0]
    by_channel = (1, -1, *([1] * (x.ndim - 2)))
    scale, bias, mean, variance = (array.reshape(by_channel) for array in inputs[1:])
    r = (variance + np.float32(epsilon).astype(float)) ** -0.5
    slopes = (
        scale * r,
        (x - mean) * r,
        np.ones_like(bias),
        -scale * r,
        scale * (x - mean) * -0.5 * r**3,
    )
    others = tuple(axis for axis in range(x.ndim) if axis != 1)
    dx, *rest = (cotangent * slope for slope in slopes)
    return [dx, *(gradient.sum(axis=others) for gradient in rest)]


for shape in ((2, 3, 4, 4), (4, 3), (2, 3, 5)):
    case("BatchNormalization", f"{shape}", normal(*shape), positive(3), normal(3), normal(3),
         positive(3), dtypes="df", exact=_batch_normalization)  # fmt: skip
case("BatchNormalization", "epsilon", normal(2, 3, 2, 2), positive(3), normal(3), normal(3),
     positive(3), epsilon=0.3, momentum=0.5, exact=_batch_normalization)  # fmt: skip
case("BatchNormalization", "onnx-ad", normal(2, 3, 2, 2),
     *(Const(positive(3)) for _ in range(4)))  # fmt: skip


# Sampling ---------------------------------------------------------------------------------------


def _grid_sample(inputs, cotangent, *, align_corners=0, mode="", padding_mode=""):
    x, grid = (array.astype(float) for array in inputs)
    height, width = x.shape[2:]
    dx = np.zeros_like(x)
    for n, i, j in np.ndindex(*grid.shape[:3]):
        u, v = grid[n, i, j]
        if align_corners:
            column, row = (u + 1) / 2 * (width - 1), (v + 1) / 2 * (height - 1)
        else:
            column, row = ((u + 1) * width - 1) / 2, ((v + 1) * height - 1) / 2
        for r in (math.floor(row), math.floor(row) + 1):
            for c in (math.floor(column), math.floor(column) + 1):
                if 0 <= r < height and 0 <= c < width:
                    weight = (1 - abs(row - r)) * (1 - abs(column - c))
                    dx[n, :, r, c] += weight * cotangent[n, :, i, j]
    return (dx,)


for align in (0, 1):
    for label, grid in (
        ("inside", rng.uniform(-0.9, 0.9, (2, 3, 4, 2))),
        ("out of range", rng.uniform(-2.5, 2.5, (2, 5, 4, 2))),
        ("far away", rng.uniform(-1e6, 1e6, (1, 2, 2, 2))),
        ("corners", np.array([[[[-1.0, -1], [1, 1]], [[-1, 1], [0, 0]]]])),
    ):
        case("GridSample", f"{label} align {align}", normal(len(grid), 2, 5, 6), Const(grid),
             align_corners=align, dtypes="f", exact=_grid_sample)  # fmt: skip
case("GridSample", "attributes", normal(1, 1, 3, 4), Const(rng.uniform(-1, 1, (1, 2, 2, 2))),
     mode="bilinear", padding_mode="zeros", dtypes="f", exact=_grid_sample)  # fmt: skip
case("GridSample", "opset 20", normal(1, 1, 3, 4), Const(rng.uniform(-1, 1, (1, 2, 2, 2))),
     mode="linear", opset=20, dtypes="f", exact=_grid_sample)  # fmt: skip
