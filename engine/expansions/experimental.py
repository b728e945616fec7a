"""Operators of the first versions of ONNX that were dropped again.

They were called experimental, and ONNX Runtime still runs them in files of opsets up to 9, which
Core ML's and Windows ML's converters have written.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import OperatorError
from ..graph.tensor import Tensor
from .table import Call, Expansion


def _affine(call: Call) -> Sequence[Tensor | None]:
    """Write α · x + β."""
    attributes = call.node.attributes
    return [
        call.required(0) * attributes.get_float("alpha", 1.0) + attributes.get_float("beta", 0.0)
    ]


def _scale(call: Call) -> Sequence[Tensor | None]:
    """Write x times one number."""
    return [call.required(0) * call.node.attributes.get_float("scale", 1.0)]


def _image_scaler(call: Call) -> Sequence[Tensor | None]:
    """Write x · scale + a number for each channel of pictures (N, C, H, W)."""
    x, bias = call.required(0), call.numbers("bias")
    if x.rank != 4 or x.dims[1] != len(bias):
        raise OperatorError(
            f"{call.where} has {len(bias)} numbers in its attribute 'bias', one for each channel "
            f"of pictures (N, C, H, W), but is given {x.dims}"
        )
    shift = call.op.constant(np.reshape(bias, (1, -1, 1, 1)), x.dtype)
    return [x * call.node.attributes.get_float("scale", 1.0) + shift]


def _parametric_softplus(call: Call) -> Sequence[Tensor | None]:
    """Write α · log(1 + exp(β · x))."""
    return [call.op.Softplus(call.required(0) * call.number("beta")) * call.number("alpha")]


def _scaled_tanh(call: Call) -> Sequence[Tensor | None]:
    """Write α · tanh(β · x)."""
    return [call.op.Tanh(call.required(0) * call.number("beta")) * call.number("alpha")]


def _crop(call: Call) -> Sequence[Tensor | None]:
    """Write pictures (N, C, H, W) without a border (left, top, right, bottom).

    With `scale`, (height, width), that size from the left and the top on.
    """
    x, border = call.required(0), call.integers("border")
    size = call.node.attributes.get_ints("scale", ())
    if x.rank != 4 or len(border) != 4 or len(size) not in (0, 2) or min(border) < 0:
        raise OperatorError(
            f"{call.where} crops pictures (N, C, H, W) by 4 numbers of pixels in its attribute "
            f"'border', and to 2 sizes in 'scale', not {x.dims} by {list(border)} to {list(size)}"
        )
    left, top, right, bottom = border
    far = 2**31 - 1
    ends = [-bottom or far, -right or far] if not size else [top + size[0], left + size[1]]
    return [call.op.Slice(x, *(call.op.constant(v, np.int64) for v in ([top, left], ends, [2, 3])))]


def _dynamic_slice(call: Call) -> Sequence[Tensor | None]:
    """Write a Slice, which took its place."""
    inputs = [call.required(0), call.required(1), call.required(2), call.input(3)]
    return [call.op.Slice(*inputs)]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "Affine"): _affine,
    ("", "Crop"): _crop,
    ("", "DynamicSlice"): _dynamic_slice,
    ("", "ImageScaler"): _image_scaler,
    ("", "ParametricSoftplus"): _parametric_softplus,
    ("", "Scale"): _scale,
    ("", "ScaledTanh"): _scaled_tanh,
}
