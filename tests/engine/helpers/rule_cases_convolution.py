"""Cases of convolutions beyond those of two dimensions: all ranks, transposed."""

from __future__ import annotations

import numpy as np
import window_adjoints
from rule_cases import Const, case, normal


def _transposed(
    inputs, cotangent, *, group=1, strides=None, dilations=None, pads=None, auto_pad="NOTSET",
    output_padding=None, output_shape=None, kernel_shape=None,
):  # fmt: skip
    """Gradients of ConvTranspose by loops: input i and tap t give pixel i·s + t·d − before."""
    x, w = (np.asarray(array, np.float64) for array in inputs[:2])
    dy, rank = np.asarray(cotangent, np.float64), x.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    extra, before = output_padding or [0] * rank, list((pads or [0] * (2 * rank))[:rank])
    if auto_pad == "VALID":
        before = [0] * rank
    if auto_pad.startswith("SAME") or output_shape:
        for a in range(rank):
            full = (
                (x.shape[2 + a] - 1) * strides[a] + extra[a] + (w.shape[2 + a] - 1) * dilations[a]
            )
            total = max(full + 1 - dy.shape[2 + a], 0)
            before[a] = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    ins, outs = x.shape[1] // group, w.shape[1]
    for place in np.ndindex(*x.shape[2:]):
        for tap in np.ndindex(*w.shape[2:]):
            pixel = tuple(
                p * s + t * d - b
                for p, s, t, d, b in zip(place, strides, tap, dilations, before, strict=True)
            )
            if not all(0 <= p < n for p, n in zip(pixel, dy.shape[2:], strict=True)):
                continue
            for g in range(group):
                source, target = slice(g * ins, (g + 1) * ins), slice(g * outs, (g + 1) * outs)
                given, taken = dy[(slice(None), target, *pixel)], x[(slice(None), source, *place)]
                dx[(slice(None), source, *place)] += given @ w[(source, slice(None), *tap)].T
                dw[(source, slice(None), *tap)] += taken.T @ given
    return (dx, dw, dy.sum(axis=(0, *range(2, dy.ndim))))[: len(inputs)]


for x, w, attributes in (
    # One and three dimensions
    ((2, 3, 9), (4, 3, 3), {}),
    ((2, 3, 9), (4, 3, 3), {"strides": [2], "pads": [1, 1]}),
    ((2, 4, 9), (4, 2, 2), {"strides": [3], "group": 2, "pads": [1, 0]}),
    ((1, 2, 8), (2, 1, 4), {"group": 2, "strides": [2], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 11), (3, 2, 3), {"dilations": [3], "strides": [2]}),
    ((1, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"pads": [1, 1, 0, 0, 1, 1]}),
    ((1, 2, 5, 4, 5), (2, 2, 3, 2, 3), {"strides": [2, 1, 2], "pads": [1, 0, 1, 1, 0, 1]}),
    ((1, 4, 4, 5, 4), (4, 1, 2, 3, 2), {"group": 4, "strides": [2, 2, 2]}),
    # Groups whose kernels have several inputs and outputs, in a batch
    ((3, 6, 5, 6), (9, 2, 3, 2), {"group": 3, "strides": [2, 1], "pads": [1, 0, 1, 1]}),
    ((2, 4, 5, 6), (8, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1]}),
    ((2, 4, 7, 7), (8, 1, 3, 3), {"group": 4, "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    # A kernel of one pixel with a stride, and one larger than the picture
    ((2, 3, 7, 8), (4, 3, 1, 1), {"strides": [2, 2]}),
    ((2, 3, 7, 8), (4, 3, 1, 1), {"strides": [3, 2], "pads": [1, 0, 0, 1]}),
    ((1, 2, 3, 3), (2, 2, 7, 7), {"pads": [3, 3, 3, 3]}),
    ((1, 6, 9, 9), (6, 1, 7, 7), {"group": 6, "pads": [3, 3, 3, 3]}),
    ((1, 6, 9, 9), (6, 1, 7, 7), {"group": 6, "pads": [3, 3, 3, 3], "strides": [2, 2]}),
):
    case("Conv", f"{x} {w} {attributes}", normal(*x), normal(*w), normal(w[0]), dtypes="f",
         exact=window_adjoints.conv, **attributes)  # fmt: skip
case("Conv", "constant kernel", normal(1, 2, 7, 6), Const(normal(4, 2, 3, 3)), strides=[2, 2],
     dtypes="f", exact=lambda *a, **k: window_adjoints.conv(*a, **k)[:1])  # fmt: skip
case("Conv", "constant depthwise kernel", normal(1, 2, 7, 6), Const(normal(2, 1, 3, 3)), group=2,
     strides=[2, 2], dtypes="f",
     exact=lambda *a, **k: window_adjoints.conv(*a, **k)[:1])  # fmt: skip
case("Conv", "opset 22", normal(1, 2, 5, 5), normal(3, 2, 3, 3), dtypes="f", strides=[2, 2],
     exact=window_adjoints.conv, opset=22)  # fmt: skip

for x, w, group, attributes in (
    ((2, 3, 4, 5), (3, 4, 3, 3), 1, {}),
    ((2, 3, 4, 5), (3, 4, 3, 2), 1, {"strides": [2, 3]}),
    ((2, 3, 4, 5), (3, 4, 3, 3), 1, {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((2, 3, 4, 5), (3, 4, 3, 3), 1, {"strides": [2, 2], "pads": [1, 0, 0, 1]}),
    ((1, 3, 4, 5), (3, 2, 3, 3), 1,
     {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]}),
    ((1, 3, 4, 5), (3, 2, 2, 2), 1, {"strides": [3, 3], "output_padding": [2, 1]}),
    ((1, 4, 4, 5), (4, 2, 3, 3), 2, {"dilations": [2, 3], "pads": [2, 1, 2, 1]}),
    ((2, 6, 4, 3), (6, 3, 2, 3), 2, {"strides": [2, 1]}),
    ((2, 4, 4, 3), (4, 1, 3, 3), 4, {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 2, 4, 5), (2, 3, 3, 3), 1, {"strides": [2, 2], "output_shape": [8, 10]}),
    ((1, 2, 4, 5), (2, 3, 3, 3), 1,
     {"strides": [2, 2], "output_shape": [8, 10], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 4, 5), (2, 3, 4, 3), 1, {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 4, 5), (2, 3, 3, 4), 1, {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((1, 2, 4, 5), (2, 3, 3, 4), 1, {"strides": [2, 2], "auto_pad": "VALID"}),
    ((2, 3, 6), (3, 2, 3), 1, {"strides": [2], "pads": [1, 1], "output_padding": [1]}),
    ((2, 3, 6), (3, 2, 4), 1, {}),
    ((1, 2, 3, 4, 3), (2, 3, 2, 3, 2), 1, {"strides": [2, 1, 2], "pads": [0, 1, 0, 1, 1, 0]}),
    ((1, 4, 3, 2, 3), (4, 1, 3, 2, 3), 2, {"strides": [1, 2, 2]}),
):  # fmt: skip
    case("ConvTranspose", f"{x} {w} {group} {attributes}", normal(*x), normal(*w),
         normal(w[1] * group), dtypes="f", group=group, exact=_transposed,
         **attributes)  # fmt: skip
case("ConvTranspose", "no bias", normal(1, 2, 3, 4), normal(2, 2, 3, 3), kernel_shape=[3, 3],
     strides=[2, 2], dtypes="f", exact=_transposed)  # fmt: skip
case("ConvTranspose", "opset 22", normal(1, 2, 3, 4), normal(2, 2, 3, 3), strides=[2, 2],
     dtypes="f", exact=_transposed, opset=22)  # fmt: skip
