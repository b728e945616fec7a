"""Pictures as a sequence and as arrays; what an objective sees of them, cut out or framed."""

from __future__ import annotations

import pickle

import numpy as np
import onnxscope as osc
import pytest
from graphs import model
from onnx import helper
from onnxscope.errors import InputError
from onnxscope.pictures.recipe import read_recipe

QUICK = {"steps": 3, "size": 32, "provider": "cpu", "snapshots": (1,)}


@pytest.fixture(scope="module")
def loaded() -> osc.Model:
    """Two convolutions with a pool between them: a cell of `y` sees 3 + 2·(5 − 1) + 1 pixels."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "v": rng.standard_normal((4, 4, 5, 5)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4),
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "v"], ["y"], pads=[2] * 4),
    ]
    inputs = {"x": (np.float32, ("N", 3, "H", "W"))}
    return osc.load(model(nodes, inputs, ["y"], weights), input_range=(0, 1))


@pytest.fixture(scope="module")
def three(loaded) -> osc.Picture:
    return osc.render(loaded, ["c:0", osc.neuron("y", 1), osc.neuron("y", 2)], **QUICK)


def test_a_picture_is_a_sequence(three):
    assert len(three) == 3
    assert three
    assert [one.images.shape for one in three] == [(1, 32, 32, 3)] * 3
    np.testing.assert_array_equal(three[1].images[0], three.images[1])
    np.testing.assert_array_equal(three[-1].values, three.values[:, 2])
    np.testing.assert_array_equal(three[1].snapshots[1], three.snapshots[1][1:2])
    assert three[1:].images.shape == (2, 32, 32, 3)
    assert str(three[1].objective) == "neuron y:1"
    assert [str(part.objective) for part in three[::2]] == ["channel c:0", "neuron y:2"]
    for wrong in (3, -4, slice(5, 9)):
        with pytest.raises(IndexError):
            three[wrong]
    assert three[2].recipe == three.recipe


def test_a_picture_is_an_array(three):
    assert np.asarray(three).shape == (3, 32, 32, 3)
    assert np.asarray(three[0]).shape == (32, 32, 3)
    assert np.array(three[0], np.float64).dtype == np.float64
    assert np.shape(three[:1]) == (32, 32, 3)
    changed = np.array(three[0])
    changed[:] = 0
    assert three.images[0].any()


@pytest.mark.slow
def test_plots_show_it(three):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    shown = pyplot.imshow(three[0])
    np.testing.assert_array_equal(shown.get_array(), three.images[0])
    pyplot.close("all")


def _influences(loaded: osc.Model, objective: osc.Objective) -> np.ndarray:
    """Where a gradient reaches, in any of several pictures."""
    rng = np.random.default_rng(0)
    gradient = osc.Gradient(loaded, objective, provider="cpu")
    reached = [gradient(rng.random((32, 32, 3), np.float32))[1].any(-1) for _ in range(9)]
    return np.any(reached, axis=0)


@pytest.mark.parametrize("place", [{}, {"y": 0, "x": 7}, {"y": 15, "x": 15}])
def test_what_is_cut_out_is_what_a_gradient_reaches(loaded, place):
    objective = osc.neuron("y", 1, **place)
    picture = osc.render(loaded, objective, **QUICK)
    rows, columns = (np.flatnonzero(_influences(loaded, objective).any(axis)) for axis in (1, 0))
    expected = picture.images[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cropped = picture.cropped()
    np.testing.assert_array_equal(cropped.images, expected)
    if not place:
        assert cropped.images.shape == (1, 12, 12, 3)
        assert cropped.snapshots[1].shape == (1, 12, 12, 3)
    assert picture.cropped(enlarge=4).images.shape[1:3] == tuple(4 * n for n in expected.shape[1:3])
    marked = picture.marked().images
    np.testing.assert_array_equal(
        marked[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1][:, 1:-1, 1:-1],
        expected[:, 1:-1, 1:-1],
    )
    assert (marked != picture.images).any()


def test_what_is_not_cropped(loaded, three, tmp_path):
    channel = osc.render(loaded, "c:1", **QUICK)
    np.testing.assert_array_equal(channel.cropped().images, channel.images)
    assert three[1:].cropped().images.shape == (2, 12, 12, 3)
    with pytest.raises(InputError, match=r"different sizes, 12×12 and 32×32: crop each by itself"):
        three.cropped()
    with pytest.raises(InputError, match="cropped already"):
        three[1].cropped().cropped()
    with pytest.raises(InputError, match="enlarge must be at least 1"):
        three[1].cropped(enlarge=0)
    path = three[1].cropped().save(tmp_path / "cropped.png")
    assert read_recipe(path).size == [32, 32] or read_recipe(path).size == (32, 32)


def test_a_picture_from_elsewhere_is_cropped_by_its_recipe(loaded):
    picture = osc.render(loaded, osc.neuron("y", 1), **QUICK)
    elsewhere = pickle.loads(pickle.dumps(picture))
    assert elsewhere.model is None
    expected = picture.cropped().images
    np.testing.assert_array_equal(elsewhere.cropped(loaded).images, expected)
