"""Cases of pools beyond maxima and averages of two dimensions: all ranks, norms, unpooling."""

from __future__ import annotations

import numpy as np
import window_adjoints
from onnx import helper
from rule_cases import away, case, distinct, normal

# Averages ---------------------------------------------------------------------------------------

for sizes, kernel, attributes in (
    ((9,), (3,), {"strides": [2]}),
    ((9,), (3,), {"strides": [2], "pads": [1, 1]}),
    ((10,), (3,), {"strides": [3], "ceil_mode": 1}),
    ((10,), (4,), {"strides": [4], "ceil_mode": 1}),
    ((9,), (2,), {"strides": [3]}),
    ((8,), (2,), {"strides": [2]}),
    ((9,), (2,), {"strides": [2]}),
    ((9,), (3,), {"strides": [2], "auto_pad": "SAME_LOWER"}),
    ((4, 5, 6), (2, 3, 2), {"strides": [2, 2, 1]}),
    ((4, 5, 6), (2, 2, 2), {"strides": [2, 2, 2]}),
    ((5, 4, 5), (3, 2, 3), {"strides": [2, 1, 2], "pads": [1, 0, 1, 1, 1, 1]}),
    ((5, 4, 5), (2, 2, 2), {"strides": [2, 2, 2], "ceil_mode": 1}),
    ((6, 9), (2, 3), {"strides": [2, 3]}),
    ((7, 11), (2, 3), {"strides": [2, 3]}),
    ((7, 8), (3, 3), {"strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}),
    ((7, 8), (3, 3), {"strides": [3, 2], "ceil_mode": 1, "pads": [0, 1, 1, 0]}),
    ((7, 7), (4, 4), {"strides": [4, 4], "ceil_mode": 1, "pads": [0, 0, 1, 1]}),
):
    for include in (0, 1):
        case("AveragePool", f"{sizes} {kernel} {attributes} include {include}",
             normal(2, 2, *sizes), kernel_shape=kernel, dtypes="f", count_include_pad=include,
             exact=window_adjoints.average_pool, **attributes)  # fmt: skip
for strides in ([1], [2]):
    for opset in (19, 22):
        case("AveragePool", f"1-d dilations strides {strides} opset {opset}", normal(1, 2, 11),
             kernel_shape=[3], dilations=[3], strides=strides, opset=opset, dtypes="f",
             exact=window_adjoints.average_pool)  # fmt: skip
for shape in ((2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 2, 2)):
    case("GlobalAveragePool", f"opset 22 {shape}", normal(*shape), dtypes="f", opset=22)

# Maxima -----------------------------------------------------------------------------------------

for sizes, kernel, attributes in (
    ((9,), (3,), {"strides": [2], "ceil_mode": 1, "pads": [1, 1]}),
    ((9,), (2,), {"strides": [2], "auto_pad": "SAME_UPPER"}),
    ((10,), (3,), {"dilations": [3]}),
    ((5, 4, 5), (3, 2, 3), {"strides": [2, 1, 2], "pads": [1, 0, 1, 1, 1, 1]}),
    ((6, 5, 5), (2, 2, 2), {"dilations": [2, 1, 3], "strides": [2, 2, 1]}),
    ((5, 6, 5), (2, 2, 2), {"strides": [2, 2, 2], "ceil_mode": 1}),
    ((7, 8), (2, 2), {"strides": [2, 2]}),
    ((8, 8), (3, 2), {"strides": [3, 2]}),
):
    case("MaxPool", f"{sizes} {kernel} {attributes}", distinct(2, 2, *sizes), kernel_shape=kernel,
         dtypes="df", exact=window_adjoints.max_pool, **attributes)  # fmt: skip
for order in (0, 1):
    case("MaxPool", f"indices order {order}", distinct(2, 2, 5, 6), kernel_shape=[2, 3],
         strides=[2, 2], storage_order=order, outputs=("y", "where"), dtypes="df",
         exact=window_adjoints.max_pool)  # fmt: skip
case("MaxPool", "opset 22", distinct(1, 2, 5, 6), kernel_shape=[2, 3], opset=22, dtypes="df",
     exact=window_adjoints.max_pool)  # fmt: skip


def _global_max(inputs, cotangent):
    (x,) = inputs
    dx = np.zeros(x.shape)
    for n, c in np.ndindex(*x.shape[:2]):
        winner = np.unravel_index(np.argmax(x[n, c]), x.shape[2:])
        dx[(n, c, *winner)] = cotangent[n, c].item()
    return (dx,)


for shape in ((2, 3, 7), (2, 3, 4, 5), (1, 2, 3, 2, 2)):
    case("GlobalMaxPool", f"{shape}", distinct(*shape), dtypes="f", exact=_global_max)
case("GlobalMaxPool", "ties", np.ones((2, 2, 3, 3)), dtypes="f", exact=_global_max, finite=False)
case("GlobalMaxPool", "opset 22", distinct(1, 2, 3, 3), dtypes="f", opset=22, exact=_global_max)

# Padding cannot stand for ceil_mode along one axis, and along another the last window that it would
# add starts behind the picture.
_kept = {"strides": [3, 2], "ceil_mode": 1}
case("MaxPool", "ceil mode kept", distinct(1, 2, 3, 3), kernel_shape=[1, 3], dilations=[1, 2],
     pads=[0, 1, 0, 2], dtypes="df", exact=window_adjoints.max_pool, **_kept)  # fmt: skip
case("AveragePool", "ceil mode kept", normal(1, 2, 3, 4), kernel_shape=[1, 3], pads=[0, 1, 0, 1],
     count_include_pad=1, dtypes="f", exact=window_adjoints.average_pool, **_kept)  # fmt: skip

# Norms ------------------------------------------------------------------------------------------


def _lp_pool(inputs, cotangent, *, kernel_shape, p=2, **geometry):
    """The cotangent times sign(x) · (|x| / y)^(p − 1) for every pixel of every window."""
    x = inputs[0].astype(float)
    dx = np.zeros_like(x)
    where, _, _ = window_adjoints.taps(x.shape[2:], tuple(kernel_shape), **geometry)
    for out, hits in window_adjoints.positions(where, x.shape[2:]):
        pixels = [(slice(None), slice(None), *pixel) for _, pixel in hits if pixel is not None]
        norm = sum(np.abs(x[pixel]) ** p for pixel in pixels) ** (1 / p)
        for pixel in pixels:
            slope = np.sign(x[pixel]) * np.abs(x[pixel]) ** (p - 1)
            share = np.where(norm > 0, slope / np.where(norm > 0, norm, 1) ** (p - 1), 0)
            dx[pixel] += cotangent[(slice(None), slice(None), *out)] * share
    return (dx,)


for sizes, kernel, attributes in (
    ((9,), (3,), {}),
    ((9,), (3,), {"strides": [2], "pads": [1, 1]}),
    ((6, 7), (3, 3), {"strides": [2, 2]}),
    ((6, 7), (3, 2), {"pads": [1, 1, 1, 0]}),
    ((6, 8), (2, 2), {"strides": [2, 2]}),
    ((7, 8), (3, 3), {"strides": [2, 2], "ceil_mode": 1}),
    ((7, 8), (2, 3), {"dilations": [2, 2], "strides": [2, 1]}),
    ((7, 8), (3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((7, 8), (3, 3), {"auto_pad": "SAME_LOWER"}),
    ((4, 5, 4), (2, 3, 2), {"strides": [2, 1, 2]}),
):
    for p in (1, 2, 3):
        case("LpPool", f"{sizes} {kernel} {attributes} p {p}", away(1, 2, *sizes), p=p,
             kernel_shape=kernel, dtypes="f", exact=_lp_pool, **attributes)  # fmt: skip
# A window more along the last axis would start behind the picture.
for p in (1, 2):
    case("LpPool", f"ceil mode, no window behind p {p}", away(2, 1, 2, 3), p=p, ceil_mode=1,
         kernel_shape=[1, 1], strides=[1, 3], dtypes="f", exact=_lp_pool)  # fmt: skip
_some_zeros = away(1, 2, 6, 6)
_some_zeros[:, :, :3, :3] = 0
for p in (2, 3):
    case("LpPool", f"windows of zeros p {p}", _some_zeros, p=p, kernel_shape=[3, 3], strides=[3, 3],
         dtypes="f", finite=False, exact=_lp_pool)  # fmt: skip
case("LpPool", "opset 22", away(1, 2, 6, 6), kernel_shape=[3, 3], dtypes="f", opset=22,
     exact=_lp_pool)  # fmt: skip


def _global_lp(inputs, cotangent, *, p=2):
    x = inputs[0].astype(float)
    norm = (np.abs(x) ** p).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)
    return (cotangent * np.sign(x) * (np.abs(x) / norm) ** (p - 1),)


for shape in ((2, 3, 7), (2, 3, 4, 5), (1, 2, 3, 2, 2)):
    for p in (1, 2, 3):
        case("GlobalLpPool", f"{shape} p {p}", away(*shape), p=p, dtypes="f", exact=_global_lp)

# Unpooling --------------------------------------------------------------------------------------

_places = np.array([[[[0, 3], [9, 14]], [[16, 18], [24, 31]]]])


def _unpool(inputs, cotangent, **_):
    return (cotangent.ravel()[inputs[1]],)


case("MaxUnpool", "kernel", normal(1, 2, 2, 2), _places, kernel_shape=[2, 2], strides=[2, 2],
     dtypes="f", exact=_unpool)  # fmt: skip
case("MaxUnpool", "output shape", normal(1, 2, 2, 2), _places, np.array([1, 2, 4, 5]),
     kernel_shape=[2, 2], strides=[2, 2], dtypes="f", exact=_unpool)  # fmt: skip
case("MaxUnpool", "1-d", normal(1, 1, 3), np.array([[[1, 2, 5]]]), kernel_shape=[2], strides=[2],
     dtypes="f", exact=_unpool)  # fmt: skip
case("MaxUnpool", "opset 22", normal(1, 2, 2, 2), _places, kernel_shape=[2, 2], strides=[2, 2],
     dtypes="f", exact=_unpool, opset=22)  # fmt: skip
case("MaxPool", "unpooled again", distinct(1, 2, 4, 6), kernel_shape=[2, 2], strides=[2, 2],
     outputs=("most", "where"),
     tail=(helper.make_node("MaxUnpool", ["most", "where"], ["y"], kernel_shape=[2, 2],
                            strides=[2, 2]),),
     dtypes="f",
     exact=lambda inputs, dy, **k: [
         dy * (window_adjoints.max_pool(inputs, np.ones((1, 2, 2, 3)), **k)[0] > 0)
     ])  # fmt: skip
