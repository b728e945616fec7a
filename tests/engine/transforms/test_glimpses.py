"""Windows and sizes move a dot where they should; views are seen each for itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxscope as osc
import pytest
from graphs import run
from onnxscope.errors import InputError
from onnxscope.transforms.glimpses import Crop
from parts import random_data, seen, transform_graph


def dot(height: int, width: int, y: int, x: int) -> np.ndarray:
    image = np.full((1, 3, height, width), 0.5, np.float32)
    image[:, :, y, x] = 1
    return image


def place(image: np.ndarray) -> tuple[float, float]:
    """Row and column of the centre of gravity of what is not grey, from the middle, in pixels."""
    light = image[0, 0].astype(np.float64) - 0.5
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    middle = (np.array(light.shape) - 1) / 2
    y, x = ((light * axis).sum() / light.sum() for axis in (rows, columns))
    return y - middle[0], x - middle[1]


@pytest.mark.parametrize("seed", range(4))
def test_a_window_is_magnified(seed: int) -> None:
    """A window of half the size: what lies (dy, dx) from its middle is twice as far away."""
    height, width = 41, 61
    rng = np.random.default_rng(seed)
    (matrix,) = osc.crop(0.5).matrix(rng, 1, height, width)
    assert matrix[0, 0] == matrix[1, 1] == 0.5
    x, y = matrix[:2, 2]
    assert abs(x) <= width / 4
    assert abs(y) <= height / 4
    at = round(20 + y) - 2, round(30 + x) + 3
    found = place(seen([osc.crop(0.5)], dot(height, width, *at), seed))
    wanted = 2 * (at[0] - 20 - y), 2 * (at[1] - 30 - x)
    np.testing.assert_allclose(found, wanted, atol=0.1)


def test_windows_are_everywhere_and_inside() -> None:
    matrices = osc.crop(0.2, 0.6).matrix(np.random.default_rng(0), 4000, 30, 50)
    part, x, y = matrices[:, 0, 0], matrices[:, 0, 2], matrices[:, 1, 2]
    assert 0.2 <= part.min() < 0.21
    assert 0.59 < part.max() <= 0.6
    for shift, size in ((x, 50), (y, 30)):
        assert (np.abs(shift) <= (1 - part) * size / 2).all()
        assert np.abs(shift / ((1 - part) * size / 2)).mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(
        osc.crop(1).matrix(np.random.default_rng(0), 2, 9, 9), [np.eye(3)] * 2
    )


@pytest.mark.parametrize("size", [(20, 61), (82, 30), (41, 61)])
def test_another_size_is_the_same_picture(size: tuple[int, int]) -> None:
    image = dot(41, 61, 10, 44)
    found = seen([osc.resize(*size)], image)
    assert found.shape == (1, 3, *size)
    if size[0] >= 41:
        assert place(found)[0] == pytest.approx((10 - 20) * size[0] / 41, abs=0.1)
    smooth = np.random.default_rng(0).random((1, 3, 1, 1)) + np.zeros((1, 3, 41, 61))
    smooth += np.linspace(0, 1, 61) + np.linspace(0, 1, 41)[:, None]
    inner = seen([osc.resize(*size)], smooth)[..., 2:-2, 2:-2]
    columns = ((np.arange(size[1]) + 0.5) * 61 / size[1] - 0.5)[2:-2] / 60
    rows = ((np.arange(size[0]) + 0.5) * 41 / size[0] - 0.5)[2:-2] / 40
    wanted = smooth[:, :, :1, :1] + columns + rows[:, None]
    np.testing.assert_allclose(inner, wanted, atol=1e-4)


def test_steps_behind_another_size_count_its_pixels() -> None:
    """Padding and jitter behind it are of the new pixels; one resampling does all."""
    image = dot(40, 40, 14, 27)
    (y, x) = place(seen([osc.resize(80), osc.pad(10), osc.flip()], image))
    (y1, x1) = place(seen([osc.resize(80)], image))
    # The flip is drawn: either side.
    assert (y, abs(x)) == pytest.approx((y1, abs(x1)), abs=0.1)


@pytest.mark.parametrize(
    "transforms",
    [
        [osc.crop(0.3, 0.6)],
        [osc.resize(7, 20)],
        [osc.pad(3), osc.crop(0.5), osc.resize(9), osc.jitter(2)],
        [osc.views(3), osc.crop(0.5), osc.noise(0.1)],
        [osc.blur(1.5)],
        [osc.recolor(0.2, 0.4)],
    ],
)
def test_gradients(transforms: list[osc.Objective]) -> None:
    """Linear in the picture: the gradient of ⟨c, seen⟩ moves it as much as differences do."""
    shape = (2, 3, 12, 15)
    graph = osc.differentiate(transform_graph(transforms, shape), of="seen", wrt=["image"])
    rng = np.random.default_rng(1)
    data = random_data(transforms, shape)
    image, direction = rng.random((2, *shape)).astype(np.float32)
    sight = run(transform_graph(transforms, shape), {"image": image} | data)["seen"]
    cotangent = rng.standard_normal(sight.shape, np.float32)
    moved = run(transform_graph(transforms, shape), {"image": image + direction} | data)["seen"]
    slope = (cotangent.astype(np.float64) * (moved.astype(np.float64) - sight)).sum()
    found = run(graph, {"image": image, "grad_seen": cotangent} | data)["grad_image"]
    assert (found * direction).sum(dtype=np.float64) == pytest.approx(slope, rel=1e-4, abs=1e-3)


def test_views_are_the_mean_over_steps_of_one(squeezenet: osc.Model) -> None:
    """The value with views is the mean of what the same network sees of each by itself."""
    given = {"size": 64, "provider": "cpu", "steps": 3, "snapshots": (1, 2)}
    transforms = [osc.views(4), osc.crop(0.5, 1), osc.noise(0.05)]
    objective = osc.channel("fire5", 11) - 0.001 * osc.total_variation()
    picture = osc.render(squeezenet, objective, transforms=transforms, **given)
    start = osc.Fourier().initial(np.random.default_rng(0), 1, 64, 64)
    from onnxscope.ascent.composition import Composition
    from onnxscope.ascent.streams import Streams
    from onnxscope.transforms.composition import compose
    from parts import picture as pictures

    composed = Composition(squeezenet, objective, osc.Fourier(), compose(transforms), 1, 64, 64)
    streams = Streams(composed, 0)
    streams.parameters()
    data = {n.replace("transform", "data"): a for n, a in streams.data().items()}
    image = pictures(osc.Fourier(), start, 64, 64)
    sight = run(transform_graph(transforms, image.shape), {"image": image} | data)["seen"]
    assert sight.shape == (4, 3, 64, 64)
    # What noise takes out of [0, 1] goes into the network as it is: its mean is small.
    sight = np.clip(sight, 0, 1).transpose(0, 2, 3, 1)
    unit, _ = osc.Gradient(squeezenet, "fire5:11", provider="cpu")(sight)
    penalty, _ = osc.Gradient(squeezenet, osc.total_variation(), provider="cpu")(
        image.transpose(0, 2, 3, 1)
    )
    assert picture.values[0] == pytest.approx(unit.mean() - 0.001 * penalty[0], rel=1e-3)


@pytest.mark.slow  # many pictures
def test_pictures_with_views_do_not_depend_on_each_other(
    squeezenet: osc.Model, flower: np.ndarray
) -> None:
    given = {
        "size": 64,
        "steps": 3,
        "provider": "cpu",
        "transforms": [osc.views(3), osc.pad(4), osc.crop(0.5, 1), osc.jitter(4), osc.noise(0.1)],
    }
    for objective in (
        osc.channel("fire5", 11) - 0.001 * osc.total_variation(),
        [osc.channel("fire5", 11), osc.inversion("fire3", flower)],
    ):
        batch = 1 if isinstance(objective, list) else 2
        together = osc.render(squeezenet, objective, batch=batch, **given)
        first = objective[0] if isinstance(objective, list) else objective
        alone = osc.render(squeezenet, first, **given)
        np.testing.assert_array_equal(alone.images[0], together.images[0])
        again = osc.remake(together.recipe, squeezenet)
        np.testing.assert_array_equal(again.images, together.images)
    # In one graph, by a function of the user's.
    zero = osc.objective("fire2")(lambda a: a[:, 0].mean((1, 2)) * 0)
    joined = osc.render(squeezenet, osc.each(objective) + zero, batch=2, **given)
    assert joined.images.shape == together.images.shape
    np.testing.assert_allclose(joined.images[0], together.images[0], atol=1e-2)


@pytest.mark.slow
def test_a_network_of_one_size_sees_pictures_of_any(squeezenet: osc.Model) -> None:
    given = {"steps": 24, "provider": "cpu"}
    transforms = [osc.views(2), osc.crop(0.4, 0.5), osc.resize(64), osc.noise(0.02)]
    large = {"size": (100, 140), "transforms": transforms}
    picture = osc.render(squeezenet, "fire5:11", **large, **given)
    assert picture.images.shape == (1, 100, 140, 3)
    assert picture.values[-6:].mean() > picture.values[:6].mean() + 1
    corner = osc.neuron("fire5", 11, y=0, x=0)
    warned = osc.render(squeezenet, corner, **large, **given | {"steps": 1}).warnings
    assert any("border of 7×7 cells" in warning for warning in warned)
    with pytest.raises(InputError, match="too small for fire5"):
        osc.render(squeezenet, "fire5:11", size=100, transforms=[osc.resize(4)], **given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: osc.crop(0), "0 < smallest ≤ largest ≤ 1, not smallest=0"),
        (lambda: osc.crop(0.5, 0.2), "not smallest=0.5 and largest=0.2"),
        (lambda: Crop(0.5, 2), "largest=2"),
        (lambda: osc.resize(0), "the height of resize must be at least 1, not 0"),
        (lambda: osc.views(0), "the count of views must be at least 1, not 0"),
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_where_views_cannot_be(squeezenet: osc.Model) -> None:
    given = {"size": 48, "steps": 1, "provider": "cpu"}
    with pytest.raises(InputError, match="views must be the first of the transforms"):
        osc.render(squeezenet, "fire5:1", transforms=[osc.pad(3), osc.views(2)], **given)
    with pytest.raises(InputError, match="compares pictures, and cannot be a mean over views"):
        osc.render(squeezenet, -osc.diversity("fire5"), batch=2, transforms=[osc.views(2)], **given)


def test_a_size_that_no_memory_holds(squeezenet: osc.Model) -> None:
    with pytest.raises(InputError, match=r"1000000×1000000 pixels, as the transform Warp shows it"):
        osc.render(squeezenet, "fire5:11", size=64, steps=1, transforms=[osc.resize(1_000_000)])
