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
case("Resize", "nearest 1.1", normal(1, 1, 8, 8), None, Const(np.array([1, 1, 1.1, 1.1])),
     mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric", dtypes="f",
     exact=lambda inputs, dy, **_: (dy,))  # fmt: skip
resize_case("linear 3-d", (1, 1, 3, 4, 3), scales=[1, 1, 2, 1.5, 2], mode="linear")
resize_case("nearest 3-d", (1, 1, 3, 2, 3), scales=[1, 1, 2, 3, 2], mode="nearest")
resize_case("linear of rows", (4, 5), scales=[2, 1.3], mode="linear")
resize_case("nearest channels last", (1, 3, 4, 2), scales=[1, 2, 2, 1], mode="nearest")

# Sampling at a grid -----------------------------------------------------------------------------

_A = -0.75


def _cubic(t):
    t = abs(t)
    if t <= 1:
        return ((_A + 2) * t - (_A + 3)) * t * t + 1
    return ((_A * t - 5 * _A) * t + 8 * _A) * t - 4 * _A


def _mirrored(place, low, high):
    """A place mirrored at both ends until it is between them."""
    while not low <= place <= high:
        place = 2 * low - place if place < low else 2 * high - place
    return place


def _sampled(x, grid, mode, padding, align):
    """GridSample of one picture (C, ...) at one point, in plain Python."""
    sizes = x.shape[1:]
    where, ends = [], []
    for size, u in zip(sizes, grid[::-1], strict=True):
        where.append((u + 1) / 2 * (size - 1) if align else ((u + 1) * size - 1) / 2)
        ends.append((0, size - 1) if align else (-0.5, size - 0.5))
    if mode == "nearest":
        where = [float(np.round(p)) for p in where]
    if padding == "border" and mode != "cubic":
        where = [min(max(p, 0), n - 1) for p, n in zip(where, sizes, strict=True)]
    elif padding == "reflection":
        where = [_mirrored(p, *end) for p, end in zip(where, ends, strict=True)]
    weight = {"nearest": lambda t: 1.0, "linear": lambda t: 1 - abs(t), "cubic": _cubic}[mode]
    reach = {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}[mode]
    total = np.zeros(x.shape[0])
    for steps in np.ndindex(*[len(reach)] * len(sizes)):
        share, pixel, inside = 1.0, [], True
        for p, step, size, end in zip(where, steps, sizes, ends, strict=True):
            number = int(np.floor(p)) + reach[step]
            share *= weight(p - number)
            inside = inside and 0 <= number < size
            if padding == "border":
                number = min(max(number, 0), size - 1)
            elif padding == "reflection":
                number = int(_mirrored(number, *end))
            pixel.append(number)
        if inside or padding != "zeros":
            total += share * x[(slice(None), *pixel)]
    return total


def _grid_sample(inputs, cotangent, *, mode="linear", padding_mode="zeros", align_corners=0):
    """Of x by unit pictures, of the grid by central differences in double precision."""
    x, grid = (array.astype(float) for array in inputs)
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    dx, dgrid = np.zeros_like(x), np.zeros_like(grid)
    units = np.eye(int(np.prod(x.shape[2:]))).reshape(-1, *x.shape[2:])
    for n, *place in np.ndindex(*grid.shape[:-1]):
        given, point = cotangent[(n, slice(None), *place)], grid[(n, *place)]
        shares = _sampled(units, point, mode, padding_mode, align_corners)
        dx[n] += np.multiply.outer(given, shares).reshape(dx.shape[1:])
        for axis in range(len(point)):
            step = np.eye(len(point))[axis] * 1e-5
            up, down = (
                _sampled(x[n], point + side * step, mode, padding_mode, align_corners)
                for side in (1, -1)
            )
            dgrid[(n, *place, axis)] = ((up - down) / 2e-5) @ given
    return dx, dgrid


def _points(sizes, outputs, align, reach=1.6):
    """A grid in and around a picture, away from the kinks: from whole and half pixels."""
    grid = np.empty((2, *outputs, len(sizes)))
    for index in np.ndindex(*grid.shape):
        size = sizes[::-1][index[-1]]
        scale = (size - 1) / 2 if align else size / 2
        pixel = np.round(_rng.uniform(-reach, reach) * scale * 2) / 2 + _rng.uniform(0.14, 0.36)
        grid[index] = pixel / scale
    return grid


_rng = np.random.default_rng(6)
for mode in ("nearest", "linear", "cubic"):
    for padding in ("zeros", "border", "reflection"):
        for align in (0, 1):
            for sizes, outputs in (((5, 4), (3, 4)), ((3, 4, 3), (2, 2, 3))):
                if mode == "cubic" and len(sizes) == 3:
                    continue  # ONNX Runtime has no kernel.
                grid = _points(sizes, outputs, align)
                case("GridSample", f"{mode} {padding} align {align} {len(sizes)}-d",
                     normal(2, 2, *sizes), grid, mode=mode, padding_mode=padding,
                     align_corners=align, opset=20, dtypes="f", exact=_grid_sample)  # fmt: skip
for mode in ("bilinear", "bicubic", "nearest"):
    case("GridSample", f"opset 16 {mode}", normal(2, 2, 4, 5), Const(_points((4, 5), (3, 2), 0)),
         mode=mode, padding_mode="border", dtypes="f",
         exact=lambda *a, **k: _grid_sample(*a, **k)[:1])  # fmt: skip
case("GridSample", "opset 22", normal(2, 2, 4, 5), _points((4, 5), (3, 2), 0), mode="linear",
     opset=22, dtypes="f", exact=_grid_sample)  # fmt: skip
