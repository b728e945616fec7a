"""The tutorial is made of its script, and runs in a kernel from the first cell to the last."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import nbclient
import nbformat
import pytest

DOCS = Path(__file__).parents[1] / "docs"


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_tutorial", DOCS / "make_tutorial.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notebook_is_that_of_the_script():
    script = (DOCS / "tutorial.py").read_text(encoding="utf-8")
    written = (DOCS / "tutorial.ipynb").read_text(encoding="utf-8")
    assert written == _maker().notebook(script), "python docs/make_tutorial.py makes it anew"
    nbformat.validate(nbformat.reads(written, as_version=4))


@pytest.mark.slow
def test_it_runs(tmp_path):
    book = nbformat.read(DOCS / "tutorial.ipynb", as_version=4)
    # As few steps as show whether all of it works.
    for cell in book.cells:
        cell.source = cell.source.replace("steps=96", "steps=8").replace("steps=64", "steps=8")
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources=where).execute()
    shown = [cell.outputs[-1]["data"] for cell in book.cells if cell.get("outputs")]
    assert sum("image/png" in data for data in shown) == 5
    assert sum("text/html" in data for data in shown) == 2
