"""Resize in double precision: the matrices that it is.

ONNX Runtime's CPU provider interpolates in single precision only. Its matrices, which hold the same
numbers whatever the picture, are what it makes of unit vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ...errors import OperatorError
from ...graph.builder import Builder
from ...graph.finish import model_of
from ...graph.tensor import Tensor
from ...runtime.session import open_session


def resized(given: Sequence[Tensor | None], node: ir.Node) -> Tensor:
    """Return one matrix product for each axis that changes its size.

    Raises:
        OperatorError: only a region is resized, or to sizes that are computed.
    """
    x = given[0]
    assert x is not None
    attributes = node.attributes
    target = [size for size in node.outputs[0].shape or () if isinstance(size, int)]
    regions = attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if regions == "tf_crop_and_resize" or len(target) != x.rank:
        raise OperatorError("Resize of a region is not known in double precision")
    scales, asked, shape = _scales(node, x.rank), _asked(node, x), x.shape
    for axis, (before, size) in enumerate(zip(shape, target, strict=True)):
        if size == before and scales[axis] in (None, 1) and axis not in asked:
            continue
        if axis in asked:
            matrix = _kept_in_shape(node, shape, axis, asked)
        else:
            matrix = _interpolation(node, before, size, scales[axis])
        order = [*(other for other in range(x.rank) if other != axis), axis]
        back = [order.index(other) for other in range(x.rank)]
        x = (x.transpose(*order) @ matrix).transpose(*back)
    return x


def _scales(node: ir.Node, rank: int) -> list[float | None]:
    """The scale of each axis where the node gives scales, otherwise `None`."""
    value = node.inputs[2] if len(node.inputs) > 2 else None
    data = None if value is None else value.const_value
    if data is None or data.size == 0:
        return [None] * rank
    axes = node.attributes.get_ints("axes") or range(rank)
    scales: list[float | None] = [1.0] * rank
    for axis, scale in zip(axes, data.numpy().tolist(), strict=True):
        scales[axis] = scale
    return scales


def _asked(node: ir.Node, x: Tensor) -> dict[int, int]:
    """Which sizes the node asks for by axis, where all axes get one scale of them (else none)."""
    if node.attributes.get_string("keep_aspect_ratio_policy", "stretch") == "stretch":
        return {}
    value = node.inputs[3] if len(node.inputs) > 3 else None
    if value is None:
        return {}
    if value.const_value is None:
        raise OperatorError("Resize to computed sizes is not known in double precision")
    axes = node.attributes.get_ints("axes") or range(x.rank)
    sizes = value.const_value.numpy().tolist()
    return {axis % x.rank: size for axis, size in zip(axes, sizes, strict=True)}


def _interpolation(node: ir.Node, before: int, size: int, scale: float | None) -> np.ndarray:
    """The matrix (before, size) of a Resize along one axis: what it makes of the unit vectors."""
    units = np.eye(before, dtype=np.float32).reshape(before, 1, before, 1)
    if scale is None:
        found = _runtime_resized(node, units, sizes=[before, 1, size, 1])
    else:
        found = _runtime_resized(node, units, scales=[1, 1, scale, 1])
    return found.reshape(before, size)


def _kept_in_shape(
    node: ir.Node, shape: Sequence[int], axis: int, asked: dict[int, int]
) -> np.ndarray:
    """The same where the axis that is asked to grow least, or most, decides on the scale of all."""
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    extreme = min if policy == "not_larger" else max
    deciding = extreme(asked, key=lambda other: asked[other] / shape[other])
    before, beside = shape[axis], shape[deciding]
    units = np.eye(before, dtype=np.float32).reshape(before, 1, before, 1).repeat(beside, axis=3)
    sizes = [asked[axis], asked[deciding]]
    found = _runtime_resized(node, units, sizes=sizes, axes=[2, 3], keep_aspect_ratio_policy=policy)
    return found[:, 0, :, 0]


def _runtime_resized(
    node: ir.Node,
    rows: np.ndarray,
    *,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    **attributes: Any,
) -> np.ndarray:
    """What ONNX Runtime makes of an array in the node's way of interpolating."""
    builder = Builder(opset=18)
    kept = ("axes", "keep_aspect_ratio_policy", "extrapolation_value")
    attributes |= {name: value for name, value in node.attributes.items() if name not in kept}
    given = None if scales is None else builder.constant(scales, np.float32)
    wanted = None if sizes is None else builder.constant(sizes, np.int64)
    x = builder.input("rows", rows.shape, np.float32)
    builder.output("matrix", builder.append("Resize", [x, None, given, wanted], attributes)[0])
    matrix = open_session(model_of(builder), "cpu").run({"rows": rows})["matrix"]
    return np.asarray(matrix, np.float64)
