"""Neurons in groups: what was put together is taken apart."""

from __future__ import annotations

import numpy as np
import pytest
from onnxscope.errors import InputError
from onnxscope.studies import factors
from onnxscope.studies.factors import factorised


def test_what_is_a_sum_of_three_patterns_is_taken_apart():
    maps, vectors = np.zeros((8, 9, 3)), np.zeros((3, 20))
    maps[:3, :, 0], maps[3:6, :, 1], maps[6:, :, 2] = 3, 2, 1
    maps[2:4, 4, 2] = 2
    rng = np.random.default_rng(0)
    for number in range(3):
        vectors[number, 6 * number : 6 * number + 8] = rng.random(8) + 0.2
    cells = maps @ vectors
    found = factorised(cells, 3)
    assert found.share > 0.999
    np.testing.assert_allclose(found.maps @ found.vectors, cells, atol=0.05 * cells.max())
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)
    # The one with the most comes first.
    totals = found.maps.sum((0, 1))
    assert (np.diff(totals) <= 0).all()
    cosines = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ found.vectors.T
    assert sorted(cosines.argmax(axis=1)) == [0, 1, 2]
    assert cosines.max(axis=1).min() > 0.98


def test_it_is_the_same_each_time_and_better_with_more():
    cells = np.abs(np.random.default_rng(3).standard_normal((7, 7, 30))).astype(np.float32)
    shares = [factorised(cells, count).share for count in (1, 2, 4, 8)]
    assert shares == sorted(shares)
    one, other = factorised(cells, 4), factorised(cells, 4)
    np.testing.assert_array_equal(one.maps, other.maps)
    # Whatever the activations are measured in.
    scaled = factorised(cells * 1000, 4)
    np.testing.assert_allclose(scaled.vectors, one.vectors, atol=1e-4)


def test_dead_and_negative_layers():
    dead = factorised(np.zeros((3, 3, 4), np.float32), 2)
    assert dead.share == 0
    assert dead.vectors.shape == (2, 4)
    assert (factorised(np.random.default_rng(0).standard_normal((4, 4, 6)), 2).maps >= 0).all()
    assert len(factorised(np.ones((1, 2, 9), np.float32), 5)) == 2


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(factors, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'onnxscope\[pages\]'"):
        factorised(np.ones((2, 2, 2)), 2)
