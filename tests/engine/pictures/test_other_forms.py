"""Pictures of networks that take no RGB: grey, four channels, sound, volumes, videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, NoPictureError
from onnxscope.forms import Form, checked_colors, checked_layout
from onnxscope.objectives.targets import resolve
from onnxscope.pictures.recipe import Recipe, read_recipe
from onnxscope.studies import methods
from other_forms import LAYOUTS, SAID, SHAPES, loaded, network
from PIL import Image

pytestmark = pytest.mark.usefixtures("kept_graphs")

STEPS = 24


@pytest.mark.parametrize("kind", SHAPES)
def test_what_an_input_is_taken_for(kind: str) -> None:
    if kind in SAID:
        with pytest.raises(NoPictureError, match="the layout that says so, 'NFT' or 'NHW'"):
            osc.load(network(kind))
    model = loaded(kind)
    layout, shape = LAYOUTS[kind], SHAPES[kind]
    assert model.form.layout == layout
    assert model.form.channels == (shape[layout.index("C")] if "C" in layout else 1)
    assert model.form.colors == ((0, 1, 2) if model.form.channels == 3 else None)
    assert model.layers["conv1"].shape[0] == 6


RATES = {
    osc.Fourier: 0.05,
    osc.Pixels: 0.05,
    osc.Laplacian: 0.05,
    osc.Shared: 0.05,
    osc.Maco: 0.2,
    osc.Cppn: 0.005,
}

# To a parameterization every other form is one of these: as many channels and slices, as wide.
DISTINCT = ("grey", "grey, wide", "four", "volume", "volume, last", "video")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "make", "rate"),
    [
        (kind, make, rate)
        for make, rate in RATES.items()
        for kind in SHAPES
        if make is osc.Fourier or kind in DISTINCT
    ],
)
def test_three_ascents_raise_the_value(kind: str, make: type, rate: float) -> None:
    model = loaded(kind)
    for seed in range(3):
        picture = osc.render(
            model,
            "conv2/conv:1",
            steps=STEPS,
            seed=seed,
            provider="cpu",
            parameterization=make(),
            optimizer=osc.Adam(rate),
        )
        assert picture.values[-4:].mean() > picture.values[:4].mean()
    form = model.form
    stack = (form.depth,) if form.stack else ()
    assert picture.images.shape == (1, *stack, *model.usual_size, form.channels)
    assert picture.images.min() >= 0
    assert picture.images.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grey, last", "four", "sound", "volume", "video, frames first"])
def test_together_as_alone(kind: str) -> None:
    model = loaded(kind)
    targets = ["conv2/conv:0", "conv2/conv:3", "scores:1"]
    together = osc.render(model, targets, steps=6, provider="cpu", same_start=True)
    for number, target in enumerate(targets):
        alone = osc.render(model, target, steps=6, provider="cpu")
        np.testing.assert_array_equal(together[number].images, alone.images)
    batch = osc.render(model, targets[0], steps=6, provider="cpu", batch=3, batch_size=3)
    apart = osc.render(model, targets[0], steps=6, provider="cpu", batch=3, batch_size=1)
    np.testing.assert_array_equal(batch.images, apart.images)


@pytest.mark.parametrize("kind", SHAPES)
def test_activations_of_what_was_made(kind: str) -> None:
    """What people have as arrays goes in as the ascent has it as planes."""
    model = loaded(kind)
    # By default as many steps leak as a quarter of them is, and those of the second half are
    # smaller.
    alike = {"provider": "cpu", "transforms": (), "leak_steps": 1, "optimizer": osc.Adam()}
    picture = osc.render(model, "scores:1", steps=5, **alike)
    again = osc.render(model, "scores:1", steps=6, **alike)
    found = model.activations(np.asarray(picture), "scores")["scores"]
    np.testing.assert_allclose(found[0, 1], again.values[5], rtol=1e-4, atol=1e-6)
    both = model.activations(np.concatenate([picture.images] * 2), "scores")["scores"]
    if model.fixed_batch is None:
        np.testing.assert_allclose(both, np.repeat(found, 2, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_network_gets_its_input_as_it_lies() -> None:
    import onnxruntime as ort

    rng = np.random.default_rng(0)
    for kind, shape in SHAPES.items():
        model = loaded(kind, input_range=(-1, 1), mean=0.25, std=2)
        proto = network(kind)
        session = ort.InferenceSession(
            proto.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        form = model.form
        stack = (form.depth,) if form.stack else ()
        array = rng.random((1, *stack, *model.usual_size, form.channels), np.float32)
        letters = ("N", *(form.stack.letter if form.stack else ""))
        letters += (*(axis.letter for axis in form.plane), "C")
        raw = array if "C" in form.layout else array[..., 0]
        given = raw.transpose([letters.index(letter) for letter in form.layout])
        feed = {session.get_inputs()[0].name: np.float32((given * 2 - 1 - 0.25) / 2)}
        expected = session.run(["scores"], feed)[0]
        found = model.activations(array, "scores")["scores"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert shape[form.layout.index("N")] in (1, "N")


def test_ranges_of_each_channel() -> None:
    ranges = [(0, 1), (-1, 1), (0, 255), (2, 4)]
    model = loaded("four", input_range=ranges, mean=[0, 0.5, 100, 3], std=[1, 2, 50, 1])
    given = np.full((16, 16, 4), 0.25, np.float32)
    expected = [0.25, (-0.5 - 0.5) / 2, (63.75 - 100) / 50, 2.5 - 3]
    plain = loaded("four")
    found = model.activations(given, "conv1/conv")["conv1/conv"]
    shifted = model.preprocessing.prepare(np.full((1, 4, 16, 16), 0.25))
    np.testing.assert_allclose(shifted[0, :, 0, 0], expected)
    assert not np.allclose(found, plain.activations(given, "conv1/conv")["conv1/conv"])
    recipe = osc.render(model, "conv2:0", steps=2, provider="cpu").recipe
    again = Recipe.from_text(recipe.to_text())
    assert again.model["preprocessing"]["input_range"] == [list(map(float, r)) for r in ranges]


@pytest.mark.parametrize("kind", ["grey", "four", "sound", "volume", "video"])
def test_saved_and_made_again(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(network(kind).SerializeToString())
    model = osc.load(str(path), input_range=(0, 1))
    picture = osc.render(model, "conv2/conv:2", steps=4, provider="cpu")
    file = picture.save(tmp_path / "unit.png")
    array = tmp_path / "unit.npy"
    assert array.exists() == (kind not in ("grey", "sound"))
    with Image.open(file) as image:
        assert image.mode == ("RGB" if kind == "video" else "L")
    files = [file]
    if array.exists():
        np.testing.assert_array_equal(np.load(array), np.asarray(picture))
        files.append(array)
    else:
        expected = np.uint8(np.clip(picture.images[0, ..., 0], 0, 1) * 255 + 0.5)
        np.testing.assert_array_equal(np.asarray(Image.open(file)), expected)
    for one in files:
        again = osc.remake(read_recipe(one))
        np.testing.assert_array_equal(again.images, picture.images)
        assert again.recipe.size == picture.recipe.size
    exact = picture.save(tmp_path / "exact.npy")
    np.testing.assert_array_equal(np.load(exact), np.asarray(picture))
    assert read_recipe(exact) == picture.recipe


@pytest.mark.slow
def test_animations_of_slices(tmp_path: Path) -> None:
    picture = osc.render(loaded("video"), "conv2:1", steps=2, provider="cpu")
    for name in ("frames.gif", "frames.webp"):
        with Image.open(picture.save(tmp_path / name)) as image:
            assert image.n_frames == 6
            assert image.size == (16, 16)
        assert (tmp_path / name).with_suffix(".npy").exists()
    with Image.open(picture.save_frames(tmp_path / "frames.png")) as image:
        assert image.n_frames == 6
    assert read_recipe(tmp_path / "frames.png") == picture.recipe
    with pytest.raises(InputError, match="without slices or frames"):
        osc.render(loaded("grey"), "conv2:1", steps=2, provider="cpu").save_frames("x.gif")


@pytest.mark.slow
def test_what_is_seen() -> None:
    four = osc.render(loaded("four"), "conv2:1", steps=2, provider="cpu")
    assert four.seen().shape == (1, 33, 33, 1)
    np.testing.assert_array_equal(four.seen()[0, :16, 17:, 0], four.images[0, ..., 1])
    false = four.showing(3, 2, 1)
    np.testing.assert_array_equal(false.seen(), four.images[..., [3, 2, 1]])
    assert false.recipe.show == (3, 2, 1)
    np.testing.assert_array_equal(four.showing(2).seen(), four.images[..., [2]])
    np.testing.assert_array_equal(false.showing().seen(), four.seen())
    colored = osc.render(loaded("four", colors=(2, 1, 0)), "conv2:1", steps=2, provider="cpu")
    assert colored.seen().shape == (1, 16, 33, 3)
    np.testing.assert_array_equal(colored.seen()[0, :, :16], colored.images[0][..., [2, 1, 0]])
    np.testing.assert_array_equal(colored.seen()[0, :, 17:, 1], colored.images[0, ..., 3])
    volume = osc.render(loaded("volume, last"), "conv2:1", steps=2, provider="cpu")
    assert volume.seen().shape == (1, 2 * 12 + 1, 8 * 13 - 1, 1)
    np.testing.assert_array_equal(volume.seen()[0, 13:, 26:38, 0], volume.images[0, 2, ..., 1])
    assert volume[0].form == volume.form
    assert four.grid().width > 33
    assert len(four._repr_png_()) > 100


def test_channels_that_are_no_colours_stay_apart() -> None:
    """Of colours one parameter moves three channels, of others one."""
    for colors, moved in (((0, 1, 2), {0, 1, 2}), ("none", {0}), ((3, 1, 0), {0, 1, 3})):
        form = Form("NCHW", 4, 1, checked_colors(colors, "NCHW", 4))
        for made in (osc.Pixels().formed(form), osc.Fourier().formed(form)):
            zero = {n: np.zeros(t.shape, np.float32) for n, t in made.parameters(1, 8, 8).items()}
            changed = {name: array.copy() for name, array in zero.items()}
            next(iter(changed.values()))[0, 0] = 1
            before, after = (pictured(made, p) for p in (zero, changed))
            channels = set(np.flatnonzero(np.abs(after - before).max((0, 2, 3)) > 1e-6))
            assert channels == moved


def pictured(made: object, parameters: dict[str, np.ndarray]) -> np.ndarray:
    from parts import picture

    return picture(made, parameters, 8, 8)


@pytest.mark.slow
def test_fixed_channels_stay(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    near = rng.random((16, 16), np.float32)
    np.save(tmp_path / "near.npy", near)
    Image.fromarray(np.uint8(near * 255)).save(tmp_path / "near.png")
    model = loaded("four")
    free = osc.render(model, "conv2/conv:1", steps=6, provider="cpu")
    for given in (near, tmp_path / "near.npy"):
        picture = osc.render(model, "conv2/conv:1", steps=6, provider="cpu", fix={3: given})
        np.testing.assert_array_equal(picture.images[0, ..., 3], near)
        assert np.abs(picture.images[..., :3] - free.images[..., :3]).max() > 1e-3
        again = osc.remake(picture.recipe, model)
        np.testing.assert_array_equal(again.images, picture.images)
    picture = osc.render(
        model, "conv2/conv:1", steps=2, provider="cpu", fix={3: str(tmp_path / "near.png"), 0: 0.5}
    )
    np.testing.assert_allclose(picture.images[0, ..., 3], near, atol=1 / 255)
    np.testing.assert_array_equal(picture.images[0, ..., 0], np.full((16, 16), 0.5, np.float32))
    video = loaded("video")
    frames = rng.random((6, 16, 16), np.float32)
    picture = osc.render(video, "conv2:1", steps=2, provider="cpu", fix={1: frames})
    np.testing.assert_array_equal(picture.images[0, ..., 1], frames)


@pytest.mark.slow
def test_neurons_of_volumes() -> None:
    model = loaded("volume")
    picture = osc.render(model, "conv2/conv:1", steps=2, provider="cpu", transforms=())
    cells = model.activations(np.asarray(picture), "conv2/conv")["conv2/conv"][0, 1]
    assert cells.shape == (4, 6, 6)
    settings = {"steps": 3, "provider": "cpu", "transforms": (), "leak_steps": 1}
    for target, cell in (
        (osc.neuron("conv2/conv", 1), (2, 3, 3)),
        ("conv2/conv:1@1,2,3", (1, 2, 3)),
        ("conv2/conv:1@4,5", (2, 4, 5)),
        (resolve(model, "conv2/conv:1", objective="neuron", z=0), (0, 3, 3)),
    ):
        found = osc.render(model, target, **settings)
        shown = osc.render(model, target, **(settings | {"steps": 2}))
        values = model.activations(np.asarray(shown), "conv2/conv")["conv2/conv"]
        np.testing.assert_allclose(values[0, 1][cell], found.values[2], rtol=1e-4, atol=1e-5)
        again = osc.remake(found.recipe, model)
        np.testing.assert_array_equal(again.images, found.images)
    assert "z" not in osc.neuron("conv2", 1, y=1).to_json()
    picture = osc.render(loaded("grey"), "conv2/conv:1@1,4", **settings)
    assert picture.recipe.objective == osc.neuron("conv2/conv", 1, y=1, x=4).to_json()


@pytest.mark.slow
def test_sizes() -> None:
    model = loaded("volume")
    with pytest.raises(
        InputError, match="takes grey volumes, 8 slices × 12 rows × 12 columns only"
    ):
        osc.render(model, "conv2:1", steps=2, size=(4, 12, 12))
    with pytest.raises(InputError, match="8 slices × 12 rows × 12 columns only"):
        osc.render(model, "conv2:1", steps=2, size=16)
    proto = network("video")
    for at in (2, 3, 4):
        proto.graph.input[0].type.tensor_type.shape.dim[at].dim_param = f"d{at}"
    model = osc.load(proto, input_range=(0, 1))
    assert (model.form.depth, model.usual_size) == (16, (112, 112))
    picture = osc.render(model, "conv2/conv:1", steps=2, size=(5, 12, 14), provider="cpu")
    assert picture.images.shape == (1, 5, 12, 14, 3)
    assert picture.recipe.size == (5, 12, 14)
    again = osc.remake(picture.recipe, model)
    np.testing.assert_array_equal(again.images, picture.images)
    assert osc.render(model, "conv2:1", steps=1, size=12).images.shape == (1, 16, 12, 12, 3)


def test_a_photo_in_colour_is_grey_to_a_grey_network() -> None:
    model = loaded("grey")
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    grey = np.asarray(Image.fromarray(photo).convert("L"))
    given: dict[str, Any] = {"steps": 3, "provider": "cpu", "transforms": ()}
    one, other = (
        osc.render(model, osc.inversion("conv2", p), parameterization=osc.start(p), **given)
        for p in (photo, grey)
    )
    np.testing.assert_array_equal(one.images, other.images)


@pytest.mark.parametrize("kind", ["grey", "four", "volume, last"])
def test_gradients_of_arrays(kind: str) -> None:
    model = loaded(kind)
    form, rng = model.form, np.random.default_rng(0)
    stack = (form.depth,) if form.stack else ()
    array = rng.random((*stack, *model.usual_size, form.channels), np.float32)
    gradient = osc.Gradient(model, "scores:1", provider="cpu")
    _, found = gradient(array)
    assert found.shape == array.shape
    inner = array * 0.8 + 0.1
    _, slope = gradient(inner)
    # Along the gradient itself, in steps that pass few kinks.
    direction = slope / np.linalg.norm(slope) * np.float32(0.02)
    ends = [gradient(inner + sign * direction)[0][0] for sign in (1, -1)]
    assert (ends[0] - ends[1]) / 2 == pytest.approx(float((slope * direction).sum()), rel=0.03)
    assert osc.verify(model, "scores:1", provider="cpu", directions=1).agrees


@pytest.mark.parametrize("kind", ["grey", "four", "sound"])
@pytest.mark.parametrize(
    "method",
    ["grad_cam", "integrated_gradients", "saliency", methods.Occlusion(window=4, stride=2)],
)
def test_explained_without_rgb(kind: str, method: Any, tmp_path: Path) -> None:
    model = loaded(kind)
    array = np.random.default_rng(0).random((*model.usual_size, model.form.channels), np.float32)
    np.save(tmp_path / "picture.npy", array)
    found = osc.explain(model, array, "scores:1", method)
    assert found.maps.shape == (1, *model.usual_size)
    assert found.photos.shape == (1, *model.usual_size, 3)
    assert found.maps.any() or method == "grad_cam"
    value = model.activations(array, "scores")["scores"][0, 1]
    np.testing.assert_allclose(found.values[0], value, rtol=1e-4, atol=1e-5)
    again = osc.explain(model, tmp_path / "picture.npy", "scores:1", method)
    np.testing.assert_allclose(again.maps, found.maps, rtol=1e-5, atol=1e-6)
    if method == "integrated_gradients":
        assert abs(found.completeness[0]) < 0.1 * max(abs(value), 0.1)


def test_files_of_other_forms(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = np.uint8(rng.integers(0, 256, (12, 12)))
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.uint16(grey) * 257).save(tmp_path / "deep.png")
    Image.fromarray(np.repeat(grey[..., None], 3, -1)).save(tmp_path / "colour.png")
    Image.fromarray(np.repeat(np.repeat(grey, 2, 0), 2, 1)).save(tmp_path / "large.png")
    np.save(tmp_path / "grey.npy", grey)
    model = loaded("grey")
    expected = model.activations(grey, "conv1")["conv1"]
    for name in ("grey.png", "deep.png", "colour.png", "grey.npy"):
        found = model.activations(tmp_path / name, "conv1")["conv1"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert model.activations(tmp_path / "large.png", "conv1")["conv1"].shape == expected.shape
    slices = rng.integers(0, 256, (8, 12, 12)).astype(np.uint8)
    pages = [Image.fromarray(page) for page in slices]
    pages[0].save(tmp_path / "volume.tif", save_all=True, append_images=pages[1:])
    volume = loaded("volume")
    np.testing.assert_array_equal(
        volume.activations(tmp_path / "volume.tif", "conv1")["conv1"],
        volume.activations(slices, "conv1")["conv1"],
    )


@pytest.mark.parametrize("layout", ["NCHW", "NTCHW", "NCFT", "NFT", "NHW", "NDHWC", "NCHWD", "NTF"])
def test_layouts(layout: str) -> None:
    assert checked_layout(layout) == layout


def test_arrays_and_batches_are_each_others_inverse() -> None:
    rng = np.random.default_rng(0)
    for form in (Form("NCDHW", 2, 5, None), Form("NHWC", 4, 1, None), Form("NFT", 1, 1, None)):
        batch = rng.random((3, form.planes, 4, 6), np.float32)
        arrays = form.as_arrays(batch)
        np.testing.assert_array_equal(form.as_batch(arrays), batch)
    volume = Form("NCDHW", 2, 5, None)
    batch = rng.random((3, 10, 4, 6), np.float32)
    np.testing.assert_array_equal(volume.as_arrays(batch)[1, 3, ..., 1], batch[1, 5 + 3])
