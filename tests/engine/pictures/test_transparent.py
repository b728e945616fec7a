"""Transparent pictures: what a unit needs of a picture, in front of anything."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OutputError, TargetError
from onnxscope.forms import Form
from onnxscope.pictures.display import on_checkerboard, opaque
from onnxscope.pictures.recipe import read_recipe
from onnxscope.pictures.series import render_each
from other_forms import loaded
from parts import seen
from PIL import Image

pytestmark = pytest.mark.usefixtures("kept_graphs")

QUICK: dict[str, Any] = {"size": 64, "steps": 4, "provider": "cpu"}
CLEAR = {"parameterization": osc.transparent()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_what_the_unit_needs_stays(squeezenet: osc.Model, seed: int) -> None:
    made = osc.render(squeezenet, "fire8:5", size=96, steps=96, seed=seed, provider="cpu", **CLEAR)
    opacity = made.images[0, ..., 3]
    assert 0.02 < opacity.mean() < 0.4
    assert (opacity > 0.9).any()
    assert (opacity < 0.1).mean() > 0.4
    assert made.values[-8:].mean() > 5 * made.values[:8].mean()
    # It is the opaque part that the unit likes, in front of black as in front of white.
    colors, there = made.images[0, ..., :3], opacity[..., None]
    start = squeezenet.activations(np.full((96, 96, 3), 0.5), "fire8")["fire8"][0, 5].mean()
    for behind in (0.0, 1.0):
        image = colors * there + behind * (1 - there)
        assert squeezenet.activations(image, "fire8")["fire8"][0, 5].mean() > 3 * start


@pytest.mark.slow
@pytest.mark.parametrize(
    "of",
    [
        osc.transparent(),
        osc.transparent(osc.Maco(), osc.Pixels()),
        osc.transparent(osc.start(np.random.default_rng(0).random((40, 50, 3))), osc.Laplacian()),
    ],
)
def test_one_is_the_same_among_others_and_again(
    squeezenet: osc.Model, tmp_path: Path, of: osc.Transparent
) -> None:
    several = osc.render(squeezenet, "fire5:11", batch=3, parameterization=of, **QUICK)
    alone = osc.render(squeezenet, "fire5:11", parameterization=of, **QUICK)
    assert several.images.shape == (3, 64, 64, 4)
    np.testing.assert_array_equal(several.images[0], alone.images[0])
    again = osc.remake(read_recipe(alone.save(tmp_path / "one.png")), squeezenet)
    np.testing.assert_array_equal(again.images, alone.images)
    assert again.recipe == alone.recipe


@pytest.mark.slow
def test_many_units_each_as_alone(squeezenet: osc.Model) -> None:
    wanted = [osc.channel("fire5", unit) for unit in (3, 11)]
    settings: Any = {**QUICK, **CLEAR}
    for made, objective in zip(render_each(squeezenet, wanted, **settings), wanted, strict=True):
        alone = osc.render(squeezenet, objective, **settings)
        assert made.picture is not None
        np.testing.assert_array_equal(made.picture.images, alone.images)
        assert made.picture.recipe == alone.recipe


@pytest.mark.slow
def test_on_the_host_as_in_the_graph(squeezenet: osc.Model) -> None:
    class Host:
        """Adam, of which the engine knows no graph."""

        def __init__(self) -> None:
            self.adam = osc.Adam()

        def reset(self) -> None:
            self.adam.reset()

        def update(self, parameters: Any, gradients: Any) -> None:
            self.adam.update(parameters, gradients)

    there, here = (
        osc.render(squeezenet, "fire5:11", optimizer=optimizer, **CLEAR, **QUICK)
        for optimizer in (osc.Adam(), Host())
    )
    np.testing.assert_allclose(here.images, there.images, atol=2e-3)


@pytest.mark.slow
def test_what_is_climbed_stands_in_the_recipe(squeezenet: osc.Model) -> None:
    made = osc.render(squeezenet, "fire5:11", **CLEAR, **QUICK)
    assert made.captions == ("channel fire5:11 × (1 − opacity)",)
    assert made.recipe.transforms[0] == {"backdrop": {"sd": 1.0, "decay": 1.5}}
    # What is said of the opacity is taken as it is.
    own = osc.channel("fire5", 11) - 3 * osc.opacity()
    steps = [osc.views(2), osc.backdrop(0.5), osc.noise(0)]
    kept = osc.render(squeezenet, own, transforms=steps, **CLEAR, **QUICK)
    assert kept.captions == ("channel fire5:11 − 3 × opacity",)
    assert [next(iter(step)) for step in kept.recipe.transforms] == ["views", "backdrop", "noise"]


def test_it_is_written_with_its_opacity(squeezenet: osc.Model, tmp_path: Path) -> None:
    made = osc.render(squeezenet, "fire5:11", **CLEAR, **QUICK)
    for name in ("one.png", "one.webp"):
        with Image.open(made.save(tmp_path / name)) as image:
            assert image.mode == "RGBA"
            if name == "one.png":
                expected = np.round(made.images[0] * 255)
                assert np.abs(np.asarray(image).astype(int) - expected).max() <= 1
                shown = np.asarray(opaque(image)) / 255
                assert np.abs(shown - made.seen()[0]).max() < 0.02
    with pytest.raises(OutputError, match=r"takes no RGBA pictures here .*; use \.png or \.webp"):
        made.save(tmp_path / "one.jpg")
    with pytest.raises(InputError, match=r"an opacity of its own, .* leave alpha out"):
        made.save(tmp_path / "two.png", alpha=True)
    assert made.importance is not None
    assert made.importance.shape == (1, 64, 64)
    assert made.held
    # A notebook and a sheet show it in front of squares.
    for shown_one in (Image.open(io.BytesIO(made._repr_png_())), made.sheet(), made.grid()):
        assert shown_one.mode == "RGB"
    assert made.seen().shape == (1, 64, 64, 3)
    assert made.showing(3).seen().shape == (1, 64, 64, 1)


def test_a_checkerboard() -> None:
    clear = on_checkerboard(np.zeros((1, 20, 20, 4), np.float32))[0]
    assert clear[0, 0, 0] != clear[0, 8, 0] == clear[8, 0, 0]
    solid = np.random.default_rng(0).random((2, 5, 7, 2), np.float32)
    solid[..., 1] = 1
    np.testing.assert_allclose(on_checkerboard(solid), solid[..., :1], atol=1e-6)


@pytest.mark.slow
def test_a_neuron_is_cut_out_and_framed(squeezenet: osc.Model) -> None:
    made = osc.render(squeezenet, osc.neuron("fire3", 7), **CLEAR, **QUICK)
    cropped = made.cropped(enlarge=2)
    opaque_one = osc.render(squeezenet, osc.neuron("fire3", 7), **QUICK).cropped(enlarge=2)
    assert cropped.images.shape == (*opaque_one.images.shape[:3], 4)
    framed = made.marked().images[0, ..., 3]
    assert framed.max() == 1
    assert (framed == 1).sum() > 20


def test_of_a_grey_network() -> None:
    model = loaded("grey")
    made = osc.render(model, "conv2/conv:1", steps=8, provider="cpu", **CLEAR)
    assert made.images.shape[-1] == 2
    assert made.sheet().mode == "L"
    with pytest.raises(InputError, match="grey and RGB pictures can be transparent"):
        osc.render(loaded("four"), "conv2/conv:1", steps=1, **CLEAR)


@pytest.mark.slow
def test_penalties_see_it_in_front_of_grey(squeezenet: osc.Model) -> None:
    given = {**QUICK, "steps": 1, "transforms": ()}
    # The first value is that of the start: near grey, half opaque.
    value = osc.render(squeezenet, osc.opacity() + 0 * osc.layer("fire2"), **CLEAR, **given)
    assert value.values[0] == pytest.approx(0.5, abs=0.02)
    start = osc.start(np.ones((8, 8, 3)), osc.Pixels())
    bright = osc.l1() + 0 * osc.opacity() + 0 * osc.layer("fire2")
    found = osc.render(squeezenet, bright, parameterization=osc.transparent(start), **given)
    # |white − grey| is a half, of which half is to be seen.
    assert found.values[0] / (64 * 64 * 3) == pytest.approx(0.25, abs=0.01)


def test_backdrops_are_smooth_and_differ() -> None:
    step = osc.backdrop()
    data = step.draw(np.random.default_rng(0), 60, 48, 40)
    clear = np.zeros((60, 4, 48, 40), np.float32)
    behind = seen([step], clear)
    assert behind.shape == (60, 3, 48, 40)
    assert data["waves"].shape == (60, 3, 8, 8)
    # They reach from dark to light, and neighbours are alike.
    assert behind.std() > 0.1
    assert np.abs(np.diff(behind, axis=2)).mean() < 0.1 * behind.std()
    assert np.abs(behind[0] - behind[1]).mean() > 0.05
    solid = np.random.default_rng(1).random((60, 4, 48, 40), np.float32)
    solid[:, 3] = 1
    np.testing.assert_allclose(seen([step], solid), solid[:, :3], atol=1e-6)
    grey = osc.backdrop().formed(Form("NHW", 1, 1, None))
    assert grey.draw(np.random.default_rng(0), 2, 9, 9)["waves"].shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda m: osc.transparent(3), InputError, r"such as Fourier\(\), not 3"),
        (lambda m: osc.transparent(osc.transparent()), InputError, "goes around all others"),
        (lambda m: osc.within(np.ones((2, 2, 3)), [[1]], osc.transparent()), InputError, "around"),
        (lambda m: osc.start(np.ones((2, 2, 3)), osc.transparent()), InputError, "the start of"),
        (lambda m: osc.transparent(opacity=osc.Maco()), InputError, "opacity .* is made by Four"),
        (lambda m: osc.backdrop(-1), InputError, "the sd of a backdrop must be at least 0"),
        (
            lambda m: osc.render(m, "fire5:11", transforms=[osc.backdrop()], **QUICK),
            InputError,
            "give parameterization=transparent",
        ),
        (
            lambda m: osc.render(
                m, "fire5:11", transforms=[osc.noise(0), osc.backdrop()], **CLEAR, **QUICK
            ),
            InputError,
            "before all other transforms but views",
        ),
        (
            lambda m: osc.render(m, osc.channel("fire5", 11) - osc.opacity(), **QUICK),
            TargetError,
            "opacity is of transparent pictures",
        ),
    ],
)
def test_what_is_refused(
    squeezenet: osc.Model,
    make: Callable[[osc.Model], object],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        make(squeezenet)
    assert "\n" not in str(caught.value)
