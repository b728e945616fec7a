"""Pyramids, shared pictures, painted ones and masks: what they make, and that they climb."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.forms import mixing
from onnxscope.images import fitted_to, means_over_shares
from onnxscope.parameterizations.base import Parameterization
from parts import picture

SIZES = [(16, 24), (13, 22), (1, 5), (3, 1)]


def linear(coarse: np.ndarray, height: int, width: int) -> np.ndarray:
    """Linear interpolation between the middles of pixels, axis by axis."""

    def along(values: np.ndarray, size: int, axis: int) -> np.ndarray:
        given = values.shape[axis]
        at = (np.arange(size) + 0.5) * given / size - 0.5
        return np.apply_along_axis(lambda v: np.interp(at, np.arange(given), v), axis, values)

    return along(along(coarse.astype(np.float64), height, 2), width, 3)


def rgb(colors: np.ndarray, decorrelate: bool) -> np.ndarray:
    if decorrelate:
        colors = np.einsum("dc,nchw->ndhw", mixing(), colors)
    return 1 / (1 + np.exp(-colors))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("decorrelate", [True, False])
def test_a_pyramid_is_the_sum_of_its_levels(size: tuple[int, int], decorrelate: bool) -> None:
    pyramid = osc.Laplacian(3, 0.5, decorrelate)
    drawn = pyramid.initial(np.random.default_rng(0), 2, *size)
    sides = [tuple(-(-side // 2**level) for side in size) for level in range(3)]
    assert [array.shape[2:] for array in drawn.values()] == sides
    total = sum(linear(array, *size) for array in drawn.values())
    np.testing.assert_allclose(picture(pyramid, drawn, *size), rgb(total, decorrelate), atol=1e-6)


def test_a_shared_picture_is_in_all() -> None:
    shared = osc.Shared(osc.Pixels(), 4, 2.0)
    drawn = shared.initial(np.random.default_rng(0), 3, 13, 22)
    assert drawn["shared"].shape == (3, 3, 4, 6)
    assert not drawn["shared"].any()
    coarse = np.random.default_rng(1).standard_normal((3, 3, 4, 6), np.float32)
    drawn["shared"] = coarse
    wanted = drawn["pixels"] + 2 * linear(coarse.mean(0, keepdims=True), 13, 22)
    np.testing.assert_allclose(picture(shared, drawn, 13, 22), rgb(wanted, True), atol=1e-6)


@pytest.mark.slow  # two ascents
def test_pictures_with_a_shared_part_are_more_alike(squeezenet: osc.Model) -> None:
    given = {"size": 56, "steps": 20, "provider": "cpu", "transforms": ()}
    between = osc.interpolate(osc.channel("fire5", 11), osc.channel("fire5", 30), 3)

    def apart(parameterization: Parameterization) -> float:
        made = osc.render(squeezenet, between, batch=3, parameterization=parameterization, **given)
        assert (made.values[-1] > made.values[0]).all()
        again = osc.remake(made.recipe, squeezenet)
        np.testing.assert_array_equal(again.images, made.images)
        return float(np.abs(np.diff(made.images, axis=0)).mean() / made.images.std())

    with pytest.raises(InputError, match="divides 3 pictures, which share a part of what they"):
        osc.render(
            squeezenet, between, batch=3, batch_size=1, parameterization=osc.Shared(), **given
        )
    assert apart(osc.Shared(osc.Fourier(), 4, 3)) < 0.9 * apart(osc.Fourier())


@pytest.mark.parametrize("size", [(16, 24), (9, 1)])
def test_a_painted_picture_is_lucids(size: tuple[int, int]) -> None:
    cppn = osc.Cppn(7, 3)
    drawn = cppn.initial(np.random.default_rng(0), 2, *size)
    assert np.array_equal(picture(cppn, drawn, *size), np.full((2, 3, *size), 0.5, np.float32))
    rng = np.random.default_rng(1)
    drawn = {name: rng.standard_normal(a.shape, np.float32) * 0.4 for name, a in drawn.items()}
    height, width = size
    longest = max(size)
    y, x = np.mgrid[:height, :width] + 0.5
    places = np.stack([x * 2 - width, y * 2 - height], -1).reshape(-1, 2) / longest * np.sqrt(3)
    values = np.tile(places, (2, 1, 1))
    for number in range(4):
        values = values @ drawn[f"weights{number}"] + drawn[f"biases{number}"]
        if number < 3:
            angle = np.arctan(values)
            values = np.concatenate([angle / 0.67, angle**2 / 0.6], -1)
    wanted = 1 / (1 + np.exp(-values.transpose(0, 2, 1).reshape(2, 3, *size)))
    np.testing.assert_allclose(picture(cppn, drawn, *size), wanted, atol=1e-5)


def test_the_start_of_a_painted_network_keeps_its_variance() -> None:
    cppn = osc.Cppn(64, 6)
    drawn = cppn.initial(np.random.default_rng(0), 1, 64, 64)
    last = drawn["weights6"]
    drawn["weights6"] = np.random.default_rng(1).standard_normal(last.shape, np.float32) / 128**0.5
    images = picture(cppn, drawn, 64, 64).astype(np.float64)
    colors = np.log(images / (1 - images))
    assert 0.2 < colors.std() < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameterization", "rate"),
    [(osc.Laplacian(), 0.05), (osc.Cppn(12, 4), 0.01), (osc.Shared(), 0.05)],
)
def test_an_ascent(squeezenet: osc.Model, parameterization: Parameterization, rate: float) -> None:
    given = {"size": (48, 64), "steps": 20, "provider": "cpu", "optimizer": osc.Adam(rate)}
    made = osc.render(
        squeezenet, "fire4:9", parameterization=parameterization, transforms=(), batch=2, **given
    )
    assert (made.values[-1] > made.values[0] + 0.5).all()
    if not isinstance(parameterization, osc.Shared):
        alone = osc.render(
            squeezenet, "fire4:9", parameterization=parameterization, transforms=(), **given
        )
        np.testing.assert_array_equal(alone.images[0], made.images[0])


@pytest.mark.slow
def test_what_a_mask_leaves_is_the_photo(squeezenet: osc.Model, flower: np.ndarray) -> None:
    mask = np.zeros((6, 8))
    mask[2:4, 2:5] = 1
    mask[4, 4] = 0.5
    masked = osc.within(flower, mask, osc.start(flower))
    made = osc.render(
        squeezenet,
        "fire5:11",
        parameterization=masked,
        size=(60, 80),
        steps=12,
        transforms=(),
        provider="cpu",
    )
    photo = fitted_to(flower, 60, 80) / 255
    weight = means_over_shares(mask, 60, 80)
    moved = np.abs(made.images[0] - photo).mean(-1)
    assert moved[weight < 1e-9].max() < 1e-6
    assert moved[weight > 0.99].mean() > 0.02
    assert made.values[-1] > made.values[0]
    again = osc.remake(made.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, made.images)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: osc.Laplacian(0), "levels must be at least 1, not 0"),
        (lambda p: osc.Laplacian(sd=-1), "sd must be at least 0, not -1"),
        (lambda p: osc.Shared(osc.Maco()), r"are of Fourier\(\), Pixels\(\) or Laplacian\(\)"),
        (lambda p: osc.Shared(strength=0), "strength must be above 0, not 0"),
        (lambda p: osc.Cppn(0), "hidden must be at least 1, not 0"),
        (lambda p: osc.within(p, [[2]]), r"a mask must hold numbers in \[0, 1\], some of them"),
        (lambda p: osc.within(p, [[0]]), "some of them above 0"),
        (lambda p: osc.within(p, [1]), r"a mask must be numbers of shape \(rows, columns\)"),
        (lambda p: osc.within(p, [[1]], 3), r"such as Fourier\(\), not 3"),
    ],
)
def test_what_is_refused(
    flower: np.ndarray, make: Callable[[np.ndarray], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make(flower)
