"""Pictures come as files and arrays of all kinds."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.forms import Form
from onnxscope.images import as_batch, read_photo
from onnxscope.planes import as_planes
from PIL import Image

NETWORK = """<ir_version: 8, opset_import: ["": 18]>
g (float[N, 3, H, W] x) => (float[N, 3, H, W] y)
<float[3, 3, 1, 1] w = {1, 0, 0, 0, 1, 0, 0, 0, 1}> { y = Conv(x, w) }"""


@pytest.fixture(scope="module")
def model() -> osc.Model:
    """Gives each picture back as its one layer; 224 × 224 where nothing else is said."""
    return osc.load(onnx.parser.parse_model(NETWORK), input_range=(0, 1))


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_files_are_fitted_and_arrays_taken_as_they_are(model, tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(photo(300, 500)).save(path)
    fitted = osc.fit(path, model)
    assert fitted.shape == (224, 224, 3)
    assert fitted.dtype == np.uint8
    expected = model.activations(fitted, "y")["y"]
    assert expected.shape == (1, 3, 224, 224)
    for same in (path, str(path), Image.open(path), [path], [Image.open(path)]):
        np.testing.assert_array_equal(model.activations(same, "y")["y"], expected)
    assert model.activations(photo(30, 50), "y")["y"].shape == (1, 3, 30, 50)
    value, slope = osc.Gradient(model, osc.channel("y", 1))(path)
    assert (value.shape, slope.shape) == ((1,), (224, 224, 3))


def test_fit_takes_names_as_render_does(model, tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(onnx.parser.parse_model(NETWORK), path)
    picture = photo(300, 500)
    np.testing.assert_array_equal(osc.fit(picture, str(path)), osc.fit(picture, model))
    with pytest.raises(osc.OnnxscopeError, match=r"no model of that name.*squeezenet"):
        osc.fit(picture, "squeezenett")


def test_fit_takes_the_middle(model):
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    assert (osc.fit(wide, model, size=100) == 255).all()
    assert osc.fit(wide, model, size=(50, 150)).shape == (50, 150, 3)
    assert osc.fit(wide / np.float32(255), model, size=20).max() == 255


def test_several_photographs_of_different_sizes(model, tmp_path):
    path = tmp_path / "p.jpg"
    Image.fromarray(photo(300, 200)).save(path)
    both = osc.fit([photo(100, 90), path], model, size=64)
    assert both.shape == (2, 64, 64, 3)
    assert osc.fit(photo(9, 9)[None], model, size=8).shape == (1, 8, 8, 3)
    with pytest.raises(InputError, match=r"of different shapes, 30 × 40 × 3 and 50 × 60 × 3.*fit"):
        model.activations([photo(30, 40), photo(50, 60)], "y")


def test_a_photograph_is_turned_as_the_camera_says(tmp_path):
    path = tmp_path / "turned.jpg"
    image = Image.fromarray(np.repeat(photo(4, 6), 16, axis=0).repeat(16, axis=1))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif, quality=95)
    assert read_photo(path).shape == (96, 64, 3)


def test_a_grey_network_sees_photographs_alike(tmp_path):
    """Turned, of a palette, in CMYK and transparent ones, as a network in colour does."""
    grey = Form("NCHW", 1, 1, None)
    pixels = np.repeat(photo(4, 6), 16, axis=0).repeat(16, axis=1)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    image.quantize(16).save(tmp_path / "palette.png")
    clear = np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=2)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    for path in tmp_path.iterdir():
        found = as_planes(path, grey)
        seen = np.asarray(Image.fromarray(read_photo(path)).convert("L"))
        np.testing.assert_array_equal(found[0, 0], seen.astype(np.float32) / np.float32(255))
    assert as_planes(tmp_path / "turned.png", grey).shape == (1, 1, 96, 64)
    assert (as_planes(tmp_path / "clear.png", grey) == 1).all()


def test_grey_and_opacity_become_colours(tmp_path):
    grey = photo(5, 6)[..., 0]
    three = as_batch(np.repeat(grey[..., None], 3, axis=2))
    for same in (grey, grey[..., None], grey[None, ..., None], grey / np.float32(255)):
        np.testing.assert_allclose(as_batch(same), three, atol=1e-6)
    seen = np.concatenate([photo(5, 6), np.full((5, 6, 1), 255, np.uint8)], axis=2)
    np.testing.assert_array_equal(as_batch(seen), as_batch(photo(5, 6)))
    seen[..., 3] = 0
    assert (as_batch(seen) == 1).all()
    assert (as_batch(seen / np.float32(255)) == 1).all()
    for mode in ("L", "LA", "P", "1", "CMYK", "I;16"):
        path = tmp_path / "p.tif"
        Image.fromarray(photo(5, 6)).convert("L" if mode == "I;16" else mode).convert(mode).save(
            path
        )
        assert read_photo(path).shape == (5, 6, 3)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    deep.save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "deep.png")[..., 0], grey)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((1, 3, 8, 8), np.float32), "the colours come last"),
        (np.zeros((8, 8, 2), np.float32), r"pictures must be of shape \(H, W, 3\)"),
        (np.full((8, 8, 3), 9.0), "values in"),
        (np.zeros((8, 8, 3), np.int64), "or uint8, not int64"),
        ("nowhere.png", "cannot read the photograph nowhere.png: No such file"),
        (__file__, "it is no picture"),
    ],
)
def test_what_is_no_picture_is_refused(model, wrong, words):
    with pytest.raises(InputError, match=words):
        model.activations(wrong, "y")
    with pytest.raises(InputError, match=words):
        osc.fit(wrong, model)


def test_a_file_that_is_not_read_is_named(tmp_path):
    path = tmp_path / "IMG_1.HEIC"
    for content, words in (
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC picture.*save it as JPEG"),
        (b"", "it is empty"),
        (b"something else", "it is no picture"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_photo(path)
