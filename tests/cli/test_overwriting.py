"""No command writes over what it reads, and what is replaced is said; collected, not listed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscope as osc
import pytest
import typer
from onnxscope.cli.app import COMMANDS, app
from onnxscope.cli.overwriting import OUTPUTS
from onnxscope.errors import OutputError
from PIL import Image

STEPS = ("--steps", "1", "--size", "48", "--provider", "cpu")
# What names files that are read; a new option with a file is one of these, or of OUTPUTS.
READ = {"recipe", "labels", "image", "inputs", "parameterization", "fix", "picture", "photos"}
FILES = ("FILE", "FOLDER", "DIR", "PICTURE", "PHOTO", ".npy")
# What else each takes, so that it would write: commands whose output is a model or a picture.
WRITING = {
    "render": ("mixed4a:1", *STEPS, "-o"),
    "gradient": ("mixed4a:1", "-o"),
    "expose": ("mixed4a", "-o"),
    "prepare": ("--preprocessing", "imagenet", "-o"),
    "compare": ("mixed4a:1", *STEPS, "-o"),
    "diversity": ("mixed4a:1", *STEPS, "-o"),
    "interpolate": ("mixed4a:1", "mixed4a:2", *STEPS, "-o"),
    "arithmetic": ("mixed4a:1", "mixed4a:2", *STEPS, "-o"),
    "invert": ("photo.png", *STEPS, "-o"),
    "caricature": ("photo.png", "mixed4a", *STEPS, "-o"),
    "accentuate": ("photo.png", "mixed4a:1", *STEPS, "-o"),
    "dream": ("photo.png", "mixed4a", *STEPS, "-o"),
    "style": ("photo.png", "photo.png", *STEPS, "-o"),
    "spectrum": ("mixed4a:1", "photo.png", *STEPS, "-o"),
    "explain": ("photo.png", "daisy", "-o"),
    "relevance": ("daisy", "mixed4a", "photo.png", "-o"),
    "convert": ("-o",),
    "bench": ("mixed4a:1", "--json"),
}
# Their output is a folder of files with names of their own.
FOLDERS = {"examples", "microscope", "serve", "blocks"}


def commands() -> Iterator[tuple[str, Any]]:
    group = typer.main.get_command(app)
    for name in COMMANDS:
        command = group.commands[name]  # type: ignore[attr-defined]  # Typer's class has them
        yield from (getattr(command, "commands", None) or {name: command}).items()


def options_with_files() -> Iterator[tuple[str, Any]]:
    for name, command in commands():
        for parameter in command.params:
            metavar = parameter.metavar or ""
            is_option = parameter.opts[0].startswith("-")
            if is_option and any(word in metavar for word in FILES):
                yield name, parameter


@pytest.mark.slow
def test_every_option_with_a_file_is_known_to_read_or_to_write_it():
    found = dict.fromkeys(parameter.name for _, parameter in options_with_files())
    assert set(found) <= OUTPUTS | READ, found
    assert set(found) >= OUTPUTS


def test_every_command_that_writes_is_tried_here():
    writing = {name for name, parameter in options_with_files() if parameter.name in OUTPUTS}
    assert writing == WRITING.keys() | FOLDERS


@pytest.fixture
def own(folder: Path, foreign: str, tiny: str) -> Path:
    """A model and a photograph that nobody may write over."""
    shutil.copyfile(tiny, "own.onnx")
    shutil.copyfile(foreign, "bare.onnx")
    pixels = (np.random.default_rng(2).random((60, 60, 3)) * 255).astype(np.uint8)
    Image.fromarray(pixels).save("photo.png")
    return folder


@pytest.mark.parametrize("name", WRITING)
def test_no_command_writes_over_what_it_reads(own, refused, name):
    model = "bare.onnx" if name == "prepare" else "own.onnx"
    before = {file: file.read_bytes() for file in own.iterdir()}
    refused(name, model, *WRITING[name], model)
    if "photo.png" in WRITING[name]:
        assert "the command reads it; give" in refused(name, model, *WRITING[name], "photo.png")
    # A link leads to the same file.
    Path("link.png").symlink_to("photo.png")
    if "photo.png" in WRITING[name]:
        refused(name, model, *WRITING[name], "link.png")
    assert all(file.read_bytes() == data for file, data in before.items())


def test_files_inside_of_other_arguments_are_read_as_well(own, refused):
    start = ("--parameterization", 'start("photo.png")')
    for target in (("-o", "photo.png"), ("--sheet", "photo.png"), ("--strip", "photo.png")):
        assert "the command reads it; give" in refused(
            "render", "own.onnx", "mixed4a:1", *STEPS, *start, *target
        )


def test_photographs_are_no_place_for_maps(own, refused):
    Path("photos").mkdir()
    shutil.copyfile("photo.png", "photos/a.png")
    words = "the command reads the pictures there"
    assert words in refused("explain", "own.onnx", "photos", "-o", "photos")
    assert words in refused("examples", "own.onnx", "mixed4a", "photos", "-o", "photos")


def test_weights_beside_the_model_are_read_as_well(own, refused):
    model = onnx.load("own.onnx")
    onnx.save(model, "two.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    assert "holds the weights of two.onnx" in refused(
        "expose", "two.onnx", "mixed4a", "-o", "w.data"
    )
    Path("w.onnx").unlink(missing_ok=True)
    onnx.save(
        onnx.load("own.onnx"),
        "three.onnx",
        save_as_external_data=True,
        location="w.onnx.data",
        size_threshold=0,
    )
    # The weights of the new one would go to a file of that name.
    assert "holds the weights of" in refused("expose", "three.onnx", "mixed4a", "-o", "w.onnx")


@pytest.mark.parametrize("name", ["gradient", "expose", "explain", "render", "prepare"])
def test_what_is_replaced_is_said_once_when_it_is_written(own, run, name):
    out = "out.onnx" if name in ("gradient", "expose", "prepare") else "out.png"
    model = "bare.onnx" if name == "prepare" else "own.onnx"
    Path(out).write_bytes(b"of the user's")
    wrong = run(name, model, *WRITING[name], out, "--layout", "XY")
    assert wrong.exit_code == 2
    assert "replaces" not in wrong.stderr
    result = run(name, model, *WRITING[name], out)
    assert result.exit_code == 0, result.output
    assert result.stderr.count(f"replaces {out}") == 1


@pytest.mark.slow
def test_a_sheet_that_is_replaced_is_said(own, run):
    Path("s.png").write_bytes(b"of the user's")
    result = run("render", "own.onnx", "mixed4a:0-1", *STEPS, "--sheet", "s.png")
    assert result.exit_code == 0, result.output
    assert "replaces s.png" in result.stderr


def test_the_library_does_not_write_a_gradient_over_its_model(own):
    model = osc.load("own.onnx")
    data = Path("own.onnx").read_bytes()
    with pytest.raises(OutputError, match=r"own\.onnx is the model itself"):
        osc.Gradient(model, osc.channel("mixed4a", 1)).save("own.onnx")
    with pytest.raises(OutputError, match=r"own\.onnx is the model itself"):
        osc.Explainer(model, "daisy").save("own.onnx")
    assert Path("own.onnx").read_bytes() == data
