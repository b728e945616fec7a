"""Every command that reads photographs does so by one reader, which says what is none."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from onnxscope.cli.app import app
from PIL import Image
from typer.main import get_command

QUICK = ("--steps", 1, "--provider", "cpu")

# By command what is typed; PHOTO is a file, PHOTOS a folder of a dozen.
TYPED = {
    "accentuate": ["PHOTO", "conv5:1", *QUICK],
    "blocks": ["PHOTO", "-o", "page", "--groups", 0, "--layers", "conv5", "--steps", 1],
    "caricature": ["PHOTO", "conv5", *QUICK],
    "dream": ["PHOTO", "conv5", "--octaves", 1, *QUICK],
    "examples": ["conv5:1", "PHOTOS", "-o", "found", "--no-sheets"],
    "explain": ["PHOTO", "--provider", "cpu"],
    "inspect": ["--image", "PHOTO"],
    "invert": ["PHOTO", "conv5", *QUICK],
    "microscope": ["conv5", "--units", "0:1", "--photos", "PHOTOS", "--what", "examples",
                   "--quality", "draft", "-o", "scope", "--quiet"],
    "relevance": ["conv5:1", "conv0", "PHOTO", "-o", "counts.npy"],
    "score": ["conv5:1", "PHOTOS", *QUICK],
    "spectrum": ["conv5:1", "PHOTOS", *QUICK],
    "style": ["PHOTO", "PHOTO", *QUICK],
}  # fmt: skip


def _takes_photographs(command) -> bool:
    for parameter in command.params:
        words = f"{parameter.metavar or ''} {getattr(parameter, 'help', '') or ''}"
        argument = parameter.param_type_name == "argument"
        if "PHOTO" in (parameter.metavar or "") or (argument and "hotograph" in words):
            return True
        if parameter.name in ("photo", "photos", "image"):
            return True
    return False


def test_every_command_that_takes_photographs_is_here():
    commands = get_command(app).commands
    assert {name for name, one in commands.items() if _takes_photographs(one)} == set(TYPED)


@pytest.fixture
def dozen(photos: Path, folder: Path) -> Path:
    """The good ones twice, and the bad one."""
    target = folder / "dozen"
    shutil.copytree(photos, target)
    for path in photos.iterdir():
        if path.stem not in ("broken", "notes"):
            shutil.copy(path, target / f"again-{path.name}")
    return target


def _typed(name: str, photo: Path, several: Path) -> list[object]:
    known = {"PHOTO": photo, "PHOTOS": several}
    return [known.get(part, part) for part in TYPED[name]]


@pytest.mark.parametrize("name", TYPED)
def test_photographs_are_read_in_one_place(run, tiny, foreign, photos, dozen, name, monkeypatch):
    """What reads them knows EXIF, CMYK, palettes, 16 bits and animations."""
    readers: set[str] = set()
    opened = Image.open

    def spied(path, *args, **kwargs):
        if Path(path).parent in (photos, dozen):
            readers.add(sys._getframe(1).f_globals["__name__"])
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Image, "open", spied)
    model = foreign if name == "inspect" else tiny
    result = run(name, model, *_typed(name, photos / "turned.jpg", dozen))
    assert result.exit_code == 0, result.output
    assert readers == {"onnxscope.images"}
    if "PHOTOS" in TYPED[name] and "--quiet" not in TYPED[name]:
        assert "broken.jpg: it is no picture; it is left out" in result.stderr


@pytest.mark.parametrize("name", TYPED)
def test_what_is_no_photograph_is_said(run, folder, tiny, foreign, photos, name):
    alone, empty = folder / "alone", folder / "empty"
    alone.mkdir()
    empty.mkdir()
    bad = photos / "broken.jpg"
    shutil.copy(bad, alone)
    model = foreign if name == "inspect" else tiny

    def said(several: Path) -> str:
        result = run(name, model, *_typed(name, bad, several))
        assert result.exit_code == 2, result.output
        (line,) = result.stderr.splitlines()
        return line

    assert re.search(r"broken\.jpg: it is no picture", said(alone))
    if "PHOTOS" in TYPED[name]:
        assert "there is no picture in the folder" in said(empty)
