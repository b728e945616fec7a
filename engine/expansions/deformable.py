"""DeformConv as sampling at the moved taps of the kernel, and a matrix product.

Dai et al.: Deformable Convolutional Networks, 2017; with a mask Zhu et al.: Deformable ConvNets v2,
2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import OperatorError
from ..graph.tensor import Size, Tensor
from ..graph.words import count_up
from .table import Call, Expansion


def expand_deform_conv(call: Call) -> Sequence[Tensor | None]:
    """Write it from x (N, C, H, W), w (M, C/g, kh, kw) and every tap's offsets, rows first.

    Raises:
        OperatorError: not of two dimensions, or the kernel's size is not known.
    """
    op, x, w, offset = call.op, call.required(0), call.required(1), call.required(2)
    bias, mask = call.input(3), call.input(4)
    attributes = call.node.attributes
    kernel = attributes.get_ints("kernel_shape", None) or w.dims[2:]
    taps = [n for n in kernel if isinstance(n, int)]
    if x.rank != 4 or len(taps) != 2:
        raise OperatorError(
            f"{call.where} needs pictures and a kernel of known size{call.shapes_to_give}"
        )
    group, parts = attributes.get_int("group", 1), attributes.get_int("offset_group", 1)
    batch, channels, height, width = x.sizes
    rows, columns = offset.sizes[2:]
    count = taps[0] * taps[1]
    moves = offset.reshape(batch * parts, count, 2, rows, columns)
    grid = op.Concat(
        *(
            op.Unsqueeze(
                _normalised(
                    _regular(call, axis, taps, (rows, columns)) + moves[:, :, axis],
                    (height, width)[axis],
                ),
                op.constant([4], np.int64),
            )
            for axis in (1, 0)
        ),
        axis=4,
    )
    each = _divided(channels, parts)
    sampled = op.GridSample(
        x.reshape(batch * parts, each, height, width),
        grid.reshape(batch * parts, count * rows, columns, 2),
        mode="linear" if call.builder.opset >= 20 else "bilinear",
        align_corners=0,
    )
    if mask is not None:
        weights = mask.reshape(batch * parts, 1, count * rows, columns)
        sampled = sampled * weights
    inputs, outputs = w.sizes[1] * count, _divided(w.sizes[0], group)
    patches = sampled.reshape(batch, group, inputs, rows * columns)
    y = (w.reshape(group, outputs, inputs) @ patches).reshape(batch, w.sizes[0], rows, columns)
    return [y if bias is None else y + bias.reshape(1, -1, 1, 1)]


def _regular(call: Call, axis: int, taps: list[int], outputs: tuple[Size, Size]) -> Tensor:
    """Where the taps are without offsets, in pixels: (taps, rows or 1, columns or 1)."""
    attributes = call.node.attributes
    stride = (attributes.get_ints("strides", None) or [1, 1])[axis]
    dilation = (attributes.get_ints("dilations", None) or [1, 1])[axis]
    before = (attributes.get_ints("pads", None) or [0] * 4)[axis]
    op, offset = call.op, call.required(2)
    within = np.indices(taps)[axis].reshape(-1, 1, 1) * dilation - before
    starts = count_up(op, outputs[axis]).astype(offset.dtype) * stride
    shaped = starts.reshape(*((1, -1, 1) if axis == 0 else (1, 1, -1)))
    return shaped + op.constant(within, offset.dtype)


def _normalised(pixel: Tensor, size: Size) -> Tensor:
    """A place in pixels as GridSample wants it, −1 to 1 between the outer sides."""
    length = size.astype(pixel.dtype) if isinstance(size, Tensor) else float(size)
    return (pixel * 2 + 1) / length - 1


def _divided(size: Size, by: int) -> Size:
    return size / by if isinstance(size, Tensor) else size // by


EXPANSIONS: dict[tuple[str, str], Expansion] = {("", "DeformConv"): expand_deform_conv}
