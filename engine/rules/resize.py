"""Rule of Resize, for every mode.

Resizing is a product with one matrix (output size, input size) along each axis; the adjoint is the
product with the transposed matrices. They are what Resize itself makes of the identity, so that
they are right in whatever way the runtime interpolates; of known sizes the runtime computes them
once, when it opens the graph. Pictures whose pixels are repeated a whole number of times are summed
by an average pool, which is much faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import OperatorError
from ..graph.builder import Operators
from ..graph.tensor import Size, Tensor
from .slide import contract
from .table import RuleTable

_FLOAT = np.dtype(np.float32)


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("Resize", _resize, _refused, _refused, ignores=_ATTRIBUTES)


_ATTRIBUTES = (
    "antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside",
    "extrapolation_value", "keep_aspect_ratio_policy", "mode", "nearest_mode",
)  # fmt: skip


@dataclass(frozen=True)
class Resizing:
    """One Resize node.

    Attributes:
        x: What is resized.
        y: The result.
        axes: Resized axes, counted from the front, in the order of the inputs below.
        roi: As in ONNX; read only for `tf_crop_and_resize`.
        scales: One for each axis, or `None`.
        sizes: Likewise.
        policy: `keep_aspect_ratio_policy`.
        attributes: The others that matter to interpolation.
    """

    x: Tensor
    y: Tensor
    axes: list[int]
    roi: Tensor | None
    scales: Tensor | None
    sizes: Tensor | None
    policy: str
    attributes: dict[str, int | float | str]

    @property
    def crops(self) -> bool:
        """Whether only a part of the picture is resized."""
        return self.attributes["coordinate_transformation_mode"] == "tf_crop_and_resize"

    def scale(self, axis: int) -> float | None:
        """Return the scale along an axis, where it is known."""
        position = self.axes.index(axis)
        if self.scales is not None:
            array = self.scales.array
            return None if array is None else float(array[position])
        wanted = None if self.sizes is None else self.x.builder.elements(self.sizes)
        size, result = self.x.dims[axis], None if wanted is None else wanted[position]
        if isinstance(size, int) and isinstance(result, int):
            return result / size
        return 1.0 if size == result else None

    def keeps(self, axis: int) -> bool:
        """Return whether nothing changes along an axis."""
        return not self.crops and self.policy == "stretch" and self.scale(axis) == 1


def _resize(
    op: Operators,
    dy: Tensor,
    x: Tensor,
    roi: Tensor | None,
    scales: Tensor | None,
    sizes: Tensor | None,
    *,
    y: Tensor,
    antialias: int | None,
    axes: list[int] | None,
    coordinate_transformation_mode: str,
    cubic_coeff_a: float,
    exclude_outside: int,
    keep_aspect_ratio_policy: str | None,
    mode: str,
    nearest_mode: str,
) -> Tensor:
    node = Resizing(
        x,
        y,
        list(range(x.rank)) if axes is None else [axis % x.rank for axis in axes],
        roi,
        # An empty vector is how older opsets leave scales out.
        None if scales is None or scales.dims == (0,) else scales,
        sizes,
        keep_aspect_ratio_policy or "stretch",
        {
            "antialias": antialias or 0,
            "coordinate_transformation_mode": coordinate_transformation_mode,
            "cubic_coeff_a": cubic_coeff_a,
            "exclude_outside": exclude_outside,
            "mode": mode,
            "nearest_mode": nearest_mode,
        },
    )
    changed = [axis for axis in node.axes if not node.keeps(axis)]
    repeats = _repeats(node, changed)
    if repeats is not None:
        mean = op.AveragePool(dy, kernel_shape=repeats, strides=repeats)
        return x.builder.declare_shape(mean * math.prod(repeats), x.dims)
    dx = contract(dy, {axis: _matrix(op, node, axis).astype(x.dtype) for axis in changed})
    return x.builder.declare_shape(dx, x.dims)


def _repeats(node: Resizing, changed: list[int]) -> list[int] | None:
    """How often each pixel is repeated along the axes behind (N, C), `None` where it is not that.

    An average pool over as many pixels is then the adjoint, but for its division.
    """
    attributes, rank = node.attributes, node.x.rank
    exact = node.policy == "stretch" and attributes["mode"] == "nearest"
    if rank < 3 or not exact or not changed or min(changed) < 2:
        return None
    repeats = [1] * (rank - 2)
    for axis in changed:
        scale = node.scale(axis)
        if scale is None or scale != int(scale):
            return None
        repeats[axis - 2] = int(scale)
    from_centre = attributes["coordinate_transformation_mode"] in (
        "half_pixel",
        "half_pixel_symmetric",
    )
    # From its corner, output i is at i / scale: only its floor is the pixel it repeats, or at scale
    # 2 the half that is rounded down. From its centre it is less than half a pixel off.
    from_corner = attributes["coordinate_transformation_mode"] == "asymmetric" and (
        attributes["nearest_mode"] == "floor"
        or (attributes["nearest_mode"] == "round_prefer_floor" and max(repeats) <= 2)
    )
    rounded = str(attributes["nearest_mode"]).startswith("round")
    return repeats if from_corner or (from_centre and rounded) else None


def _matrix(op: Operators, node: Resizing, axis: int) -> Tensor:
    """The matrix (output size, input size) of one axis, in single precision.

    The identity is resized as (1, input, input, 1), its last axis as far as it takes for the same
    shortcut: ONNX Runtime copies what keeps its shape, whatever the scales say.
    """
    size, position = node.x.sizes[axis], node.axes.index(axis)
    if node.policy != "stretch":
        return _matrix_of_policy(op, node, axis)
    row = op.Unsqueeze(_identity(op, size), op.constant([0, 3], np.int64))
    here, width = op.constant([position], np.int64), _width(op, node)
    roi = scales = sizes = None
    if node.roi is not None and node.crops:
        ends = [op.Gather(node.roi, here + n) for n in (0, len(node.axes))]
        whole = [op.constant([end], node.roi.dtype) for end in (0, 1)]
        roi = op.Concat(ends[0], whole[0], ends[1], whole[1], axis=0)
    if node.scales is not None:
        scales = op.Concat(op.Gather(node.scales, here), width.astype(_FLOAT), axis=0)
    elif node.sizes is not None:
        sizes = op.Concat(op.Gather(node.sizes, here), width, axis=0)
    resized = op.Resize(row, roi, scales, sizes, axes=[2, 3], **node.attributes)
    return node.x.builder.named(resized[0, :, :, 0].transpose(1, 0), [node.y.sizes[axis], size])


def _width(op: Operators, node: Resizing) -> Tensor:
    """2 where the resized picture has another shape, else 1 (int64 vector of one element)."""
    if node.x.dims == node.y.dims:
        return op.constant([1], np.int64)
    pairs = zip(node.x.dims, node.y.dims, strict=True)
    if any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in pairs):
        return op.constant([2], np.int64)
    differs = op.Not(op.Equal(op.Shape(node.x), op.Shape(node.y)))
    return op.ReduceMax(differs.astype(np.dtype(np.int64)), keepdims=1) + 1


def _matrix_of_policy(op: Operators, node: Resizing, axis: int) -> Tensor:
    """The matrix of one axis whose scale may be that of the other.

    keep_aspect_ratio_policy gives both axes one scale. The identity, repeated along the other axis,
    is resized along both, and the result is as repeated.
    """
    if len(node.axes) > 2 or node.sizes is None:
        raise OperatorError(
            f"the gradient of Resize with keep_aspect_ratio_policy {node.policy!r} is supported "
            f"along one or two axes, not {len(node.axes)}"
        )
    size, both = node.x.sizes[axis], [node.x.sizes[a] for a in node.axes]
    # (input, height, width) with the identity along this axis.
    between = 2 if node.axes.index(axis) == 0 else 1
    spread = _identity(op, size)
    if len(both) == 2:
        spread = op.Unsqueeze(spread, op.constant([between], np.int64))
    repeated = op.Expand(spread, op.vector([size, *both]))
    picture = op.Unsqueeze(repeated, op.constant([0] if len(both) == 2 else [0, 3], np.int64))
    resized = op.Resize(
        picture,
        _region_along(op, node, axis),
        None,
        node.sizes,
        axes=[2, 3][: len(both)],
        keep_aspect_ratio_policy=node.policy,
        **node.attributes,
    )
    first = resized[0, :, 0] if len(both) == 2 and between == 1 else resized[0, :, :, 0]
    return node.x.builder.named(first.transpose(1, 0), [node.y.sizes[axis], size])


def _region_along(op: Operators, node: Resizing, axis: int) -> Tensor | None:
    """What is cropped along one of two axes, the other whole: nothing of it is extrapolated."""
    if node.roi is None or not node.crops:
        return None
    ends = [
        op.Gather(node.roi, op.constant([position + first], np.int64))
        if other == axis
        else op.constant([end], node.roi.dtype)
        for first, end in ((0, 0), (len(node.axes), 1))
        for position, other in enumerate(node.axes)
    ]
    return op.Concat(*ends, axis=0)


def _identity(op: Operators, size: Size) -> Tensor:
    """The identity matrix, which takes no room in the file."""
    empty = op.ConstantOfShape(op.vector([size, size]), value=np.zeros(1, np.float32))
    return op.EyeLike(empty)


def _refused(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    raise OperatorError(
        "the gradient of Resize is taken with respect to its picture only, not to roi or scales"
    )
