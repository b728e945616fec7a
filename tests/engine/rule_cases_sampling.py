"""Cases of operators that take pixels from elsewhere: resizing, sampling at a grid."""

from __future__ import annotations

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator
from rule_cases import Const, case, normal

# Resizing ---------------------------------------------------------------------------------------


def _resize(inputs, cotangent, **attributes):
    """Of x: the cotangent times what the reference implementation makes of each unit vector."""
    x, *others = inputs
    names = ["x", *("" if other is None else f"k{i}" for i, other in enumerate(others))]
    feeds = {f"k{i}": other for i, other in enumerate(others) if other is not None}
    if "axes" in attributes:
        attributes["axes"] = [axis % x.ndim for axis in attributes["axes"]]
    evaluator = ReferenceEvaluator(helper.make_node("Resize", names, ["y"], **attributes))
    dx = np.zeros(x.shape)
    # What is outside of a crop does not depend on x.
    outside = evaluator.run(None, {"x": np.zeros(x.shape, np.float32), **feeds})[0]
    for place in np.ndindex(*x.shape):
        unit = np.zeros(x.shape, np.float32)
        unit[place] = 1
        y = evaluator.run(None, {"x": unit, **feeds})[0]
        dx[place] = ((y.astype(float) - outside) * cotangent).sum()
    return (dx,)


def resize_case(label, x, *, scales=None, sizes=None, roi=None, opset=19, **attributes):
    """A case of Resize; scales are constant."""
    case("Resize", label, normal(*x), None if roi is None else Const(np.array(roi, np.float32)),
         None if scales is None else Const(np.array(scales, np.float32)),
         None if sizes is None else np.array(sizes), dtypes="f", exact=_resize, opset=opset,
         **attributes)  # fmt: skip


_coordinates = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
)
for coordinates in _coordinates:
    for mode in ("linear", "cubic"):
        for scales in ([1, 1, 2, 2], [1, 1, 0.5, 1.6], [1, 1, 1.5, 0.4]):
            resize_case(f"{mode} {coordinates} {scales}", (1, 1, 4, 5), scales=scales, mode=mode,
                        coordinate_transformation_mode=coordinates)  # fmt: skip
        resize_case(f"{mode} {coordinates} sizes", (1, 2, 4, 5), sizes=[1, 2, 7, 3], mode=mode,
                    coordinate_transformation_mode=coordinates)  # fmt: skip
    for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for scales in ([1, 1, 2, 2], [1, 1, 3, 2], [1, 1, 0.75, 3]):
            resize_case(f"nearest {nearest} {coordinates} {scales}", (1, 1, 4, 5), scales=scales,
                        mode="nearest", nearest_mode=nearest,
                        coordinate_transformation_mode=coordinates)  # fmt: skip
for coefficient, exclude in ((-0.5, 0), (-0.75, 1), (-0.5, 1)):
    for scales in ([1, 1, 2, 1.5], [1, 1, 0.6, 0.8]):
        resize_case(f"cubic {coefficient} exclude {exclude} {scales}", (1, 1, 5, 4), mode="cubic",
                    scales=scales, cubic_coeff_a=coefficient, exclude_outside=exclude)  # fmt: skip
for mode in ("linear", "cubic"):
    for scales in ([1, 1, 0.5, 0.6], [1, 1, 0.4, 1.5]):
        resize_case(f"{mode} antialias {scales}", (1, 1, 8, 7), scales=scales, mode=mode,
                    antialias=1)  # fmt: skip
for mode in ("linear", "nearest", "cubic"):
    resize_case(f"{mode} crop", (1, 1, 5, 6), sizes=[1, 1, 4, 4], mode=mode,
                roi=[0, 0, 0.23, 0.31, 1, 1, 0.92, 1.2], extrapolation_value=7.0,
                coordinate_transformation_mode="tf_crop_and_resize")  # fmt: skip
    resize_case(f"{mode} crop of axes", (1, 1, 5, 6), sizes=[4, 7], mode=mode, axes=[2, 3],
                roi=[0.11, -0.23, 0.83, 0.91],
                coordinate_transformation_mode="tf_crop_and_resize")  # fmt: skip
    resize_case(f"{mode} axes", (1, 2, 4, 5), scales=[1.5, 0.7], mode=mode, axes=[2, 3])
    resize_case(f"{mode} one axis", (1, 2, 4, 5), sizes=[8], mode=mode, axes=[-1])
    resize_case(f"{mode} opset 18", (1, 2, 4, 5), sizes=[6, 7], mode=mode, axes=[2, 3], opset=18)
    for policy in ("not_larger", "not_smaller"):
        for sizes in ([7, 11], [9, 7], [3, 4]):
            resize_case(f"{mode} {policy} {sizes}", (1, 1, 4, 5), sizes=sizes, mode=mode,
                        axes=[2, 3], keep_aspect_ratio_policy=policy)  # fmt: skip
resize_case("nearest of every axis", (2, 3, 4), scales=[2, 1.5, 2], mode="nearest")
resize_case("nearest, policy of one axis", (2, 3, 4), sizes=[9], axes=[1], mode="nearest",
            keep_aspect_ratio_policy="not_larger")  # fmt: skip
# Sizes that stay, with scales that do not: one along one axis, then all.
for mode in ("linear", "cubic"):
    resize_case(f"{mode} 1.1", (1, 1, 5, 6), scales=[1, 1, 1.1, 1.5], mode=mode)
# ONNX Runtime copies what keeps its shape.
case("Resize", "nearest 1.1", normal(1, 1, 8, 8), None, Const(np.array([1, 1, 1.1, 1.1], np.float32)),
     mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric", dtypes="f",
     exact=lambda inputs, dy, **_: (dy,))  # fmt: skip
resize_case("linear 3-d", (1, 1, 3, 4, 3), scales=[1, 1, 2, 1.5, 2], mode="linear")
resize_case("nearest 3-d", (1, 1, 3, 2, 3), scales=[1, 1, 2, 3, 2], mode="nearest")
resize_case("linear of rows", (4, 5), scales=[2, 1.3], mode="linear")
resize_case("nearest channels last", (1, 3, 4, 2), scales=[1, 2, 2, 1], mode="nearest")
