"""The command `explain`: photographs of every kind, sheets, folders, the explainer as a model."""

from __future__ import annotations

import json
import os
import shutil

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
        (["photos/none.jpg"], "there is no folder or file photos/none.jpg"),
        (["empty"], "there is no picture in the folder empty"),
        (["photos/plain.png", "dasy"], "did you mean 'daisy'"),
        (["photos/plain.png", "--layer", "logits"], "no cells"),
        (["photos/plain.png", "--method", "saliency", "--layer", "conv5"], "leave --layer out"),
        (["photos/plain.png", "--method", ","], "names none"),
        (["photos/plain.png", "daisy", "--top", "2"], "leave target out"),
        (["photos/plain.png", "--export", "e.onnx"], "leave PHOTO and -o out"),
        (["--export", "e.onnx", "--method", "all"], "one method"),
        (["-o", "x.png"], "takes photographs"),
        (["--export", "e.onnx", "--json"], "--export makes none"),
    ],
)
def test_refused(refused, folder, tiny, photos, arguments, said):
    (folder / "empty").mkdir()
    assert said in refused("explain", tiny, *arguments)


def test_unknown_preprocessing(refused, foreign, photos):
    assert "--input-range" in refused("explain", foreign, photos / "plain.png", "conv5:1")


def test_json(run, folder, tiny, photos):
    command = ("explain", tiny, photos / "cmyk.jpg", photos / "turned.jpg", "--json", "--top", "2",
               "--method", "grad-cam,integrated-gradients")  # fmt: skip
    sheet = run(*command, "-o", "s.png")
    assert sheet.exit_code == 0, sheet.output
    assert sheet.stderr == ""
    maps = json.loads(sheet.stdout)
    assert [set(one) for one in maps] == [
        {"photo", "method", "layer", "target", "value", "missed", "files"}
    ] * 8
    assert [one["photo"] for one in maps[:4]] == [str(photos / "cmyk.jpg")] * 2 + [
        str(photos / "turned.jpg")
    ] * 2
    assert [(one["layer"], one["missed"] is None) for one in maps[::4]] == [
        ("conv5", True),
        (None, False),
    ]
    assert {tuple(one["files"]) for one in maps} == {("s.png",)}
    own = json.loads(run(*command, "-o", "maps").stdout)
    assert [one | {"files": ["s.png"]} for one in own] == maps
    files = [file for one in own for file in one["files"]]
    assert len(set(files)) == 16
    assert all((folder / file).is_file() for file in files)
    # What was explained before is no map of this run.
    assert json.loads(run(*command, "-o", "maps").stdout) == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are other ones here")
def test_photos_that_may_not_be_read(start, folder, tiny, photos):
    """Named and counted, by both commands alike; nothing of a folder inside is looked at."""
    given = folder / "given"
    for name in ("a.png", "no.png", "in/a.png", "in/no.png", "shut/a.png"):
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (48, 48, 3), np.uint8)).save(given / name)
    shut = (given / "no.png", given / "in" / "no.png", given / "shut")
    for path in shut:
        path.chmod(0)
    try:
        found = [
            start(*command, before=without_privileges()).outputs()
            for command in (
                ("explain", tiny, "given", "-o", "maps", "--method", "saliency"),
                ("examples", tiny, "conv5:0", "given", "-o", "out", "--no-sheets"),
            )
        ]
    finally:
        for path in shut:
            path.chmod(0o755)
    (stdout, warned), (counted, also_warned) = found
    assert warned == also_warned
    assert warned.count("warning:") == 3
    assert f"{given.name}/no.png: Permission denied; it is left out" in warned
    assert f"{given.name}/shut: it is a folder that may not be read; it is left out" in warned
    assert stdout.rstrip().endswith("maps; 3 files left out")
    assert "2 photos by activation, strongest cell; 3 files left out" in counted
    assert (folder / "maps" / "in" / "a-saliency.npy").is_file()


def without_privileges() -> list[str]:
    """What a command is started by where it would read whatever it likes otherwise."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("there is no setpriv, by which root may read less")
    taken = "-dac_override,-dac_read_search"
    return [setpriv, f"--inh-caps={taken}", f"--bounding-set={taken}"]


def test_names_of_their_own(run, folder, tiny, photos):
    several = folder / "several"
    (several / "x" / "y").mkdir(parents=True)
    (several / ".hidden").mkdir()
    for name in ("a.png", "a.bmp", "a-2.png", "x/a.png", "x/b.png", "x/y/a.png", ".hidden/c.png"):
        Image.fromarray(RNG.integers(0, 256, (48, 48, 3), np.uint8)).save(several / name)
    command = ("explain", tiny, several, several / "x", "-o", "maps", "--method", "saliency")
    result = run(*command)
    assert result.exit_code == 0, result.output
    maps = (folder / "maps").rglob("*.npy")
    written = {path.relative_to(folder / "maps").as_posix() for path in maps}
    stems = ("a.png", "a.bmp", "a-2", "x/a", "x/b", "x/y/a")
    assert written == {f"{stem}-saliency.npy" for stem in stems}
    assert f"  {os.path.join('x', 'y', 'a.png')}  " in result.stdout
    assert "6 photos explained before" in run(*command).stdout


def test_folders_that_hold_alike(run, folder, tiny, photos):
    for name in ("one/x/a.png", "two/x/a.png", "two/x/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (48, 48, 3), np.uint8)).save(folder / name)
    result = run("explain", tiny, "one", "two", "-o", "one/maps", "--method", "saliency")
    assert result.exit_code == 0, result.output
    written = {path.name for path in (folder / "one" / "maps" / "x").glob("*.npy")}
    assert written == {f"{stem}-saliency.npy" for stem in ("a.png", "a.png-2", "b")}
    # What was written among the photographs is none of them.
    again = run("explain", tiny, "one", "two", "-o", "one/maps", "--method", "saliency")
    assert "3 photos explained before" in again.stdout


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
