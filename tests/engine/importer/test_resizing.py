"""Resize as converters write it: scales that are rounded, and a mode that is gone."""

from __future__ import annotations

import math

import numpy as np
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper, numpy_helper
from original_checks import Case, problem_of

RNG = np.random.default_rng(0)


def _resized(x, scales, attributes, weight=None):
    """A network as it stands in a file: what ONNX infers of it may be wrong."""
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], **attributes)]
    constants = {"scales": np.array(scales, np.float32)}
    if weight is not None:
        nodes.append(helper.make_node("Mul", ["y", "weight"], ["z"]))
        constants["weight"] = weight
    graph = helper.make_graph(
        nodes,
        "resized",
        [helper.make_tensor_value_info("x", 1, x.shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], 1, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"},
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        {"mode": "cubic", "coordinate_transformation_mode": "align_corners"},
    ],
)
@pytest.mark.parametrize(("size", "wanted"), [(27, 35), (14, 9), (7, 25)])
def test_rounded_scales_make_as_many_pixels_as_in_the_runtime(attributes, size, wanted):
    x = RNG.standard_normal((1, 2, size, 4), dtype=np.float32)
    scales = [1, 1, np.float32(wanted) / np.float32(size), 1.5]
    assert math.floor(float(scales[2]) * size) == wanted - 1  # as ONNX infers
    y = run(_resized(x, scales, attributes), {"x": x})["y"]
    weight = RNG.standard_normal((1, 2, wanted, 6), dtype=np.float32)
    assert y.shape == weight.shape
    gradient = osc.differentiate(_resized(x, scales, attributes, weight), of="z", wrt=["x"])
    dz = RNG.standard_normal(weight.shape, dtype=np.float32)
    found = run(gradient, {"x": x, "grad_z": dz})
    z, dx = found["z"], found["grad_x"]
    np.testing.assert_array_equal(z, y * weight)
    # What is linear has one gradient everywhere: <dz, z> = <dx, x>.
    assert np.vdot(dz, z) == pytest.approx(np.vdot(dx, x), rel=1e-4)


@pytest.mark.parametrize("size", [3, 7, 24])
@pytest.mark.parametrize("wanted", [2, 7, 21, 31, 48])
def test_the_nearest_pixel_of_a_mode_that_is_gone(size, wanted):
    """tf2onnx still writes what opset 13 has removed."""
    x = RNG.standard_normal((1, 2, size, size), dtype=np.float32)
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": "tf_half_pixel_for_nn",
        "nearest_mode": "floor",
    }
    proto = _resized(x, [1, 1, wanted / size, wanted / size], attributes)
    expected = run(proto, {"x": x})["y"]
    gradient = osc.differentiate(proto, of="y", wrt=["x"])
    assert b"tf_half_pixel_for_nn" not in gradient.SerializeToString()
    dy = RNG.standard_normal(expected.shape, dtype=np.float32)
    found = run(gradient, {"x": x, "grad_y": dy})
    y, dx = found["y"], found["grad_x"]
    np.testing.assert_array_equal(y, expected)
    assert np.vdot(dy, y) == pytest.approx(np.vdot(dx, x), rel=1e-4, abs=1e-4)


POLICIES = ("not_larger", "not_smaller")

# With sizes; of axes that are counted from the end, ONNX Runtime resizes none.
AXES = (
    ([2, 3], [3, 3]), ([3, 2], [3, 4]), ([3], [4]),
    ([-2, -1], [3, 3]), ([-1], [4]), ([2, -1], [3, 3]), ([-1, 2], [9, 8]), ([3, -2], [9, 8]),
)  # fmt: skip

MODES = (
    {"mode": "linear"},
    {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"},
    {"mode": "cubic", "antialias": 1, "exclude_outside": 1},
    {"mode": "linear", "antialias": 1, "coordinate_transformation_mode": "align_corners"},
    *(
        {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize"}
        | {"extrapolation_value": 0.5}
        for mode in ("linear", "nearest", "cubic")
    ),
)


def _of_policy(policy, axes, sizes, attributes):
    crops = attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    region = [0.1, -0.2][: len(axes)] + [0.9, 1.3][: len(axes)]
    roi = np.array(region, np.float32) if crops else None
    x = np.random.default_rng(0).standard_normal((1, 1, 5, 6)).astype(np.float32)
    attributes = attributes | {"axes": axes, "keep_aspect_ratio_policy": policy}
    fixed = (1, 3) if crops else (3,)
    return Case("Resize", (x, roi, None, np.array(sizes)), attributes, fixed=fixed)


@pytest.mark.slow
@pytest.mark.parametrize("attributes", MODES)
@pytest.mark.parametrize(("axes", "sizes"), AXES)
@pytest.mark.parametrize("policy", POLICIES)
def test_proportions_that_are_kept(policy, axes, sizes, attributes):
    assert problem_of(_of_policy(policy, axes, sizes, attributes)) == ""


@pytest.mark.parametrize("axes", [[2, 3], [-2, -1], [2, -1]])
@pytest.mark.parametrize("attributes", [MODES[0], MODES[4]])
def test_proportions_that_are_kept_of_axes_from_both_ends(axes, attributes):
    assert problem_of(_of_policy("not_larger", axes, [3, 3], attributes)) == ""
