"""The command `explain`: photographs of every kind, sheets, folders, the explainer as a model."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

RNG = np.random.default_rng(2)


def test_a_sheet(run, folder, tiny, photos):
    result = run("explain", tiny, photos / "plain.png", "daisy", "--method", "grad-cam,saliency")
    assert result.exit_code == 0, result.output
    assert "grad-cam of conv5" in result.stdout
    assert "plain.png  daisy" in result.stdout
    with Image.open(folder / "explanation.png") as sheet:
        assert sheet.size == (3 * 48 + 16, 48)


def test_a_folder(run, folder, tiny, photos):
    result = run("explain", tiny, photos, "-o", "maps", "--method", "saliency", "--top", "2")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("warning:") == 1
    assert "broken.jpg: it is no picture; it is left out" in result.stderr
    assert result.stdout.rstrip().endswith("maps; 1 file left out")
    written = sorted(path.name for path in (folder / "maps").iterdir())
    stems = ["cmyk", "deep", "moving", "palette", "plain", "turned"]
    ends = ["saliency-1.npy", "saliency-1.png", "saliency-2.npy", "saliency-2.png"]
    # Two are called alike but for the suffix: none of these.
    assert written == [f"{stem}-{end}" for stem in stems for end in ends]
    assert np.load(folder / "maps" / "turned-saliency-1.npy").shape == (48, 48)


def test_numbers(run, folder, tiny, photos):
    result = run("explain", tiny, photos / "cmyk.jpg", photos / "turned.jpg", "-o", "m.npy",
                 "--method", "saliency,integrated-gradients")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert np.load(folder / "m.npy").shape == (2, 2, 48, 48)
    assert "of which the map misses" in result.stdout


def test_export(run, folder, tiny):
    result = run("explain", tiny, "--export", "e.onnx", "--method", "layer-cam")
    assert result.exit_code == 0, result.output
    session = ort.InferenceSession(folder / "e.onnx", providers=["CPUExecutionProvider"])
    (heat,) = session.run(["map"], {"image": RNG.random((1, 3, 48, 48), np.float32)})
    assert heat.shape == (1, 48, 48)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["photos/broken.jpg"], "it is no picture"),
        (["photos/none.jpg"], "cannot read the photograph"),
        (["empty"], "there is no picture in the folder empty"),
        (["photos/plain.png", "dasy"], "did you mean 'daisy'"),
        (["photos/plain.png", "--layer", "logits"], "no cells"),
        (["photos/plain.png", "--method", "saliency", "--layer", "conv5"], "leave --layer out"),
        (["photos/plain.png", "--method", ","], "names none"),
        (["photos/plain.png", "daisy", "--top", "2"], "leave target out"),
        (["photos/plain.png", "--export", "e.onnx"], "leave PHOTO and -o out"),
        (["--export", "e.onnx", "--method", "all"], "one method"),
        (["-o", "x.png"], "takes photographs"),
    ],
)
def test_refused(refused, folder, tiny, photos, arguments, said):
    (folder / "empty").mkdir()
    assert said in refused("explain", tiny, *arguments)


def test_unknown_preprocessing(refused, foreign, photos):
    assert "--input-range" in refused("explain", foreign, photos / "plain.png", "conv5:1")


def test_names_of_their_own(run, folder, tiny, photos):
    several = folder / "several"
    (several / "x").mkdir(parents=True)
    for name in ("a.png", "a.bmp", "a-2.png", "x/a.png", "x/b.png"):
        Image.fromarray(RNG.integers(0, 256, (48, 48, 3), np.uint8)).save(several / name)
    result = run("explain", tiny, several, several / "x", "-o", "maps", "--method", "saliency")
    assert result.exit_code == 0, result.output
    written = {path.name for path in (folder / "maps").glob("*.npy")}
    stems = ("a.png", "a.bmp", "a-2", "a.png-2", "b")
    assert written == {f"{stem}-saliency.npy" for stem in stems}


def test_goes_on(run, folder, tiny, photos):
    command = ("explain", tiny, photos, "-o", "maps", "--method", "saliency")
    assert run(*command).exit_code == 0
    first = {path: path.stat().st_mtime_ns for path in (folder / "maps").iterdir()}
    # One of two files is missing, as after a kill; another photo has changed since.
    (folder / "maps" / "deep-saliency.png").unlink()
    Image.fromarray(RNG.integers(0, 256, (48, 50, 3), np.uint8)).save(photos / "plain.png")
    result = run(*command)
    assert result.stdout.rstrip().endswith("; 4 photos explained before; 1 file left out")
    anew = {path.name for path, time in first.items() if path.stat().st_mtime_ns != time}
    assert anew == {
        "deep-saliency.npy", "deep-saliency.png", "plain-saliency.npy", "plain-saliency.png",
    }  # fmt: skip
    assert "explained before" not in run(*command[:-1], "input-x-gradient").stdout
    other = run(*command, "--size", "64")
    assert "explained before" not in other.stdout
    assert "replaces" in other.stderr


def test_too_long_a_sheet(refused, folder, tiny, photos):
    for number in range(1200):
        (folder / "empty" / f"{number}.png").parent.mkdir(exist_ok=True)
        (folder / "empty" / f"{number}.png").touch()
    # No photo of them was read for that.
    assert "1160 rows are the most" in refused("explain", tiny, "empty")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_names_and_kinds_of_files(run, folder, tiny, photos):
    odd = folder / "odd"
    odd.mkdir()
    os.mkfifo(odd / "pipe.png")
    image = Image.fromarray(RNG.integers(0, 256, (48, 48, 3), np.uint8))
    image.save(odd / "line\nbreak \x1b[31m.png")
    with open(os.fsencode(odd) + b"/bytes \xff.png", "wb") as file:
        image.save(file, "PNG")
    (odd / "torn\x1b[0m\n.png").write_bytes(b"no")
    result = run("explain", tiny, odd, "-o", "maps", "--method", "saliency")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert r"line\nbreak \x1b[31m.png  " in result.stdout
    assert r"bytes \xff.png  " in result.stdout
    assert "pipe.png: it is no ordinary file; it is left out" in result.stderr
    assert r"torn\x1b[0m\n.png: it is no picture" in result.stderr


def test_large_photos(run, refused, folder, tiny, photos, monkeypatch):
    command = ("explain", tiny, photos / "plain.png", "-o", "seen.png", "--method", "saliency")
    with Image.open(photos / "plain.png") as image:
        pixels = image.width * image.height
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels - 1)
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert not result.stderr
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels // 3)
    assert f"more than {2 * (pixels // 3):,} pixels; make it smaller" in refused(*command)
