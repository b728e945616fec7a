"""The gallery: its page is what the script writes, and shows everything that there is."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer
from onnxscope.ascent import registry as optimizers
from onnxscope.ascent.optimizers import OPTIMIZERS
from onnxscope.cli.app import app
from onnxscope.objectives import expressions
from onnxscope.parameterizations import registry as parameterizations
from onnxscope.rules.named import NAMED
from onnxscope.transforms import registry as transforms

DOCS = Path(__file__).parents[1] / "docs"
_MOST = 1_500_000
"""Of all pictures together, in bytes."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_gallery"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_writes(script: ModuleType) -> None:
    assert (DOCS / "gallery.md").read_text("utf-8") == script.page()
    every = [shown for group in script.GROUPS.values() for shown in group]
    assert len({shown.name for shown in every}) == len(every)
    files = {shown.file.name for shown in every}
    assert files == {file.name for file in script.FOLDER.iterdir()}
    assert sum(file.stat().st_size for file in script.FOLDER.iterdir()) < _MOST


@pytest.mark.slow
def test_every_command_is_understood(script: ModuleType) -> None:
    for group in script.GROUPS.values():
        for shown in group:
            name, *words = shlex.split(shown.typed)
            command = typer.main.get_command(app).commands[name]
            command.make_context(name, words)  # fails where an option is unknown


def test_all_that_there_is_is_shown(script: ModuleType) -> None:
    text = " ".join(shown.typed for group in script.GROUPS.values() for shown in group)
    words = set(re.findall(r"\w+", text))
    assert optimizers.from_json({"adam": {}})
    # As targets by themselves.
    apart = {"channel", "neuron", "layer", "array"}
    assert set(expressions._FUNCTIONS) - words <= apart
    called = {"started": "start", "masked": "within", "fixed": "fix", "fourier": "squeezenet"}
    kinds = {called.get(kind, kind) for kind in parameterizations.kinds()}
    assert kinds <= words
    # Slices are moved where there are any; the first four are Lucid's.
    assert set(transforms.kinds()) - words <= {"jitter_depth"}
    assert set(NAMED) <= words
    assert set(OPTIMIZERS.kinds) - {"adam"} <= words
