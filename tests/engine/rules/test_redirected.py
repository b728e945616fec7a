"""Redirected gradients of activations with a flat part, other than Relu and Clip of numbers."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import model, run
from onnx import helper
from onnxscope.rules.redirected import redirected_relu
from onnxscope.rules.standard import standard_rules

DY = np.array([[1.0, -2, 3, -4]], np.float32)


def gradients(op_type, x, *more, rules=None, **attributes):
    """By the redirected rules, with respect to x and whatever else is an input."""
    arrays = {"x": np.array([x], np.float32)}
    arrays |= {f"p{i}": np.array(array, np.float32) for i, array in enumerate(more)}
    proto = model([helper.make_node(op_type, list(arrays), ["y"], **attributes)], arrays, ["y"])
    rules = standard_rules() | redirected_relu() if rules is None else rules
    graph = osc.differentiate(proto, of="y", wrt=list(arrays), rules=rules)
    results = run(graph, arrays | {"grad_y": DY})
    return [results[f"grad_{name}"] for name in arrays]


@pytest.mark.parametrize(
    ("op_type", "attributes", "dead", "expected", "alive"),
    [
        ("ThresholdedRelu", {"alpha": 2.0}, [-1, 1, 2, 1], [1, -0.0, 3, 0], [3, 1, 1, 1]),
        ("LeakyRelu", {"alpha": 0.0}, [-1, -1, -1, 0], [1, 0, 3, -4], [1, -1, -1, -1]),
        ("HardSwish", {}, [-4, -4, -5, -6], [1, 0, 3, 0], [0, -4, -4, -4]),
        ("HardSigmoid", {"alpha": 0.5}, [-4, -4, 4, 4], [0.5, 0, 0, -2], [0, -4, -4, 4]),
        ("HardSigmoid", {"alpha": -0.5}, [-4, -4, 4, 4], [0, 1, -1.5, 0], [0, -4, -4, 4]),
        ("Shrink", {"lambd": 1.5}, [-1, 0, 1, 0.5], [1, -2, 3, -4], [2, 0, 0, 0]),
    ],
)
def test_a_flat_picture_is_woken(op_type, attributes, dead, expected, alive):
    (gradient,) = gradients(op_type, dead, **attributes)
    np.testing.assert_array_equal(gradient, [expected])
    (standard,) = gradients(op_type, dead, rules=standard_rules(), **attributes)
    assert not standard.any()
    # A picture with any gradient keeps it.
    (redirected,) = gradients(op_type, alive, **attributes)
    (regular,) = gradients(op_type, alive, rules=standard_rules(), **attributes)
    np.testing.assert_array_equal(redirected, regular)
    assert regular.any()


def test_slopes_and_bounds_keep_their_gradients():
    x, slope = gradients("PRelu", [-1, -1, -2, -1], [0.0])
    np.testing.assert_array_equal(x, [[1, 0, 3, 0]])
    assert slope == (DY * [-1, -1, -2, -1]).sum()
    x, low, high = gradients("Clip", [-1, -1, 9, 9], 0.0, 6.0)
    np.testing.assert_array_equal(x, [[1, 0, 0, -4]])
    assert (low, high) == (-1, -1)


def test_a_slope_below_zero_is_no_flat_part():
    for attributes in ({"alpha": 0.1}, {}):
        (gradient,) = gradients("LeakyRelu", [-1, -1, -1, -1], **attributes)
        np.testing.assert_allclose(gradient, DY * np.float32(attributes.get("alpha", 0.01)))
