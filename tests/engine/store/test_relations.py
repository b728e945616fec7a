"""What units are made of and count for, and where a picture counts."""

from __future__ import annotations

import io

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.pictures.importance import with_opacity
from onnxscope.store.earlier import Earlier
from onnxscope.store.likeness import alike
from onnxscope.store.opacity import opacity_file
from onnxscope.store.relations import Related, related, related_to
from PIL import Image


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(2).random((48, 48, 3))


def test_shares_are_what_the_weights_say(squeezenet: osc.Model, picture):
    found = Earlier(squeezenet, squeezenet.layers["fire3"], (48, 48), "cpu").of(picture, 3)
    assert found["layer"] == squeezenet.layers["fire3/squeeze1x1"].name
    shares = np.array(found["shares"])
    # An expanding convolution of 1×1 weighs each unit of the squeezed layer by one number.
    names = ["fire3", "fire3/squeeze1x1"]
    values = squeezenet.activations(picture[None], names)
    own, before = (values[name][0] for name in names)
    alive = own[3] > 0
    weights = dict(squeezenet.weights())
    kernel = next(
        w for w in weights.values() if w.shape == (64, 16, 1, 1) and _is_kernel(w, own, before)
    )
    expected = kernel[3, :, 0, 0] * (before * alive).sum((1, 2)) / own[3].sum()
    np.testing.assert_allclose(shares, expected, rtol=0.02, atol=2e-3)


def _is_kernel(kernel: np.ndarray, own: np.ndarray, before: np.ndarray) -> bool:
    made = np.einsum("oi,ihw->ohw", kernel[:, :, 0, 0], before)
    alive = own[:64] > 0
    rest = (own[:64] - made)[alive]
    return bool(np.std(rest) < 0.5 * np.std(own[:64][alive]))


def test_the_layer_before_is_one_that_is_weighed(squeezenet: osc.Model, picture):
    logits = Earlier(squeezenet, squeezenet.layers["logits"], (48, 48), "cpu").of(picture, 3)
    assert squeezenet.layers[logits["layer"]].title == "fire9"
    first = next(layer for layer in squeezenet.layers.values() if layer.main)
    assert Earlier(squeezenet, first, (48, 48), "cpu").of(picture, 3) is None


def test_relations_are_rows_and_columns_of_shares():
    rows = {"b": {4: ("a", np.array([0.5, 0, 0.2])), 7: ("a", np.array([0.1, -0.2, 0.9]))}}
    found = related(rows)
    assert found["b"][4].earlier == [(0, 0.5), (2, 0.2)]
    assert found["b"][7].earlier == [(2, 0.9), (0, 0.1)]
    assert found["a"][0].later == {"b": [(4, 0.5), (7, 0.1)]}
    assert found["a"][2].later == {"b": [(7, 0.9), (4, 0.2)]}
    assert 1 not in found["a"]
    assert related_to(("b", 7), rows) == found["b"][7]
    assert related_to(("a", 2), rows) == found["a"][2]
    assert related_to(("a", 1), rows) == related_to(("c", 0), rows) == Related()


def test_what_is_equal_stands_in_the_order_of_units_whichever_was_made_first():
    row = "a", np.array([0.5, 0.5])
    means = {unit: np.ones(3, np.float32) for unit in (1, 2, 0)}
    shares = {"b": dict.fromkeys((7, 4, 9), row)}
    assert related(shares)["a"][1].later == {"b": [(4, 0.5), (7, 0.5), (9, 0.5)]}
    assert related_to(("a", 1), shares) == related(shares)["a"][1]
    assert alike(means) == {0: [1, 2], 1: [0, 2], 2: [0, 1]}


def test_the_opacity_is_the_importance(squeezenet: osc.Model):
    made = osc.render(squeezenet, "fire3:3", size=48, steps=3, provider="cpu")
    with Image.open(io.BytesIO(opacity_file(made.images, made.importance))) as image:
        alpha = np.asarray(image.getchannel("A"))
    expected = with_opacity(made.images, made.importance, 80.0)[0, :, :, 3] * 255
    assert alpha.shape == expected.shape
    assert np.corrcoef(alpha.ravel(), expected.ravel())[0, 1] > 0.97
    assert opacity_file(made.images, np.zeros_like(made.importance)) is None
