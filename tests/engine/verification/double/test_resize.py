"""Resize in double precision is that of single precision, in whatever way it comes to its scale."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import model, run
from onnx import helper
from onnxscope.verification.double.rewrite import in_double

_x = np.random.default_rng(3).normal(size=(1, 2, 3, 2)).astype(np.float32)

WAYS = {
    "sizes": ({"sizes": [1, 2, 5, 7]}, {}),
    "scales": ({"scales": [1, 1, 1.7, 2.5]}, {}),
    "some axes": ({"sizes": [7, 5]}, {"axes": [3, 2]}),
    "not larger": ({"sizes": [4, 4]}, {"axes": [3, 2], "keep_aspect_ratio_policy": "not_larger"}),
    "not smaller": ({"sizes": [5, 4]}, {"axes": [2, 3], "keep_aspect_ratio_policy": "not_smaller"}),
    "the same size": (
        {"sizes": [3, 3]},
        {"axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"},
    ),
}


@pytest.mark.parametrize(
    ("mode", "antialias"),
    [("nearest", 0), ("linear", 0), ("linear", 1), ("cubic", 0), ("cubic", 1)],
)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_that_of_single_precision(way, mode, antialias):
    given, attributes = WAYS[way]
    constants = {
        name: np.array(numbers, np.float32 if name == "scales" else np.int64)
        for name, numbers in given.items()
    }
    names = ["x", "", *(name if name in given else "" for name in ("scales", "sizes"))]
    options = {"mode": mode, "antialias": antialias, **attributes}
    node = helper.make_node("Resize", names, ["y"], **options)
    proto = model([node], {"x": _x}, ["y"], constants, opset=18)
    expected = run(proto, {"x": _x})["y"]
    found = run(in_double(proto), {"x": _x.astype(np.float64)})["y"]
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "nearest"},
        {"mode": "linear"},
        {"mode": "cubic", "coordinate_transformation_mode": "align_corners"},
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
    ],
    ids=lambda attributes: " ".join(attributes.values()),
)
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_double_resize(attributes, by):
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 6)).astype(np.float32)
    how = np.array([1, 1, 2, 1.5], np.float32) if by == "scales" else np.array([1, 2, 10, 4])
    names = ["x", "", "how"] if by == "scales" else ["x", "", "", "how"]
    network = model([helper.make_node("Resize", names, ["y"], **attributes)], {"x": x}, ["y"],
                    {"how": how})  # fmt: skip
    found = run(in_double(network), {"x": x.astype(np.float64)})["y"]
    np.testing.assert_allclose(found, run(network, {"x": x})["y"], rtol=1e-5, atol=1e-5)
