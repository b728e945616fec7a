"""Resize, written so that every runtime and every inference understands it alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..graph.builder import AttributeValue, Builder
from ..graph.tensor import Tensor


def from_centres(node: ir.Node) -> dict[str, AttributeValue | ir.Attr | None]:
    """Return the attributes that do without `tf_half_pixel_for_nn`, which opset 13 has removed.

    tf2onnx still writes it. The pixel before (i + 1/2) / scale is the nearest of that minus 1/2.
    """
    modes = ("coordinate_transformation_mode", "nearest_mode", "mode")
    given = [node.attributes.get_string(name, "") for name in modes]
    if given != ["tf_half_pixel_for_nn", "floor", "nearest"]:
        return {}
    return {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}


def with_sizes(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> tuple[list[Tensor | None], list[int]] | None:
    """Return the inputs and axes of a Resize that says sizes, where scales would be misunderstood.

    ONNX's shape inference takes the product of size and scale as it is, ONNX Runtime rounds it to
    single precision. Converters write a scale as 35/27 in single precision, which is a little less:
    by inference 27 pixels become 34, by the runtime 35. From sizes it computes the same scale.

    Returns:
        `None` where the scales do as they are.
    """
    x, _, scales, *_ = (*arguments, None, None)
    array = None if scales is None else scales.array
    crops = node.attributes.get_string("coordinate_transformation_mode") == "tf_crop_and_resize"
    if x is None or array is None or array.size == 0 or crops:
        return None
    axes = node.attributes.get_ints("axes") or range(x.rank)
    if len(axes) != array.size:
        return None  # refused where the Resize itself is written
    scaled = {axis % x.rank: s for axis, s in zip(axes, array, strict=True) if s != 1}
    sizes = {axis: dim for axis in scaled if isinstance(dim := x.dims[axis], int)}
    given = [int(np.float32(size) * np.float32(scaled[axis])) for axis, size in sizes.items()]
    exact = [math.floor(size * float(scaled[axis])) for axis, size in sizes.items()]
    if given == exact or len(sizes) < len(scaled):
        return None
    return [x, None, None, builder.constant(given, np.int64)], list(sizes)


def along_counted_axes(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> tuple[list[Tensor | None], list[int]] | None:
    """Return the inputs and axes of a Resize that keeps proportions, as ONNX Runtime takes them.

    With `keep_aspect_ratio_policy` ONNX Runtime leaves axes that are counted from the end as they
    are, whatever size is given for them, and lets them have no part in the common scale.

    Returns:
        The others of its axes, perhaps none, with their sizes and regions; `None` where none of
        them is counted from the end, or proportions are not kept.
    """
    axes = list(node.attributes.get_ints("axes", ()))
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    kept = [place for place, axis in enumerate(axes) if axis >= 0]
    if policy == "stretch" or len(kept) == len(axes):
        return None
    x, roi, scales, sizes, *_ = (*arguments, None, None, None)
    regions = [*kept, *(len(axes) + place for place in kept)]
    taken = [_elements(builder, roi, regions), scales, _elements(builder, sizes, kept)]
    return [x, *taken], [axes[place] for place in kept]


def _elements(builder: Builder, vector: Tensor | None, places: Sequence[int]) -> Tensor | None:
    if vector is None or (vector.array is not None and vector.array.size == 0):
        return vector
    if vector.array is not None:
        return builder.constant(vector.array[list(places)], vector.dtype)
    return builder.op.Gather(vector, builder.constant(list(places), np.int64))
