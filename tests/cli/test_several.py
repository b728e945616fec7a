"""`onnxscope render` of several units: files that are whole or not there, and made but once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHORT = ("--steps", 3, "--size", 32, "--provider", "cpu")


@pytest.mark.slow
def test_a_file_for_each(run, tiny, folder):
    result = run("render", tiny, "mixed4a:0-2,5", "daisy", "conv0", *SHORT, "-o", "units/")
    assert result.exit_code == 0, result.output
    names = ["mixed4a-0", "mixed4a-1", "mixed4a-2", "mixed4a-5", "daisy", "conv0"]
    assert {path.name for path in (folder / "units").iterdir()} == {f"{n}.png" for n in names}
    *lines, last = result.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        os.path.join("units", f"{n}.png") for n in names
    ]
    assert last.startswith(f"  6 pictures of {tiny} in units: 6 made")
    assert result.stderr.startswith(f"rendering 6 pictures of {tiny}: 3 steps each\n")


@pytest.mark.slow
def test_each_file_is_what_it_is_alone(run, tiny, folder):
    given = (*SHORT, "--seed", 3, "--negative")
    assert run("render", tiny, "mixed4a:0-2", *given, "-o", "units", "-q").exit_code == 0
    assert run("render", tiny, "mixed4a:1", *given, "-o", "alone.png").exit_code == 0
    several = folder / "units" / "mixed4a-1-negative.png"
    assert several.read_bytes() == (folder / "alone.png").read_bytes()


@pytest.mark.slow
def test_by_default_they_are_written_here(run, tiny, folder):
    result = run("render", tiny, "mixed4a:0,3", *SHORT, "-q")
    assert (result.stdout, result.stderr) == ("mixed4a-0.png\nmixed4a-3.png\n", "")


@pytest.mark.slow  # many pictures
def test_what_is_there_is_skipped(run, tiny, folder):
    assert run("render", tiny, "mixed4a:0-2", *SHORT, "-o", "units").exit_code == 0
    first, second = (folder / "units" / f"mixed4a-{unit}.png" for unit in (0, 1))
    before, second_before = first.stat().st_mtime_ns, second.read_bytes()
    second.unlink()
    result = run("render", tiny, "mixed4a:0-2", *SHORT, "-o", "units")
    assert "1 made, 2 there already" in result.stdout
    assert result.stderr.startswith("rendering 1 picture of")
    assert first.stat().st_mtime_ns == before
    assert second.read_bytes() == second_before
    again = run("render", tiny, "mixed4a:0-2", *SHORT, "-o", "units")
    assert again.exit_code == 0
    assert "0 made, 3 there already" in again.stdout
    assert again.stderr == ""
    assert run("render", tiny, "mixed4a:0-2", *SHORT, "-o", "units", "--overwrite").exit_code == 0
    assert first.stat().st_mtime_ns != before


@pytest.mark.slow
def test_what_is_there_and_made_otherwise_is_said(run, tiny, folder):
    assert run("render", tiny, "mixed4a:0-1", *SHORT).exit_code == 0
    (folder / "mixed4a-2.png").write_bytes(b"a photograph, perhaps")
    result = run("render", tiny, "mixed4a:0-2", *SHORT[2:], "--steps", 4)
    assert result.exit_code == 0
    assert "warning: 3 files are there, made otherwise (such as mixed4a-0.png: steps 3, not 4)" in (
        result.stderr
    )
    assert (folder / "mixed4a-2.png").read_bytes() == b"a photograph, perhaps"
    one = run("render", tiny, "mixed4a:1,3", *SHORT, "--seed", 1)
    assert (
        "warning: mixed4a-1.png is there, made otherwise (seed 0, not 1), and stays" in one.stderr
    )


@pytest.mark.slow  # many pictures
def test_a_sheet(run, tiny, folder):
    command = ("render", tiny, "mixed4a:0-2", "daisy", *SHORT, "--sheet", "sheet.png")
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert [path.name for path in folder.iterdir()] == ["sheet.png"]
    assert result.stdout.startswith("sheet.png  4 pictures on one, ")
    sheet = np.asarray(Image.open("sheet.png"))
    # With files, also those that were there.
    assert run("render", tiny, "mixed4a:1", *SHORT, "-o", "units/").exit_code == 0
    assert run(*command, "-o", "units").exit_code == 0
    assert (np.asarray(Image.open("sheet.png")) == sheet).all()
    assert run("render", tiny, "mixed4a:1", *SHORT, "--sheet", "one.jpg").exit_code == 0


@pytest.mark.slow
def test_one_unit_into_a_folder(run, tiny, folder):
    result = run("render", tiny, "mixed4a:1", *SHORT, "-o", "new/units/")
    assert result.exit_code == 0, result.output
    assert (folder / "new" / "units" / "mixed4a-1.png").exists()
    assert "replaces" not in result.stderr
    again = run("render", tiny, "mixed4a:1", *SHORT, "-o", "new/units")
    assert again.exit_code == 0
    assert f"replaces {Path('new/units/mixed4a-1.png')}" in again.stderr.splitlines()
    quiet = run("render", tiny, "mixed4a:1", *SHORT, "-o", "new/units", "--overwrite")
    assert "replaces" not in quiet.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mixed4a:0-16"], "mixed4a has 16 channels, 0 to 15; there is no channel 16"),
        (["mixed4a:0", "mixed4b:1"], "has no layer 'mixed4b'"),
        (["mixed4a:3-1"], "counts down; write 1-3"),
        (["mixed4a:0-1", "-o", "x.png"], "go into a folder, such as -o x"),
        (["mixed4a:0-1", "--strip", "x.png"], "2 pictures would be made"),
        (["mixed4a:0-1", "--sheet", "x.txt"], "cannot write x.txt: its suffix"),
        (["mixed4a:0-1", "--sheet", "no/x.png"], "there is no folder no"),
        (["mixed4a:0-1", "--size", "2"], "too small for mixed4a"),
        (["mixed4a:0-1", "--steps", "0"], "steps must be at least 1"),
        (["mixed4a:0-1", "--batch-size", "0"], "batch_size must be at least 1, not 0"),
        (["mixed4a", "conv0", "--objective", "channel"], "a channel needs a unit"),
        (["kit", "fox"], 'a class of several words is quoted: "kit fox"'),
    ],
)
def test_refusals(refused, tiny, arguments, words):
    assert words in refused("render", tiny, *SHORT, *arguments)


def test_a_folder_that_is_a_file(refused, tiny, folder):
    (folder / "units").write_bytes(b"")
    assert "units is no folder" in refused("render", tiny, "mixed4a:0-1", *SHORT, "-o", "units/x")


def test_names_that_are_the_same_are_refused(refused, tiny, monkeypatch):
    monkeypatch.setattr("onnxscope.cli.several.default_name", lambda *_, **__: Path("same.png"))
    message = refused("render", tiny, "mixed4a:0-1", *SHORT)
    assert "the pictures of 'mixed4a:0' and 'mixed4a:1' would both be same.png" in message


@pytest.mark.slow
def test_one_failure_is_said_and_the_others_are_made(run, tiny, folder, monkeypatch):
    from onnxscope.errors import AscentError
    from onnxscope.pictures import rendering, series

    render = rendering.render

    def fails(model, given, **settings):
        several = given if isinstance(given, list) else [given]
        if any("mixed4a:1" in str(one) for one in several):
            raise AscentError("step 2 failed: no luck", None)
        return render(model, given, **settings)

    monkeypatch.setattr(series, "render", fails)
    result = run("render", tiny, "mixed4a:0-2", *SHORT)
    assert result.exit_code == 1
    assert "error: mixed4a:1: step 2 failed: no luck" in result.stderr
    assert "2 made, 1 failed" in result.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["mixed4a-0.png", "mixed4a-2.png"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_is_done_stays(start, folder, tiny, name):
    given = ("--size", 32, "--provider", "cpu", "--batch-size", 1, "-o", "units")
    process = start("render", tiny, "mixed4a:0-15", "--steps", 1500, *given)
    first = folder / "units" / "mixed4a-0.png"
    while not first.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    output, errors = process.outputs()
    assert process.returncode == 130
    done = sorted((folder / "units").iterdir())
    assert 1 <= len(done) < 16
    assert f"error: interrupted: {len(done)} of 16 pictures are done; the same command" in errors
    assert f"{len(done)} made" in output.splitlines()[-1]
    for path in done:
        with Image.open(path) as image:
            image.load()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_signals_keep_a_single_picture(start, folder, tiny, name):
    process = start("render", tiny, "mixed4a:3", "--steps", 10_000_000, "--size", 32,
                    "--provider", "cpu", "-o", "kept.png")  # fmt: skip
    assert process.stderr.readline().startswith("rendering ")
    process.send_signal(getattr(signal, name))
    _, errors = process.outputs()
    assert process.returncode == 130
    assert "error: interrupted at step" in errors
    assert (folder / "kept.png").exists()
