"""Parameterizations and transforms of pictures that are not RGB, against NumPy and differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.forms import Form
from onnxscope.gradient.objective import append_gradient
from onnxscope.gradient.passes import GradientPlan
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.parameterizations.colors import colors_of
from onnxscope.parameterizations.fourier import inverse_fft_of_slices, inverse_real_fft
from onnxscope.rules.standard import standard_rules
from onnxscope.transforms.presets import fitting, lucid
from parts import picture

VOLUME = Form("NCDHW", 2, 5, None)
FORMS = {
    "grey": Form("NCHW", 1, 1, None),
    "four": Form("NCHW", 4, 1, (2, 1, 0)),
    "volume": VOLUME,
    "video": Form("NTCHW", 3, 4, (0, 1, 2)),
}


@pytest.mark.parametrize("depth", [1, 4, 5])
@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 7)])
def test_the_inverse_transform_is_that_of_numpy(depth: int, height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    shape = (2, 3, depth, height, width // 2 + 1)
    spectrum = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    given = np.concatenate([spectrum.real, spectrum.imag], -1).astype(np.float32)
    builder = Builder("inverse")
    tensor = builder.input("spectrum", given.shape, np.float32)
    builder.output("image", inverse_real_fft(inverse_fft_of_slices(tensor), height, width))
    found = run(builder, spectrum=given)["image"]
    expected = np.fft.irfftn(spectrum, (depth, height, width), axes=(-3, -2, -1))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def run(builder: Builder, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    proto = model_of(builder)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("kind", [osc.Fourier, osc.Pixels, osc.Laplacian])
def test_parameters_of_a_picture_make_it(form: Form, kind: type) -> None:
    made = kind().formed(form)
    given = np.random.default_rng(0).uniform(0.1, 0.9, (2, form.planes, 6, 7)).astype(np.float32)
    again = picture(made, made.parameters_of(given), 6, 7)
    np.testing.assert_allclose(again, given, atol=1e-5)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "kind",
    [
        osc.Fourier(),
        osc.Pixels(),
        osc.Laplacian(),
        osc.fixed({0: 0.3}, osc.Pixels()),
        osc.Shared(osc.Pixels(), 3),
        osc.Cppn(6, 3),
        osc.Maco(),
    ],
)
def test_gradients_against_differences(form: Form, kind: object) -> None:
    if form.channels == 1 and hasattr(kind, "channels"):
        pytest.skip("nothing is left to make")
    made = kind.formed(form)
    rng = np.random.default_rng(0)
    types = made.parameters(1, 6, 7)
    given = {n: rng.standard_normal(t.shape).astype(np.float32) * 0.1 for n, t in types.items()}
    weights = rng.standard_normal((1, form.planes, 6, 7)).astype(np.float32)
    moved = [osc.jitter_depth(1).formed(form)] if form.stack else []
    moved.append(osc.recolor(0.1, 0.1).formed(form))
    builder = Builder("gradient")
    parameters = {n: builder.input(n, t.shape, np.float32) for n, t in types.items()}
    image, feeds = made.image(parameters, 6, 7), dict(given)
    for number, transform in enumerate(moved):
        data = transform.draw(np.random.default_rng(1), 1, 6, 7)
        assert {n: a.shape for n, a in data.items()} == {
            n: t.shape for n, t in transform.inputs(1, 6, 7).items()
        }
        named = {f"{number}.{n}": a for n, a in data.items()}
        feeds |= named
        inputs = {n: builder.input(f"{number}.{n}", a.shape, np.float32) for n, a in data.items()}
        image = transform.apply(image, inputs)
    value = (image * weights).sum([1, 2, 3])
    plan = GradientPlan(rules=standard_rules())
    gradients = append_gradient(builder, value, list(parameters.values()), plan)
    for name, gradient in zip(parameters, gradients, strict=True):
        builder.output(f"grad_{name}", gradient)
    proto = model_of(builder).SerializeToString()
    session = ort.InferenceSession(proto, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, feeds), strict=True))
    for name, array in given.items():
        direction = rng.standard_normal(array.shape).astype(np.float32)
        values = []
        for sign in (1, -1):
            shifted = feeds | {name: array + np.float32(sign * 1e-2) * direction}
            values.append(session.run(["value"], shifted)[0].item())
        slope = (values[0] - values[1]) / 2e-2
        expected = float((found[f"grad_{name}"] * direction).sum())
        assert slope == pytest.approx(expected, rel=2e-2, abs=2e-3)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 7), (6, 7), (1, 4)])
def test_magnitudes_are_those_that_are_given(form: Form, height: int, width: int) -> None:
    """The spectrum of all three dimensions, of volumes and videos; measured before the sigmoid."""
    sizes = (height, width) if form.stack is None else (form.depth, height, width)
    axes = (-2, -1) if form.stack is None else (-3, -2, -1)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((form.channels, *sizes))
    given = np.abs(np.fft.rfftn(noise, axes=axes)) / 4
    for maco in (osc.Maco(given, contrast=0).formed(form), osc.Maco().formed(form)):
        drawn = maco.initial(np.random.default_rng(1), 2, height, width)
        images = picture(maco, drawn, height, width)
        assert images.shape == (2, form.planes, height, width)
        found = colors_of(images, True, form).reshape(2, form.channels, *sizes)
        expected = maco.at_size(height, width)
        spectrum = np.abs(np.fft.rfftn(found, axes=axes))
        np.testing.assert_allclose(
            spectrum, np.stack([expected] * 2), atol=2e-4 * expected.max() + 1e-3
        )
        if maco.contrast:
            assert np.sqrt((found**2).mean()) == pytest.approx(1, abs=1e-3)


def test_spectra_of_other_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, form in FORMS.items():
        stack = (form.depth,) if form.stack else ()
        arrays = [rng.random((*stack, 9, 8, form.channels), np.float32) for _ in range(3)]
        found = osc.spectrum(arrays, (9, 8), form=form)
        assert found.shape == (form.channels, *stack, 9, 5)
        folder = tmp_path / name
        folder.mkdir()
        for number, array in enumerate(arrays):
            np.save(folder / f"{number}.npy", array)
        np.testing.assert_array_equal(osc.spectrum(folder, (9, 8), form=form), found)
        np.save(tmp_path / "kept.npy", found)
        np.testing.assert_array_equal(osc.spectrum(tmp_path / "kept.npy"), found)
        assert osc.Maco(found).formed(form).at_size(9, 8).shape == found.shape
    # The brightness of photographs serves grey pictures.
    of_photos = osc.spectrum(rng.random((8, 8, 3)), 8)
    grey = osc.Maco(of_photos, contrast=0).formed(FORMS["grey"])
    np.testing.assert_allclose(
        grey.at_size(8, 8), osc.Maco(of_photos[:1], 0).formed(FORMS["grey"]).at_size(8, 8)
    )


def test_slices_move_together() -> None:
    form = VOLUME
    transform = osc.jitter_depth(2).formed(form)
    image = np.random.default_rng(0).random((40, 10, 3, 4), np.float32)
    data = transform.draw(np.random.default_rng(3), 40, 3, 4)
    builder = Builder("moved")
    tensor = builder.input("image", image.shape, np.float32)
    inputs = {"order": builder.input("order", data["order"].shape, np.float32)}
    builder.output("moved", transform.apply(tensor, inputs))
    found = form.as_arrays(run(builder, image=image, **data)["moved"])
    before, seen = form.as_arrays(image), set()
    for one, was in zip(found, before, strict=True):
        shifts = [
            shift
            for shift in range(-2, 3)
            if np.array_equal(one, was[np.clip(np.arange(5) + shift, 0, 4)])
        ]
        assert len(shifts) == 1
        seen.add(shifts[0])
    assert seen == {-2, -1, 0, 1, 2}
    with pytest.raises(InputError, match="moves the slices of volumes"):
        osc.jitter_depth(1).inputs(1, 3, 4)


def test_transforms_fit_the_axes() -> None:
    assert fitting(Form(), 8, 8) == lucid()
    kinds = {
        name: [type(one).__name__ for one in fitting(form, 64, 64)] for name, form in FORMS.items()
    }
    in_plane = ["Pad", "Jitter", "Scale", "Rotate", "Jitter"]
    assert kinds["grey"] == kinds["four"] == in_plane
    assert kinds["volume"] == kinds["video"] == [*in_plane, "JitterDepth"]
    sound = fitting(Form("NCFT", 1, 1, None), 64, 128)
    assert [type(one).__name__ for one in sound] == ["Pad", "Jitter", "Jitter"]
    for size in (4, 8, 28, 224):
        steps = fitting(FORMS["grey"], size, size)
        assert 2 * steps[0].pixels >= steps[1].pixels + steps[-1].pixels
