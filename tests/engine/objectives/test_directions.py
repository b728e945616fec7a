"""Directions: their values in NumPy, everywhere and at places, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, OnnxscopeError, TargetError
from onnxscope.images import means_over_shares

IMAGES = np.random.default_rng(0).random((2, 40, 56, 3), np.float32)
V = np.random.default_rng(1).standard_normal(256, np.float32)
C = np.random.default_rng(2).standard_normal(1000, np.float32)
W = np.random.default_rng(3).standard_normal((256, 256), np.float32)
MASK = np.random.default_rng(4).random((9, 5))
CELLS = (4, 6)  # of fire5 at this size


def dot(a: np.ndarray, v: np.ndarray = V) -> np.ndarray:
    return np.einsum("nc...,c->n...", a.astype(np.float64), v)


def cosines(a: np.ndarray, v: np.ndarray = V) -> np.ndarray:
    return dot(a, v) / np.linalg.norm(v) / np.sqrt((a.astype(np.float64) ** 2).sum(1) + 1e-8)


def lucids(a: np.ndarray, power: float) -> np.ndarray:
    return dot(a) * np.maximum(0.1, cosines(a)) ** power


def under_mask(values: np.ndarray) -> np.ndarray:
    weights = means_over_shares(MASK, *CELLS)
    return (values * weights / weights.sum()).sum((1, 2))


CASES: list[tuple[osc.Objective, Callable[[np.ndarray], np.ndarray], str]] = [
    (osc.direction("fire5", V), lambda a: dot(a).mean((1, 2)), "direction fire5 [256 numbers, "),
    (
        osc.direction("fire5", V, cosine=3),
        lambda a: lucids(a, 3).mean((1, 2)),
        "] · cos^3",
    ),
    (
        osc.direction("fire5", V, cosine=0.5, radius=0),
        lambda a: lucids(a, 0.5)[:, 2, 3],
        "cos^0.5 at radius=0",
    ),
    (osc.direction("fire5", V, y=1), lambda a: dot(a)[:, 1, 3], "at y=1"),
    (
        osc.direction("fire5", V, y=0, x=1, radius=1),
        lambda a: dot(a)[:, :2, :3].mean((1, 2)),
        "at y=0, x=1, radius=1",
    ),
    (
        # Of four rows the middles are at 1/8, 3/8, 5/8, 7/8; of six columns at 1/12, 3/12, …
        osc.direction("fire5", V, box=(0.125, 0.2, 0.7, 1)),
        lambda a: dot(a)[:, :3, 1:].mean((1, 2)),
        "at box=(0.125, 0.2, 0.7, 1.0)",
    ),
    (
        osc.direction("fire5", V, mask=MASK),
        lambda a: under_mask(dot(a)),
        "at mask=[9×5 numbers, ",
    ),
    (
        osc.direction("fire5", V, whitening=W),
        lambda a: dot(a, V @ W).mean((1, 2)),
        "direction",
    ),
    (osc.cosine("fire5", V), lambda a: cosines(a).mean((1, 2)), "cosine fire5 ["),
    (osc.cosine("fire5", V, mask=MASK), lambda a: under_mask(cosines(a)), "cosine fire5 ["),
    (osc.direction("logits", C), lambda a: dot(a, C), "direction logits ["),
    (osc.cosine("logits", C), lambda a: cosines(a, C), "cosine logits ["),
    (
        osc.channels("fire5", {3: 2, 200: -0.5}),
        lambda a: (2 * a[:, 3] - 0.5 * a[:, 200]).mean((1, 2)),
        "channels 2·fire5:3, −0.5·:200",
    ),
    (
        osc.channels("fire5", {3: 1}, mask=MASK),
        lambda a: under_mask(a[:, 3]),
        "channels fire5:3 at mask=",
    ),
    (
        osc.channels("logits", {3: 1, 4: -1}),
        lambda a: a[:, 3] - a[:, 4],
        "channels logits:3, −1·:4",
    ),
    (
        osc.neurons("fire5", 11),
        lambda a: a[:, 11, 1:4, 2:5].mean((1, 2)),
        "channels fire5:11 at radius=1",
    ),
]


@pytest.mark.sample(5)
@pytest.mark.parametrize(("objective", "expected", "words"), CASES)
def test_values(
    squeezenet: osc.Model,
    objective: osc.Objective,
    expected: Callable[[np.ndarray], np.ndarray],
    words: str,
) -> None:
    (layer,) = objective.layers()
    activations = squeezenet.activations(IMAGES, layer)[layer]
    assert activations.shape[2:] in (CELLS, ())
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    np.testing.assert_allclose(value, expected(activations), rtol=1e-4, atol=1e-5)
    assert words in str(objective)


@pytest.mark.slow
def test_a_dead_cell_has_a_gradient_that_is_a_number(squeezenet: osc.Model) -> None:
    """Where all channels of a cell are 0, its length has no derivative."""
    black = np.zeros((1, 64, 64, 3), np.float32)
    for objective in (osc.direction("fire5", -V, cosine=2), osc.cosine("fire5", V)):
        value, gradient = osc.Gradient(squeezenet, objective, provider="cpu")(black)
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()


def test_what_a_layer_has_at_a_place_is_all_that_is_computed(squeezenet: osc.Model) -> None:
    """A cell far from the others depends on its receptive field alone."""
    images = IMAGES.copy()
    value, gradient = osc.Gradient(squeezenet, osc.direction("fire3", V[:128], y=0, x=0))(images)
    assert not gradient[:, 24:, 32:].any()
    images[:, 24:, 32:] = 0
    again, _ = osc.Gradient(squeezenet, osc.direction("fire3", V[:128], y=0, x=0))(images)
    np.testing.assert_array_equal(again, value)


@pytest.mark.parametrize("shape", [(9, 5), (4, 6), (2, 12), (1, 1), (40, 3)])
def test_a_mask_is_shared_out(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(5).random(shape)
    shared = means_over_shares(mask, *CELLS)
    assert shared.shape == CELLS
    assert shared.mean() == pytest.approx(mask.mean())
    # As often as both sizes go into it, the mean of what each cell covers.
    rows, columns = np.lcm(shape[0], CELLS[0]), np.lcm(shape[1], CELLS[1])
    fine = np.kron(mask, np.ones((rows // shape[0], columns // shape[1])))
    blocks = fine.reshape(CELLS[0], rows // CELLS[0], CELLS[1], columns // CELLS[1])
    np.testing.assert_allclose(shared, blocks.mean((1, 3)), atol=1e-12)


def test_objectives_with_arrays_are_equal_by_content() -> None:
    one, same, other = (osc.direction("a", v) for v in ([1, 2], np.array([1.0, 2.0]), [1, 3]))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != osc.cosine("a", [1, 2])
    assert 2 * one + other == 2 * same + other
    with pytest.raises(ValueError, match="read-only"):
        one.vector[0] = 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: osc.direction(3, V), "a layer is given by its name, such as 'mixed4a', not 3"),
        (lambda: osc.direction("a", W), r"must be numbers of shape \(C,\), not an array of shape"),
        (lambda: osc.direction("a", "x"), r"must be numbers of shape \(C,\), not 'x'"),
        (lambda: osc.direction("a", []), r"and is empty: \(0,\)"),
        (lambda: osc.direction("a", [[1], [2, 3]]), r"must be numbers of shape \(C,\)"),
        (lambda: osc.direction("a", [1, np.nan]), "must be finite float32 numbers"),
        (lambda: osc.direction("a", [1e300]), "must be finite float32 numbers"),
        (lambda: osc.direction("a", V, cosine=-1), "a cosine must be at least 0, not -1"),
        (lambda: osc.direction("a", V, whitening=W[:5, :5]), "is 256×256, not 5×5"),
        (lambda: osc.direction("a", V, y=-1), "y must be at least 0, not -1"),
        (lambda: osc.direction("a", V, y=1, box=(0, 0, 1, 1)), "not by y, x and radius and by box"),
        (lambda: osc.direction("a", V, token=1, mask=MASK), "not by token and by mask"),
        (lambda: osc.direction("a", V, box=(0, 0, 1)), r"\(top, left, bottom, right\), each in"),
        (lambda: osc.direction("a", V, box=(0.5, 0, 0.5, 1)), "with 0 ≤ top < bottom ≤ 1"),
        (lambda: osc.direction("a", V, mask=-MASK), "weights of at least 0, some of them above"),
        (lambda: osc.direction("a", V, mask=0 * MASK), "weights of at least 0, some of them above"),
        (lambda: osc.channels("a", [1]), r"weights by channel number, such as {11: 1}, not \[1\]"),
        (lambda: osc.channels("a", {}), "at least one channel, each once and with a weight"),
        (lambda: osc.channels("a", {1: "x"}), "each weight of channels must be a number, not 'x'"),
        (lambda: osc.neurons("a", 1, radius=-1), "radius must be at least 0"),
    ],
)
def test_what_is_no_direction(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((InputError, TargetError), match=message):
        make()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (osc.direction("fire5", V[:9]), "fire5 has 256 channels, .* as many numbers, not 9"),
        (osc.direction("fire5", V, y=9), "fire5 has 4×6 cells at this picture size; there is no"),
        (osc.direction("fire5", V, token=0), "fire5 has no tokens: leave token=0 out"),
        (osc.direction("fire5", V, box=(0, 0, 0.01, 1)), "4×6 cells .* the middle of none lies in"),
        (osc.direction("logits", C, radius=0), "logits has no positions: leave radius=0 out"),
        (osc.channels("fire5", {256: 1}), "there is no channel 256"),
    ],
)
def test_what_is_not_there(squeezenet: osc.Model, objective: osc.Objective, message: str) -> None:
    with pytest.raises((LayerError, OnnxscopeError), match=message):
        osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
