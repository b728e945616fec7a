"""Examples, against a plain loop over all photographs; kills, bad files, kinds of targets."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.images import as_batch, fitted_to, read_photo
from onnxscope.photo_files import DecodingRoom, PhotoFiles, pictures_in
from onnxscope.studies import collecting
from onnxscope.studies.ranking import NOWHERE, Ranking, drawn_sample
from PIL import Image
from small_networks import DENSE, SIZE, network

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> osc.Model:
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(network(), path)
    return osc.load(str(path), input_range=(0, 1), labels=["a", "b", "c", "d"])


def _files(folder: Path) -> list[Path]:
    found = PhotoFiles.found(folder).files
    return [file for file in found if file.name not in ("broken.jpg", "cut.jpg")]


def _values(model: osc.Model, folder: Path, layer: str) -> np.ndarray:
    pictures = np.stack([fitted_to(read_photo(file), SIZE, SIZE) for file in _files(folder)])
    return model.activations(pictures, layer)[layer]


@pytest.mark.parametrize("by", ["max", "mean"])
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_same_as_a_plain_loop(model, photo_folder, by, batch):
    found = osc.examples(
        model, ["first", "second:3", "second:5"], photo_folder, by=by, count=5, batch_size=batch
    )
    files = _files(photo_folder)
    assert found.seen == len(files) == 40
    assert found.names == [*(f"first:{unit}" for unit in range(6)), "second:3", "second:5"]
    for layer, units in (("first", range(6)), ("second", (3, 5))):
        cells = _values(model, photo_folder, layer)
        flat = cells.reshape(*cells.shape[:2], -1)
        values = flat.max(2) if by == "max" else flat.mean(2)
        for unit in units:
            one = found.of(layer, unit)
            order = np.argsort(-values[:, unit], kind="stable")
            assert [place.path for place in one.most] == [str(files[at]) for at in order[:5]]
            np.testing.assert_allclose(
                [place.value for place in one.most], values[order[:5], unit], rtol=1e-5
            )
            low = np.argsort(values[:, unit], kind="stable")
            assert [place.path for place in one.least] == [str(files[at]) for at in low[:5]]
            best = cells[order[0], unit]
            assert (one.most[0].y, one.most[0].x) == np.unravel_index(best.argmax(), best.shape)
            # Forty fit the sample: quantiles are exact.
            np.testing.assert_allclose(one.sample, np.sort(values[:, unit]), rtol=1e-5)
            assert one.quantiles[2][0] == 0.5
            assert one.quantiles[2][1].path == str(files[low[round(0.5 * 39)]])
            assert one.mean == pytest.approx(values[:, unit].mean(), rel=1e-5)
            assert one.std == pytest.approx(values[:, unit].std(), rel=1e-4)
            assert one.positive == (values[:, unit] > 0).mean()


@pytest.mark.slow
def test_boxes_are_what_a_cell_sees(model, photo_folder):
    found = osc.examples(model, "second", photo_folder)
    for unit in range(8):
        for place in found.of("second", unit).most:
            top, bottom, left, right = place.box
            # Two convolutions 3×3, the second with a stride of 2.
            assert (top, bottom) == (max(2 * place.y - 2, 0), min(2 * place.y + 3, SIZE))
            assert (left, right) == (max(2 * place.x - 2, 0), min(2 * place.x + 3, SIZE))
            photo = place.photo()
            np.testing.assert_array_equal(place.patch(), photo[top:bottom, left:right])
            # What is outside of the box changes nothing in the cell.
            changed = np.full_like(photo, 77)
            changed[top:bottom, left:right] = place.patch()
            cell = model.activations(changed, "second")["second"][0, unit, place.y, place.x]
            assert cell == pytest.approx(place.value, rel=1e-5)


def test_classes_and_objectives(model, photo_folder):
    wanted = osc.channel("first", 2) - osc.channel("first", 3)
    found = osc.examples(model, ["c", wanted, 'logit("a") - logit("b")'], photo_folder, count=3)
    assert found.names == ["scores:2", str(wanted), 'logit("a") - logit("b")']
    scores = _values(model, photo_folder, "scores")
    one = found.of("scores:2")
    assert one.label == "c"
    assert one.most[0].path == str(_files(photo_folder)[scores[:, 2].argmax()])
    assert (one.most[0].y, one.most[0].box) == (None, (0, SIZE, 0, SIZE))
    first = _values(model, photo_folder, "first").mean((2, 3))
    assert found.of(str(wanted)).most[0].value == pytest.approx(
        (first[:, 2] - first[:, 3]).max(), rel=1e-4
    )


def test_by_relevance(model, photo_folder):
    found = osc.examples(model, ["first", "second"], photo_folder, relevance="b", by="mean")
    files = _files(photo_folder)
    pictures = np.stack([fitted_to(read_photo(file), SIZE, SIZE) for file in files])
    cells = model.activations(pictures, "second")["second"]
    # Behind the second layer there are means and a product: its gradient is known.
    expected = (cells * DENSE[:, 1][None, :, None, None] / 64).mean((2, 3))
    for unit in range(8):
        most = found.of("second", unit).most
        assert most[0].value == pytest.approx(expected[:, unit].max(), rel=1e-4)
    highest = osc.examples(model, "second", photo_folder, relevance="highest", by="mean")
    classes = model.activations(pictures, "scores")["scores"].argmax(1)
    expected = (cells * DENSE.T[classes][:, :, None, None] / 64).mean((2, 3))
    assert highest.of("second:1").most[0].value == pytest.approx(expected[:, 1].max(), rel=1e-4)
    with pytest.raises(LayerError, match="no cells"):
        osc.examples(model, "softmax", photo_folder, relevance="b")
    with pytest.raises(LayerError, match="read from"):
        osc.examples(model, "second", photo_folder, relevance="second:2")


def test_before_the_activation_function(model, photo_folder):
    found = osc.examples(model, "second", photo_folder, before_activation=True)
    lowest = [found.of("second", unit).least[0].value for unit in range(8)]
    behind = osc.examples(model, "second", photo_folder)
    assert min(lowest) < 0
    assert min(behind.of("second", unit).least[0].value for unit in range(8)) >= 0
    assert "before" in found.measure


def test_unreadable_files_are_named(model, photo_folder):
    told = []
    found = osc.examples(model, "first", photo_folder, callback=told.append)
    assert [Path(path).name for path, _ in found.skipped] == ["broken.jpg", "cut.jpg"]
    assert "it is no picture" in found.skipped[0][1]
    assert "runcated" in found.skipped[1][1]
    assert [item for looked in told for item in looked.skipped] == list(found.skipped)
    assert (told[0].done, told[-1].done, told[-1].total) == (0, 42, 42)


def test_kept_and_read_again(model, photo_folder, tmp_path):
    found = osc.examples(model, ["first", "a"], photo_folder)
    again = osc.read_examples(found.save(tmp_path / "e.npz"))
    assert again.to_json() == found.to_json()
    assert pickle.loads(pickle.dumps(found)).to_json() == found.to_json()
    np.testing.assert_array_equal(again.of("first:1").sample, found.of("first:1").sample)
    written = json.loads(found.save(tmp_path / "e.json").read_text())
    assert written == found.to_json()
    assert written["units"][0]["most"][0]["path"] == found.of("first:0").most[0].path
    assert found.sheet(["first:0", "scores:0"]).width > 1000
    assert len(list(found.sheets())) == 1
    (tmp_path / "other.npz").write_bytes(b"no file of NumPy's")
    with pytest.raises(InputError, match="holds no examples"):
        osc.read_examples(tmp_path / "other.npz")


KILLED = """
import os, signal, sys
import onnxscope as osc
from onnxscope.studies import collecting
collecting._SECONDS = collecting._SHARE = 0.0
collecting._SHARE = 1e9
path, photos, state, at = sys.argv[1:]
def callback(looked):
    if looked.done >= int(at):
        os.kill(os.getpid(), signal.SIGKILL)
model = osc.load(path, input_range=(0, 1))
osc.examples(model, ["first", "second"], photos, state=state, batch_size=2, callback=callback)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there are no such kills here")
def test_killed_and_resumed(model, photo_folder, tmp_path):
    state = tmp_path / "state.npz"
    path = model.original.path
    for at in (6, 17, 30):
        command = [sys.executable, "-c", KILLED, path, photo_folder, state, str(at)]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert state.exists()
    told: list[collecting.Looked] = []
    opened = osc.load(str(path), input_range=(0, 1))
    wanted = ["first", "second"]
    found = osc.examples(opened, wanted, photo_folder, state=state, callback=told.append)
    assert told[0].resumed >= 28
    whole = osc.examples(opened, wanted, photo_folder)
    assert found.to_json() == whole.to_json()
    for name in wanted:
        a, b = (one.layers[name].ranking.arrays() for one in (found, whole))
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    # The same call once more has nothing left to do; another one begins anew.
    told.clear()
    osc.examples(opened, wanted, photo_folder, state=state, callback=told.append)
    assert told[0].resumed == told[0].total
    told.clear()
    osc.examples(opened, wanted, photo_folder, state=state, count=3, callback=told.append)
    assert told[0].resumed == 0


def test_weights_in_a_second_file_are_part_of_the_state(photo_folder, tmp_path, monkeypatch):
    """Given as an object as well, whose weights are read when they are needed."""
    monkeypatch.chdir(tmp_path)
    path, state, told = tmp_path / "small.onnx", tmp_path / "s.npz", []
    onnx.save(network(), path, save_as_external_data=True, location="w.bin", size_threshold=0)

    def resumed(source: object) -> int:
        told.clear()
        opened = osc.load(source, input_range=(0, 1), compare=False)
        osc.examples(opened, "first", photo_folder, state=state, callback=told.append)
        return told[0].resumed

    for source in (str(path), onnx.load(path, load_external_data=False)):
        assert resumed(source) == 0
        assert resumed(source) > 0
    data = bytearray((tmp_path / "w.bin").read_bytes())
    data[3] ^= 1
    (tmp_path / "w.bin").write_bytes(data)
    assert resumed(onnx.load(path, load_external_data=False)) == 0
    assert resumed(str(path)) == 0


def test_interrupted_by_hand(model, photo_folder, tmp_path):
    state = tmp_path / "state.npz"

    def stop(looked: collecting.Looked) -> None:
        if looked.done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        osc.examples(model, "first", photo_folder, state=state, batch_size=4, callback=stop)
    told: list[collecting.Looked] = []
    osc.examples(model, "first", photo_folder, state=state, callback=told.append)
    assert told[0].resumed == 8


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        (("first", "EMPTY"), {}, InputError, "there is no picture in the folder"),
        (("first", "nowhere"), {}, InputError, "there is no folder or file nowhere"),
        (("first", []), {}, InputError, "photos must be folders or files"),
        (("first", [np.zeros((3, 3, 3))]), {}, InputError, "photos must be paths"),
        (("frist", "PHOTOS"), {}, LayerError, "did you mean 'first'"),
        (("first:99", "PHOTOS"), {}, LayerError, "first has 6 channels"),
        (([], "PHOTOS"), {}, TargetError, "targets must be such as"),
        (("first", "PHOTOS"), {"by": "most"}, InputError, "by must be one of max, mean"),
        (("first", "PHOTOS"), {"count": 0}, InputError, "count must be at least 1"),
        (("first", "PHOTOS"), {"quantiles": [2]}, InputError, "quantiles lie between 0 and 1"),
        (("first", "PHOTOS"), {"state": "s.json"}, InputError, "ends in .npz"),
        (("first", "BROKEN"), {}, InputError, "it is no picture"),
        ((osc.diversity("first"), "PHOTOS"), {}, TargetError, "compares pictures"),
    ],
)
def test_refused(model, photo_folder, tmp_path, monkeypatch, arguments, options, error, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    meant = {"EMPTY": "empty", "PHOTOS": photo_folder, "BROKEN": photo_folder / "broken.jpg"}
    targets, photos = arguments
    photos = meant.get(photos, photos) if isinstance(photos, str) else photos
    with pytest.raises(error, match=said):
        osc.examples(model, targets, photos, **options)


def test_without_preprocessing(photo_folder, tmp_path):
    with pytest.raises(InputError, match="give input_range"):
        osc.examples(osc.load(network(middle=0)), "first", photo_folder)


def test_kinds_of_files_are_read_as_elsewhere(tmp_path):
    pixels = (RNG.random((90, 70, 3)) * 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    image.quantize(16).save(tmp_path / "palette.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    image.save(tmp_path / "moving.gif", save_all=True, append_images=[image.rotate(90)])
    from onnxscope.images import read_fitted

    for file in pictures_in(tmp_path):
        np.testing.assert_array_equal(
            read_fitted(file, 32, 24), fitted_to(read_photo(file), 32, 24)
        )


def test_large_photographs_are_decoded_smaller(tmp_path):
    from onnxscope.images import read_fitted

    y, x = np.mgrid[:800, :1000] / 100
    smooth = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], -1) * 0.5 + 0.5
    file = tmp_path / "large.jpg"
    Image.fromarray((smooth * 255).astype(np.uint8)).save(file, quality=95)
    taken = []
    room = DecodingRoom()

    def told(pixels):
        taken.append(pixels)
        return room(pixels)

    drafted = read_fitted(file, 64, 64, told)
    assert taken == [200 * 250]  # a quarter of each side, more than twice of what is wanted
    whole = fitted_to(read_photo(file), 64, 64)
    assert np.abs(as_batch(drafted) - as_batch(whole)).max() < 0.02


def test_ranks_by_hand():
    rng = np.random.default_rng(0)
    # Few different values: of equal ones the first counts.
    values = rng.integers(0, 5, (50, 3)).astype(np.float32)
    places = rng.integers(0, 9, (50, 3))
    ranking = Ranking(3, 7, 10)
    slots = drawn_sample(50, 10, 3)
    assert (slots != NOWHERE).sum() == 10
    for start in range(0, 50, 6):
        at = np.arange(start, min(start + 6, 50))
        ranking.add(at, values[at], places[at], slots[at])
    for unit in range(3):
        for end, order in enumerate((-values[:, unit], values[:, unit])):
            best = np.argsort(order, kind="stable")[:7]
            np.testing.assert_array_equal(ranking.photos[end, unit], best)
            np.testing.assert_array_equal(ranking.places[end, unit], places[best, unit])
    np.testing.assert_array_equal(ranking.sample[slots[slots != NOWHERE]], values[slots != NOWHERE])
    np.testing.assert_array_equal(drawn_sample(4, 10, 0), np.arange(4))
