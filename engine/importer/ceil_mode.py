"""Pools that round the number of windows up, written so that all count the same windows."""

from __future__ import annotations

import onnx_ir as ir

from ..graph.builder import AttributeValue
from ..graph.tensor import Tensor


def without_ceil_mode(
    node: ir.Node, x: Tensor | None
) -> dict[str, AttributeValue | ir.Attr | None]:
    """Return a pool's attributes without `ceil_mode`, by padding behind the picture.

    Not every runtime has it, and ONNX's shape inference counts windows that start behind the
    picture, which ONNX Runtime leaves out. Kept where padding would count in averages.
    """
    given = node.attributes
    if given.get_int("ceil_mode", 0) == 0 or x is None or x.rank < 3:
        return {}
    sizes = [size for size in x.dims[2:] if isinstance(size, int)]
    if len(sizes) < x.rank - 2:
        # How far the last window reaches depends on an open size.
        return {}
    kernel = given.get_ints("kernel_shape") or []
    strides = given.get_ints("strides") or [1] * len(sizes)
    dilations = given.get_ints("dilations") or [1] * len(sizes)
    pads = given.get_ints("pads") or [0] * (2 * len(sizes))
    if given.get_string("auto_pad", "NOTSET") != "NOTSET":
        return {"ceil_mode": None}
    lengths = (len(kernel), len(strides), len(dilations), len(pads) / 2)
    if any(length != len(sizes) for length in lengths) or min(strides) < 1:
        # Refused where the pool itself is written.
        return {}
    before, after = list(pads[: len(sizes)]), []
    for axis, size in enumerate(sizes):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        room = size + before[axis] + pads[axis + len(sizes)] - span
        last = -(-room // strides[axis]) * strides[axis]
        if last >= size + before[axis]:
            last -= strides[axis]
        after.append(max(0, last + span - before[axis] - size))
    within = [min(n, limit) for n, limit in zip(after, pads[len(sizes) :], strict=True)]
    counted = given.get_int("count_include_pad", 0) == 1 and after != within
    if counted or any(n >= k for n, k in zip(after, kernel, strict=True)):
        return {"pads": before + within}
    return {"ceil_mode": None, "pads": before + after}


def without_unseen(x: Tensor | None, node: ir.Node) -> Tensor | None:
    """Return a pool's input without the pixels behind the last window.

    Where `ceil_mode` stays, ONNX's shape inference counts a window that starts behind the picture
    if there are such pixels.
    """
    if x is None or x.rank < 3 or not all(isinstance(size, int) for size in x.dims[2:]):
        return x
    kernel = node.attributes.get_ints("kernel_shape") or []
    axes = len(kernel)
    strides = node.attributes.get_ints("strides") or [1] * axes
    dilations = node.attributes.get_ints("dilations") or [1] * axes
    pads = node.attributes.get_ints("pads") or [0] * (2 * axes)
    if any(length != x.rank - 2 for length in (axes, len(strides), len(pads) / 2)):
        return x
    for axis, size in enumerate(x.shape[2:]):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        room = size + pads[axis] + pads[axis + axes] - span
        last = -(-room // strides[axis]) * strides[axis]
        if last >= size + pads[axis]:
            seen = last - strides[axis] + span - pads[axis]
            if 0 < seen < size:
                x = x[(*[slice(None)] * (axis + 2), slice(0, seen))]
    return x
