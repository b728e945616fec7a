"""Attributions are activations times gradients, and those of one layer add up to the value."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import onnxscope as osc
import pytest
from onnxscope.studies import influence
from onnxscope.studies.grids import PhotoLayer, Places, cells_of, layers_called, usual_layers
from onnxscope.studies.pullback import Pullback

sys.path.append(str(Path(__file__).resolve().parents[1] / "helpers"))
from seen_network import network, photo

NAMES = ["one", "two", "three"]


@pytest.fixture(scope="module")
def model() -> osc.Model:
    return osc.load(network())


@pytest.fixture(scope="module")
def layers(model: osc.Model) -> list[PhotoLayer]:
    return cells_of(model, photo(), layers_called(model, NAMES), "cpu")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.float32(photo().transpose(2, 0, 1) / 255)


def by_hand(proto, of, wrt, weights, picture):
    """The gradients of Σ weights · of, by the bare transform."""
    graph = osc.differentiate(proto, of=of, wrt=wrt)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    feeds = {"image": picture[None], f"grad_{of}": weights[None].astype(np.float32)}
    return session.run([f"grad_{name}" for name in wrt], feeds)


@pytest.mark.parametrize("skip", [False, True])
def test_gradients_are_those_of_the_bare_transform(skip, picture):
    proto = network(skip=skip)
    model = osc.load(proto)
    last = "sum" if skip else "three"
    shape = model.layers[last].shape
    rng = np.random.default_rng(0)
    # More than are computed at once.
    weights = [rng.standard_normal(shape).astype(np.float32) for _ in range(19)]
    pullback = Pullback(model, last, ["one", "two"], (48, 48), "cpu")
    found = list(pullback(picture, weights))
    assert len(found) == 19
    for number in (0, 15, 16, 18):
        expected = by_hand(proto, last, ["one", "two"], weights[number], picture)
        for name, gradient in zip(("one", "two"), expected, strict=True):
            np.testing.assert_allclose(found[number][name], gradient[0], rtol=1e-4, atol=1e-5)


def test_what_leads_nowhere_has_no_gradient(picture):
    model = osc.load(network(skip=True))
    shape = model.layers["three"].shape
    pullback = Pullback(model, "three", ["side"], (48, 48), "cpu")
    (found,) = pullback(picture, [np.ones(shape, np.float32)])
    assert not found["side"].any()
    both = Pullback(model, "three", ["two", "side"], (48, 48), "cpu")
    (found,) = both(picture, [np.ones(shape, np.float32)])
    assert found["two"].any()
    assert not found["side"].any()


def test_attributions_of_a_cell_add_up_to_its_length(model, layers, picture):
    target, before = layers[2], layers[:2]
    pullback = Pullback(model, "three", ["one", "two"], (48, 48), "cpu")
    found = influence.to_cells(pullback, picture, target, before)
    lengths = np.linalg.norm(target.vectors, axis=2)
    assert found["one"].shape == (12, 12, 14, 14)
    for name in ("one", "two"):
        np.testing.assert_allclose(found[name].sum((2, 3)), lengths, rtol=1e-3, atol=1e-4)
    # A cell of `three` sees three rows and columns of `two`.
    assert not found["two"][5, 5][:4].any()
    assert found["two"][5, 5][4:7, 4:7].any()


def test_attributions_to_classes_add_up_to_their_scores(model, layers, picture):
    scores = model.activations(photo(), ["logits"])["logits"][0]
    pullback = Pullback(model, "logits", NAMES, (48, 48), "cpu")
    gradients = influence.to_classes(pullback, picture, [3, 1], 4, NAMES)
    expected = by_hand(network(), "logits", NAMES, np.eye(4)[3], picture)
    for one, gradient in zip(layers, expected, strict=True):
        name = one.layer.name
        np.testing.assert_allclose(gradients[name][0], gradient[0], rtol=1e-4, atol=1e-6)
        places = influence.by_place(one, gradients[name])
        channels = influence.by_channel(one, gradients[name])
        np.testing.assert_allclose(places.sum((1, 2)), scores[[3, 1]], rtol=1e-3)
        np.testing.assert_allclose(channels.sum(1), scores[[3, 1]], rtol=1e-3)
        each = range(one.layer.channels)
        units = [influence.by_unit_place(one, gradients[name][0], unit) for unit in each]
        np.testing.assert_allclose(np.sum(units, axis=0), places[0], rtol=1e-3, atol=1e-5)


def test_groups_that_are_all_of_a_layer_have_all_of_its_attribution(layers):
    one = layers[1]
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((2, *one.values.shape)).astype(np.float32)
    # Each channel by itself is a group.
    vectors = np.eye(one.layer.channels, dtype=np.float32)
    found = influence.by_group(one, gradients, one.vectors, vectors)
    np.testing.assert_allclose(found, influence.by_channel(one, gradients), rtol=1e-4)


def test_pooled_cells_keep_sums_and_means():
    rng = np.random.default_rng(0)
    values = rng.random((3, 27, 31))
    places = Places.of(27, 31)
    assert places.height * places.width <= 200
    np.testing.assert_allclose(places.sums(values).sum((1, 2)), values.sum((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(places.means(values).mean((1, 2)), values.mean((1, 2)), rtol=1e-5)
    weights = rng.random((places.height, places.width))
    np.testing.assert_allclose(
        (weights * places.means(values)).sum((1, 2)),
        (places.spread(weights) * values).sum((1, 2)),
        rtol=1e-4,
    )
    assert not Places.of(13, 13).pooled


def test_the_usual_layers_are_ends_of_blocks(squeezenet):
    assert [layer.title for layer in usual_layers(squeezenet)] == [
        "fire3",
        "fire5",
        "fire7",
        "fire9",
    ]


def test_units_that_tell_most():
    assert influence.strongest_units(np.array([0, 3, 1, 0, 2.0]), 4) == [1, 4, 2]
    told = influence.telling_units(np.array([-3, 5, 0, 1, -1, -2, 2, 9, 8.0]))
    assert told == [7, 8, 1, 6, 5, 0]
