"""L-BFGS: on functions with known maxima, and on the inversion of a photograph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError

QUICK = {"size": 64, "provider": "cpu", "transforms": ()}


def test_it_finds_the_top_of_a_quadratic_for_each_picture() -> None:
    """Scales from 1 to 1000, so that a gradient alone would take hundreds of steps."""
    scales = np.geomspace(1, 1000, 20)
    tops = np.random.default_rng(0).normal(size=(3, 20))
    weights = np.array([[1.0], [50.0], [0.02]])

    def value(parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        return -(weights * scales * (parameters["x"].reshape(3, 20) - tops) ** 2).sum(1)

    optimizer, parameters = osc.LBFGS(), {"x": np.zeros((3, 4, 5))}
    values = []
    for _ in range(200):
        values.append(value(parameters))
        away = parameters["x"].reshape(3, 20) - tops
        gradient = (-2 * weights * scales * away).reshape(3, 4, 5)
        optimizer.search(parameters, values[-1], {"x": gradient}, value)
    np.testing.assert_allclose(parameters["x"].reshape(3, 20), tops, atol=1e-5)
    assert (np.diff(np.array(values), axis=0) >= 0).all()


def test_a_picture_at_its_top_or_without_a_number_ahead_stays() -> None:
    def value(parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        x = parameters["x"][:, 0]
        return np.where(x > 0, np.nan, -(x**2))

    parameters = {"x": np.array([[0.0], [-1.0]])}
    osc.LBFGS(100.0).search(parameters, value(parameters), {"x": -2 * parameters["x"]}, value)
    assert parameters["x"][0] == 0
    assert -1 < parameters["x"][1] <= 0


@pytest.mark.slow
def test_an_inversion_comes_nearer_than_by_adam(squeezenet: osc.Model) -> None:
    photo = (np.indices((64, 64)).sum(0) // 8 % 2)[..., None] * np.array([0.9, 0.5, 0.1]) + 0.05
    wanted = osc.inversion("fire3", photo)
    found = osc.render(squeezenet, wanted, steps=24, optimizer=osc.LBFGS(), **QUICK)
    adam = osc.render(squeezenet, wanted, steps=24, **QUICK)
    assert found.values[-1] > 0.5 * adam.values[-1]
    assert (np.diff(found.values) >= 0).all()
    again = osc.remake(found.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, found.images)


def test_pictures_do_not_depend_on_each_other(squeezenet: osc.Model) -> None:
    given = QUICK | {"steps": 4, "optimizer": osc.LBFGS()}
    two = osc.render(squeezenet, "fire3:7", batch=2, **given)
    one = osc.render(squeezenet, "fire3:7", **given)
    np.testing.assert_allclose(two.images[0], one.images[0], atol=1e-5)


def test_what_is_random_is_refused(squeezenet: osc.Model) -> None:
    with pytest.raises(InputError, match=r"LBFGS compares values .*: give transforms=\(\)"):
        osc.render(squeezenet, "fire3:7", size=64, optimizer=osc.LBFGS(), provider="cpu")
    with pytest.raises(InputError, match="leave leak out"):
        osc.render(squeezenet, "fire3:7", optimizer=osc.LBFGS(), leak=0.1, **QUICK)
