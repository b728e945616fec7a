"""What the README and the pages beside it say to type: Python runs, commands are understood."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
import typer
from onnxscope import models
from onnxscope.cli.app import app
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every line that begins with `onnxscope`, with the page's name."""
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            whole = block.replace("\\\n", " ").splitlines()
            lines = (line for line in whole if line.startswith("onnxscope "))
            found += [(page.name, line) for line in lines]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_is_understood(page, line):
    name, *arguments = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app).commands[name]
    while hasattr(command, "commands") and arguments and arguments[0] in command.commands:
        command = command.commands[arguments.pop(0)]
    command.make_context(name, arguments)  # fails where an option or argument is unknown


@pytest.mark.slow
def test_the_snippet_runs(monkeypatch, tmp_path):
    """The README's Python, statement by statement, in a few steps on small pictures."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).save("dog.jpg")
    Path("photos").mkdir(exist_ok=True)
    for number in range(12):
        other = rng.integers(0, 256, (70, 70, 3), np.uint8) // (number + 1)
        Image.fromarray(other).save(f"photos/{number}.jpg")
    np.savez("sae.npz", directions=rng.standard_normal((20, 512)).astype(np.float32))
    shutil.copy(models.fetch("squeezenet"), "other.onnx")
    names = {
        "photo": rng.random((64, 64, 3), np.float32),
        "probe": rng.standard_normal(512).astype(np.float32),
        "np": np,
    }
    for called in ("render", "accentuate", "compare", "diversify", "dream"):
        monkeypatch.setattr(osc, called, _quick(getattr(osc, called)))
    monkeypatch.setattr(osc, "examples", partial(osc.examples, size=64))
    for called in ("unit_spectrum", "score"):
        monkeypatch.setattr(osc, called, partial(getattr(osc, called), steps=2))
    # All units of a layer.
    small = {"units": "11", "size": 32, "steps": 1, "provider": "cpu"}
    monkeypatch.setattr(osc, "microscope", partial(osc.microscope, **small))
    # A small picture for each of hundreds of cells, and of thousands in earlier layers.
    quick = partial(osc.blocks, layers=["fire5", "fire8"], steps=1, size=32, groups=(2,))
    monkeypatch.setattr(osc, "blocks", quick)
    (snippet,) = blocks(ROOT / "README.md", "python")
    for statement in ast.parse(snippet).body:
        source = ast.unparse(statement)
        try:
            exec(source, names)
        except Exception as error:
            pytest.fail(f"{source}\n{type(error).__name__}: {error}")


def _quick(function: Any) -> Any:
    def called(*given: Any, **named: Any) -> Any:
        size = (64, 80) if isinstance(named.get("size"), tuple) else 64
        return function(*given, **named | {"size": size, "steps": 2, "provider": "cpu"})

    return called
