"""`render`: the public way from a model and an objective to a picture."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, OutputError, ProviderError, TargetError
from onnxscope.objectives.registry import from_json
from PIL import Image

pytestmark = pytest.mark.usefixtures("kept_graphs")

QUICK = {"size": 64, "steps": 6, "provider": "cpu"}


@pytest.mark.slow
def test_same_seed_same_picture_bit_for_bit(squeezenet: osc.Model) -> None:
    first, again = (osc.render(squeezenet, "fire5:3", seed=4, **QUICK) for _ in range(2))
    other = osc.render(squeezenet, "fire5:3", seed=5, **QUICK)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.values, again.values)
    assert np.abs(first.images - other.images).max() > 0.01


@pytest.mark.slow
def test_a_picture_is_made_again_from_its_png(squeezenet: osc.Model, tmp_path: Path) -> None:
    objective = osc.channel("fire5", 3) - 0.5 * osc.neuron("fire4", 7, y=2, x=3)
    picture = osc.render(
        squeezenet,
        objective,
        parameterization=osc.Pixels(sd=0.2),
        transforms=[osc.pad(4, color=0.3), osc.jitter(6), osc.rotate([-3, 3])],
        optimizer=osc.Adam(0.02),
        batch=2,
        seed=9,
        **QUICK,
    )
    saved = picture.save(tmp_path / "picture.png")
    recipe = osc.read_recipe(saved)
    assert recipe == picture.recipe
    again = osc.remake(recipe)
    np.testing.assert_array_equal(again.images, picture.images)
    assert recipe.versions["onnxscope"] == osc.__version__
    assert json.loads(recipe.to_text())["model"]["name"] == "squeezenet"


def test_a_recipe_for_another_model_is_refused(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, "fire2:1", **QUICK)
    recipe = osc.Recipe(**{**vars(picture.recipe), "model": {"name": "x", "sha256": "0" * 64}})
    with pytest.raises(InputError, match="is not the model of the recipe"):
        osc.remake(recipe, squeezenet)


def test_a_recipe_knows_its_weights_in_another_conversion(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, "fire2:1", **QUICK)
    elsewhere = {**picture.recipe.model, "sha256": "0" * 64}
    recipe = osc.Recipe(**{**vars(picture.recipe), "model": elsewhere})
    np.testing.assert_array_equal(osc.remake(recipe, squeezenet).images, picture.images)


@pytest.mark.slow
def test_steps_raise_the_objective(squeezenet: osc.Model) -> None:
    still = {**QUICK, "transforms": (), "steps": 4}
    for parameterization in (osc.Fourier(), osc.Pixels(), osc.Pixels(decorrelate=False)):
        for objective in (
            osc.channel("fire4", 9),
            osc.channel("fire4", 9, reduction="sum"),
            osc.layer("fire3"),
            osc.channel("logits", 985),
        ):
            values = osc.render(
                squeezenet, objective, parameterization=parameterization, **still
            ).values
            assert values[3] > values[0], (parameterization, str(objective))


@pytest.mark.slow
def test_pictures_of_a_batch_are_each_their_own(squeezenet: osc.Model) -> None:
    pictures = osc.render(squeezenet, "fire5:3", batch=3, **QUICK)
    assert pictures.images.shape == (3, 64, 64, 3)
    assert pictures.values.shape == (6, 3)
    assert np.abs(pictures.images[0] - pictures.images[1]).max() > 0.01
    assert pictures.images.min() >= 0
    assert pictures.images.max() <= 1


@pytest.mark.slow
def test_a_list_of_objectives_makes_a_picture_for_each(squeezenet: osc.Model) -> None:
    targets = ["fire5:3", osc.neuron("fire4", 9), "fire5:77", -osc.channel("fire2", 1)]
    pictures = osc.render(squeezenet, targets, **QUICK)
    assert pictures.images.shape == (4, 64, 64, 3)
    images = np.random.default_rng(0).random((4, 64, 64, 3), np.float32)
    objective = from_json(pictures.recipe.objective)
    values, gradients = osc.Gradient(squeezenet, objective, provider="cpu")(images)
    for index, target in enumerate(targets):
        value, gradient = osc.Gradient(squeezenet, target, provider="cpu")(images[index])
        assert values[index] == pytest.approx(value[0], rel=1e-5)
        np.testing.assert_allclose(
            gradients[index], gradient, atol=1e-5 * np.abs(gradient).max(), rtol=1e-4
        )
    np.testing.assert_array_equal(osc.remake(pictures.recipe, squeezenet).images, pictures.images)
    with pytest.raises(InputError, match="4 objectives make 4 pictures"):
        osc.render(squeezenet, targets, batch=3, **QUICK)


def test_many_units_of_a_layer_compute_their_channels_only(squeezenet: osc.Model) -> None:
    targets = osc.each([osc.channel("conv10", unit) for unit in (5, 900, 33)])
    graph = osc.Gradient(squeezenet, targets).to_onnx(size=64, batch=3)
    rows = [
        tensor.dims[0]
        for node in graph.graph.node
        for tensor in graph.graph.initializer
        if node.op_type == "Conv" and tensor.name == node.input[1] and tensor.dims[1] == 512
    ]
    # The squeeze of fire9 reads 512 channels as well, and conv10 only the three that are asked for.
    assert sorted(rows) == [1, 1, 1, 64]


def test_callback_sees_every_step_and_stops(squeezenet: osc.Model) -> None:
    seen = []

    def callback(progress: osc.Progress) -> bool:
        seen.append((progress.step, progress.value, progress.image().shape))
        return progress.step < 3

    picture = osc.render(squeezenet, "fire5:3", callback=callback, **QUICK)
    assert [step for step, _, _ in seen] == [1, 2, 3]
    assert all(shape == (1, 64, 64, 3) for _, _, shape in seen)
    assert [value for _, value, _ in seen] == list(picture.values)
    assert picture.recipe.steps == 3


def test_ctrl_c_keeps_what_there_is(squeezenet: osc.Model, ctrl_c_is_heard: None) -> None:
    def callback(progress: osc.Progress) -> None:
        if progress.step == 4:
            threading.Timer(0, os.kill, (os.getpid(), signal.SIGINT)).start()

    picture = osc.render(
        squeezenet, "fire5:3", size=64, steps=100_000, provider="cpu", callback=callback
    )
    assert picture.interrupted
    assert 4 <= len(picture.values) < 100_000
    # What there is has a recipe too, with the steps that were done.
    again = osc.remake(picture.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


@pytest.mark.slow
def test_snapshots_strip_and_animation(squeezenet: osc.Model, tmp_path: Path) -> None:
    picture = osc.render(squeezenet, "fire5:3", snapshots=(1, 3, 6), **QUICK)
    assert sorted(picture.snapshots) == [1, 3, 6]
    np.testing.assert_array_equal(picture.snapshots[6], picture.images)
    strip = Image.open(picture.save_strip(tmp_path / "strip.png"))
    assert strip.size == (3 * 64 + 2 * 2, 64)
    with Image.open(picture.save_animation(tmp_path / "rise.gif")) as animation:
        assert animation.n_frames == 3
    with pytest.raises(InputError, match="no snapshots"):
        osc.render(squeezenet, "fire5:3", **QUICK).save_strip(tmp_path / "none.png")


def test_saving_is_whole_or_not_at_all(
    squeezenet: osc.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = osc.render(squeezenet, "fire5:3", **QUICK)
    with pytest.raises(OutputError, match="suffix names no picture format"):
        picture.save(tmp_path / "picture.text")
    with pytest.raises(OutputError, match="cannot write"):
        picture.save(tmp_path / "missing" / "picture.png")
    old = picture.save(tmp_path / "picture.png").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        picture.save(tmp_path / "picture.png")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
    assert (tmp_path / "picture.png").read_bytes() == old


def test_notebooks_get_a_png(squeezenet: osc.Model) -> None:
    data = osc.render(squeezenet, "fire5:3", **QUICK)._repr_png_()
    assert data.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"objective": "fire55:3"}, LayerError, "'fire5'"),
        ({"objective": "fire5:256"}, LayerError, "256 channels, 0 to 255"),
        ({"objective": ":3"}, TargetError, "LAYER:UNIT"),
        ({"objective": osc.neuron("fire5", 3, y=99, x=0)}, LayerError, "no cell y=99"),
        ({"objective": osc.neuron("logits", 3, y=1, x=0)}, LayerError, "no positions"),
        ({"size": 8}, InputError, "smallest is"),
        ({"steps": 0}, InputError, "steps must be at least 1"),
        ({"batch": 0}, InputError, "batch must be at least 1"),
        ({"provider": "cudda"}, ProviderError, "has no provider 'cudda'"),
        ({"transforms": [osc.jitter(4)]}, InputError, r"pad\(2\) keeps its size"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    squeezenet: osc.Model, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    given = {"objective": "fire5:3", **QUICK, **arguments}
    with pytest.raises(error, match=message) as caught:
        osc.render(squeezenet, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_smallest_picture_works_and_the_next_smaller_does_not(squeezenet: osc.Model) -> None:
    least = squeezenet.smallest_size(["fire9"])
    osc.render(squeezenet, "fire9:3", size=least, steps=1, provider="cpu")
    with pytest.raises(InputError, match=f"smallest is {least}×{least}"):
        osc.render(squeezenet, "fire9:3", size=least - 1, steps=1, provider="cpu")


def test_auto_says_why_not_cuda(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, "fire2:1", size=64, steps=1)
    assert picture.provider.name == "cuda" or picture.provider.reason
    if picture.provider.name == "cpu":
        with pytest.raises(ProviderError, match="cuda"):
            osc.render(squeezenet, "fire2:1", size=64, steps=1, provider="cuda")


@pytest.mark.parametrize(
    ("section", "damaged", "message"),
    [
        ("parameterization", {"fourier": {"sd": "x"}}, "sd must be a number, not 'x'"),
        ("optimizer", {"adam": {"momentum": 1}}, "no 'momentum'"),
        ("objective", {"channel": ["fire5"]}, "must hold a list of layer, unit"),
        ("transforms", [{"shear": [1]}], "transform .* is unknown; this version has .*pad"),
        ("transforms", [{"rotate": ["x"]}], "transform .* is damaged"),
        ("transforms", 3, "transforms 3 are no list"),
    ],
)
def test_a_damaged_recipe_says_where(
    squeezenet: osc.Model, section: str, damaged: object, message: str
) -> None:
    recipe = osc.render(squeezenet, "fire2:1", size=32, steps=1, provider="cpu").recipe
    with pytest.raises(osc.OnnxscopeError, match=message):
        osc.remake(osc.Recipe(**{**vars(recipe), section: damaged}), squeezenet)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": float("inf")}, "must be finite, not inf"),
        ({"steps": "x"}, "steps must be a whole number, not 'x'"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"size": [64]}, r"size must be height and width, not \[64\]"),
        ({"size": [64, 64.5]}, "size must be a whole number, not 64.5"),
        ({"optimizer": {"adam": {"learning_rate": float("nan")}}}, "must be finite, not nan"),
        ({"surprise": 1}, "a recipe has no 'surprise'"),
        (
            {"model": {"name": "a", "sha256": "b", "preprocessing": {"foo": 1}}},
            r"preprocessing \{'foo': 1\} is unknown",
        ),
        (
            {"model": {"name": "a", "sha256": "b", "preprocessing": {"mean": ["x"]}}},
            "number of its mean must be a number, not 'x'",
        ),
    ],
)
def test_a_damaged_recipe_is_not_read(
    squeezenet: osc.Model, change: dict[str, object], message: str
) -> None:
    recipe = osc.render(squeezenet, "fire2:1", size=32, steps=1, provider="cpu").recipe
    text = json.dumps(json.loads(recipe.to_text()) | change)
    with pytest.raises(InputError, match=f"the recipe is damaged: .*{message}"):
        osc.Recipe.from_text(text)
    # A number that only becomes infinite when it is read.
    rate = str(recipe.optimizer["adam"]["learning_rate"])
    with pytest.raises(InputError, match="must be finite"):
        osc.Recipe.from_text(recipe.to_text().replace(rate, "1e999"))


def test_pictures_compare_by_identity(squeezenet: osc.Model) -> None:
    first, again = (osc.render(squeezenet, "fire2:1", **QUICK) for _ in range(2))
    assert first != again
    assert len({first, again, first}) == 2
