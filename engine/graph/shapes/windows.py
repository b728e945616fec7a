"""Shapes of operators with a sliding window: convolutions and pools (see `symbolic`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .algebra import Dim, Sizes
from .known import Known, Shape


def _windows(known: Known) -> Shape:
    """Convolutions and pools."""
    node, x = known.node, known.shape()
    if x is None:
        return None
    kernel: list[Dim] = [*(node.attributes.get_ints("kernel_shape", None) or ())]
    kernels = known.shape(1)
    if node.op_type == "Conv" and not kernel:
        kernel = [] if kernels is None else list(kernels[2:])
    rank = len(x) - 2
    if len(kernel) != rank:
        return None
    strides = node.attributes.get_ints("strides", None) or [1] * rank
    dilations = node.attributes.get_ints("dilations", None) or [1] * rank
    pads = node.attributes.get_ints("pads", None) or [0] * (2 * rank)
    auto_pad = node.attributes.get_string("auto_pad", "NOTSET")
    if auto_pad == "VALID":
        pads = [0] * (2 * rank)
    up = node.attributes.get_int("ceil_mode", 0) == 1
    dims: list[Dim | None] = [x[0], x[1] if kernels is None else kernels[0]]
    for axis, size in enumerate(x[2:]):
        stride = strides[axis]
        if auto_pad.startswith("SAME"):
            dims.append(known.sizes.floor_divide(known.sizes.add(size, stride - 1), stride))
            continue
        span = _span(known.sizes, kernel[axis], dilations[axis])
        room = known.sizes.subtract(known.sizes.add(size, pads[axis] + pads[axis + rank]), span)
        if up:
            # Windows that start behind the picture are left out: not a plain quotient.
            begins = known.sizes.add(size, pads[axis] - 1)
            rounded = known.sizes.floor_divide(known.sizes.add(room, stride - 1), stride)
            last = known.sizes.floor_divide(begins, stride)
            dims.append(known.sizes.add(known.sizes.smaller(rounded, last), 1))
        else:
            dims.append(known.sizes.add(known.sizes.floor_divide(room, stride), 1))
    return dims


def _conv_transpose(known: Known) -> Shape:
    x, w = known.shape(0), known.shape(1)
    if x is None or w is None:
        return None
    rank = len(x) - 2
    attributes = known.node.attributes
    given = attributes.get_ints("output_shape", None)
    strides = attributes.get_ints("strides", None) or [1] * rank
    dilations = attributes.get_ints("dilations", None) or [1] * rank
    extra = attributes.get_ints("output_padding", None) or [0] * rank
    pads = attributes.get_ints("pads", None) or [0] * (2 * rank)
    auto_pad = attributes.get_string("auto_pad", "NOTSET")
    channels = known.sizes.multiply(w[1], attributes.get_int("group", 1))
    dims: list[Dim | None] = [x[0], channels]
    for axis, size in enumerate(x[2:]):
        kernel = w[2 + axis]
        if given is not None:
            dims.append(given[axis])
        elif auto_pad.startswith("SAME"):
            dims.append(known.sizes.multiply(size, strides[axis]))
        else:
            fixed = extra[axis] - strides[axis]
            fixed -= 0 if auto_pad == "VALID" else pads[axis] + pads[axis + rank]
            span = _span(known.sizes, kernel, dilations[axis])
            reach = known.sizes.add(known.sizes.multiply(size, strides[axis]), span)
            dims.append(known.sizes.add(reach, fixed))
    return dims


def _span(sizes: Sizes, taps: Dim, dilation: int) -> Dim:
    """How many pixels a dilated kernel covers."""
    return sizes.add(sizes.multiply(sizes.subtract(taps, 1), dilation), 1)


def _max_unpool(known: Known) -> Shape:
    x = known.shape(0)
    if x is None:
        return None
    if known.given(2):
        return known.data(2) or [None] * len(x)
    rank, attributes = len(x) - 2, known.node.attributes
    kernel = attributes.get_ints("kernel_shape", None) or [1] * rank
    strides = attributes.get_ints("strides", None) or [1] * rank
    pads = attributes.get_ints("pads", None) or [0] * (2 * rank)
    dims: list[Dim | None] = [*x[:2]]
    for axis, size in enumerate(x[2:]):
        fixed = kernel[axis] - strides[axis] - pads[axis] - pads[axis + rank]
        dims.append(known.sizes.add(known.sizes.multiply(size, strides[axis]), fixed))
    return dims


def _col_to_image(known: Known) -> Shape:
    x, image, block = known.shape(0), known.data(1), known.data(2)
    length = known.shape(1)
    if x is None or length is None or not isinstance(length[0], int):
        return None
    pixels = [None] * length[0] if image is None else image
    taps = [n for n in block or () if n is not None]
    if block is None or len(taps) != len(block):
        return [x[0], None, *pixels]
    return [x[0], known.sizes.floor_divide(x[1], known.sizes.product(taps)), *pixels]


SHAPES: Mapping[str, Callable[[Known], Shape]] = {
    **dict.fromkeys(("Conv", "MaxPool", "AveragePool", "LpPool"), _windows),
    "ConvTranspose": _conv_transpose,
    "MaxUnpool": _max_unpool,
    "Col2Im": _col_to_image,
}
