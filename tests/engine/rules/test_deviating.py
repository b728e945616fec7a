"""Rules that deviate on purpose: by how much, and where they agree with the exact ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from graphs import model, run
from onnx import helper
from onnxscope.errors import InputError, OperatorError
from onnxscope.rules.named import NAMED

POOLS = {
    "plain": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "overlapping, padded": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 1]},
    "stride 1": {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]},
    "ceil": {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    "same": {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
}


def gradient(op_type, arrays, names, dy, **attributes):
    """That of the first input, by the standard rules and those of names."""
    proto = model([helper.make_node(op_type, list(arrays), ["y"], **attributes)], arrays, ["y"])
    rules = osc.standard_rules() | osc.named_rules(*names) if names else osc.standard_rules()
    graph = osc.differentiate(proto, of="y", wrt=[next(iter(arrays))], rules=rules)
    results = run(graph, arrays | {"grad_y": dy})
    return results[f"grad_{next(iter(arrays))}"]


def pooled(op_type, x, **attributes):
    proto = model([helper.make_node(op_type, ["x"], ["y"], **attributes)], {"x": x}, ["y"])
    return run(proto, {"x": x})["y"]


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 3, 7, 8)).astype(np.float32)


@pytest.mark.parametrize("attributes", POOLS.values(), ids=POOLS)
def test_average_pooling_goes_back_as_an_average(x, attributes):
    dy = pooled("MaxPool", x, **attributes) ** 2
    found = gradient("MaxPool", {"x": x}, ["average_pooling"], dy, **attributes)
    exact = gradient("AveragePool", {"x": x}, [], dy, **attributes)
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attributes", POOLS.values(), ids=POOLS)
def test_smoothed_pooling_goes_back_as_what_it_says(x, attributes):
    """By differences of mean(x²) / (mean(|x|) + 0.01), which ONNX Runtime pools."""
    dy = pooled("MaxPool", x, **attributes) ** 2
    found = gradient("MaxPool", {"x": x}, ["smoothed_pooling"], dy, **attributes)

    def value(at):
        squares = pooled("AveragePool", at * at, **attributes)
        return (dy * (squares / (pooled("AveragePool", np.abs(at), **attributes) + 0.01))).sum()

    for seed in range(3):
        along = np.random.default_rng(seed).normal(size=x.shape).astype(np.float32)
        # Where |x| is small its sign must not change.
        along *= np.abs(x) > 0.05
        slope = (value(x + 0.01 * along) - value(x - 0.01 * along)) / 0.02
        assert slope == pytest.approx((found * along).sum(), rel=0.02, abs=0.05)


def test_dilated_windows(x):
    """The mean of each window's pixels, which in opset 18 no AveragePool takes."""
    pool = {"kernel_shape": [2, 1], "dilations": [2, 1]}
    dy = np.ones((2, 3, 5, 8), np.float32)
    found = gradient("MaxPool", {"x": x}, ["average_pooling"], dy, **pool)
    times = np.array([0.5, 0.5, 1, 1, 1, 0.5, 0.5], np.float32)
    np.testing.assert_allclose(found, np.broadcast_to(times[:, None], x.shape))
    with pytest.raises(OperatorError, match="before opset 19 AveragePool has no dilations"):
        gradient("MaxPool", {"x": x}, ["smoothed_pooling"], dy, **pool)


def test_one_pixel_is_its_own_maximum(x):
    large = np.abs(x) + 100
    pool = {"kernel_shape": [1, 1]}
    dy = np.ones_like(x)
    exact = gradient("MaxPool", {"x": large}, [], dy, **pool)
    for name in ("average_pooling", "smoothed_pooling"):
        found = gradient("MaxPool", {"x": large}, [name], dy, **pool)
        np.testing.assert_allclose(found, exact, rtol=1e-3)


def test_equal_pixels_share_alike_and_large_ones_get_more():
    dy = np.ones((1, 1, 1, 1), np.float32)
    for op_type, pool in (("MaxPool", {"kernel_shape": [1, 4]}), ("GlobalMaxPool", {})):
        equal = np.full((1, 1, 1, 4), 50, np.float32)
        for name in ("average_pooling", "smoothed_pooling"):
            found = gradient(op_type, {"x": equal}, [name], dy, **pool)
            np.testing.assert_allclose(found, np.full((1, 1, 1, 4), 0.25), rtol=1e-3)
        one = np.array([[[[1, 2, 90, 3]]]], np.float32)
        found = gradient(op_type, {"x": one}, ["smoothed_pooling"], dy, **pool).ravel()
        assert found.argmax() == 2
        assert found[2] > 0.9
        # A function of degree one is its own slope along x.
        assert (found * one.ravel()).sum() == pytest.approx(np.mean(one**2) / one.mean(), rel=1e-2)


def test_what_is_clipped_keeps_its_gradient():
    x = np.array([[-1, 0.5, 7]], np.float32)
    ends = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    dy = np.array([[1, -2, 3]], np.float32)
    for name in ("straight_through", "linear"):
        np.testing.assert_array_equal(gradient("Clip", {"x": x} | ends, [name], dy), dy)
    np.testing.assert_array_equal(gradient("Clip", {"x": x} | ends, [], dy), [[0, -2, 0]])


@pytest.mark.parametrize(
    ("op_type", "attributes", "more"),
    [
        ("Relu", {}, {}),
        ("LeakyRelu", {"alpha": 0.3}, {}),
        ("ThresholdedRelu", {"alpha": 0.4}, {}),
        ("PRelu", {}, {"slope": np.array([0.2], np.float32)}),
    ],
)
def test_linear_agrees_where_a_unit_is_on(op_type, attributes, more):
    x, dy = np.array([[-1, 0.5, 7]], np.float32), np.array([[1, -2, 3]], np.float32)
    found = gradient(op_type, {"x": x} | more, ["linear"], dy, **attributes)
    np.testing.assert_array_equal(found, dy)
    exact = gradient(op_type, {"x": x} | more, [], dy, **attributes)
    np.testing.assert_array_equal(found[0, 1:], exact[0, 1:])
    assert exact[0, 0] != dy[0, 0]


@pytest.mark.slow
def test_a_picture_says_by_which_rules_it_was_made(squeezenet: osc.Model, tmp_path: Path) -> None:
    quick = {"size": 48, "steps": 4, "provider": "cpu"}
    picture = osc.render(squeezenet, "fire5:100", rules="smoothed_pooling", **quick)
    exact = osc.render(squeezenet, "fire5:100", **quick)
    assert np.abs(picture.images - exact.images).max() > 0.01
    recipe = osc.read_recipe(picture.save(tmp_path / "a.png"))
    assert recipe.rules == ("smoothed_pooling",)
    assert exact.recipe.rules is None
    np.testing.assert_array_equal(osc.remake(recipe, squeezenet).images, picture.images)
    table = osc.named_rules("smoothed_pooling")
    own = osc.render(squeezenet, "fire5:100", rules=osc.standard_rules() | table, **quick)
    assert np.abs(own.images - picture.images).max() < 0.01


@pytest.mark.parametrize("name", NAMED)
def test_every_table_raises_a_value(squeezenet: osc.Model, name: str) -> None:
    quick = {"size": 64, "steps": 24, "provider": "cpu", "transforms": ()}
    picture = osc.render(squeezenet, "fire3:7", rules=[name], **quick)
    assert picture.values[-1] > picture.values[0]


def test_unknown_rules_are_refused_with_the_nearest_name(squeezenet: osc.Model) -> None:
    with pytest.raises(InputError, match="did you mean 'smoothed_pooling'"):
        osc.render(squeezenet, "fire5:100", rules="smooth_pooling", steps=1)
    with pytest.raises(InputError, match="rules must name one of average_pooling"):
        osc.named_rules()
