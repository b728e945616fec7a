"""Functions of single numbers, written in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
from graphs import model, run
from onnx import helper
from onnxscope.verification.double.rewrite import in_double

_x = np.random.default_rng(7).normal(size=(5, 6)).astype(np.float32)
_inside = np.tanh(_x).astype(np.float32) * np.float32(0.98)


def both(op_type, x, constants=None, **attributes):
    """The operator in double precision, and as it is in single."""
    constants = constants or {}
    node = helper.make_node(op_type, ["x", *constants], ["y"], **attributes)
    proto = model([node], {"x": x}, ["y"], constants)
    double = run(in_double(proto), {"x": x.astype(np.float64)})["y"]
    assert double.dtype == np.float64
    return double, run(proto, {"x": x})["y"]


@pytest.mark.parametrize(
    ("op_type", "x", "function"),
    [
        ("Acos", _inside, np.arccos),
        ("Asin", _inside, np.arcsin),
        ("Asin", np.array([-1, 0, 1], np.float32), np.arcsin),
        ("Atan", _x * 10, np.arctan),
        ("Atan", _x * 1e6, np.arctan),
        ("Acosh", 1 + abs(_x), np.arccosh),
        ("Asinh", _x * 4, np.arcsinh),
        ("Asinh", -abs(_x) * 1e4, np.arcsinh),
        ("Atanh", _inside, np.arctanh),
        ("Softplus", _x * 9, lambda x: np.logaddexp(0, x)),
        ("Softplus", _x * 1e3, lambda x: np.logaddexp(0, x)),
        ("Mish", _x * 3, lambda x: x * np.tanh(np.logaddexp(0, x))),
        ("Elu", _x, lambda x: np.where(x > 0, x, np.expm1(x))),
        ("Softsign", _x, lambda x: x / (1 + abs(x))),
        ("HardSwish", _x * 3, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ],
)
def test_exact_to_the_last_digits(op_type, x, function):
    found, _ = both(op_type, x)
    np.testing.assert_allclose(found, function(x.astype(np.float64)), rtol=2e-15, atol=2e-15)


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("Celu", {}),
        ("Celu", {"alpha": 0.7}),
        ("Elu", {"alpha": -0.5}),
        ("HardSigmoid", {}),
        ("HardSigmoid", {"alpha": -0.4, "beta": 0.3}),
        ("LeakyRelu", {}),
        ("LeakyRelu", {"alpha": 1.5}),
        ("Selu", {}),
        ("Selu", {"alpha": 0.6, "gamma": -1.0}),
        ("Shrink", {}),
        ("Shrink", {"lambd": -0.5, "bias": 0.25}),
        ("Shrink", {"lambd": 1.0, "bias": 0.5}),
        ("ThresholdedRelu", {}),
        ("ThresholdedRelu", {"alpha": -0.7}),
    ],
)
def test_attributes_are_those_of_the_operator(op_type, attributes):
    found, expected = both(op_type, _x * 2, **attributes)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    nudged, _ = both(op_type, _x * 2 * np.float32(1 + 2**-20), **attributes)
    assert (nudged != found).any()


def test_prelu():
    found, expected = both("PRelu", _x, {"slope": np.array([0.2, -1, 0, 1, 2, 0.5], np.float32)})
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, -1])
def test_the_values_of_one_hot_stay_in_double_precision(axis):
    node = helper.make_node("OneHot", ["i", "depth", "x"], ["y"], axis=axis)
    constants = {"i": np.array([1, -1, 0]), "depth": np.array(4)}
    proto = model([node], {"x": np.zeros(2, np.float32)}, ["y"], constants)
    x = np.array([0.1, 1 + 1e-12])
    found = run(in_double(proto), {"x": x})["y"]
    on = np.eye(4)[[1, 3, 0]]
    expected = np.where(on if axis else on.T, x[1], x[0])
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_dropout_with_a_ratio_gives_its_input():
    found, _ = both("Dropout", _x, {"ratio": np.float32(0.4), "training": np.array(False)})
    np.testing.assert_array_equal(found, _x.astype(np.float64))


def test_dropout_with_its_mask():
    given = {"ratio": np.float32(0.4), "training": np.array(False)}
    node = helper.make_node("Dropout", ["x", *given], ["y", "mask"])
    proto = model([node], {"x": _x}, ["y", "mask"], given)
    found = run(in_double(proto), {"x": _x.astype(np.float64)})
    np.testing.assert_array_equal(found["y"], _x.astype(np.float64))
    assert found["mask"].all()
    assert found["mask"].shape == _x.shape


@pytest.mark.parametrize("bias", [True, False])
def test_every_output_of_a_layer_normalization(bias):
    given = {"scale": np.float32([1, 2, -1, 0.5, 3, 1]), "bias": np.float32([0, 1, 2, 3, 4, 5])}
    names = ["x", *given][: 3 if bias else 2]
    node = helper.make_node("LayerNormalization", names, ["y", "mean", "inverse"], epsilon=0.1)
    proto = model([node], {"x": _x}, ["y", "mean", "inverse"], given)
    x = _x.astype(np.float64)
    found = run(in_double(proto), {"x": x})
    mean, epsilon = x.mean(-1, keepdims=True), float(np.float32(0.1))
    inverse = 1 / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    y = (x - mean) * inverse * given["scale"] + bias * given["bias"]
    for name, expected in {"y": y, "mean": mean, "inverse": inverse}.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-13, atol=1e-13)


def test_the_error_function_is_exact():
    x = np.concatenate([np.linspace(-8, 8, 41), [1e-9]])
    network = model([helper.make_node("Erf", ["x"], ["y"])], {"x": (np.float32, x.shape)}, ["y"])
    found = run(in_double(network), {"x": x})["y"]
    np.testing.assert_allclose(found, [math.erf(t) for t in x], rtol=1e-13, atol=1e-15)
