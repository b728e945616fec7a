"""Write docs/tutorial.ipynb from docs/tutorial.py: `python docs/make_tutorial.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent
_CELL = re.compile(
    r"^# %%(?P<kind> \[markdown\])?\n(?P<text>.*?)(?=^# %%|\Z)", re.DOTALL | re.MULTILINE
)


def cells(source: str) -> list[tuple[str, str]]:
    """Return the cells of a script, each its kind and its text."""
    found = []
    for match in _CELL.finditer(source):
        text = match["text"].strip("\n")
        if match["kind"]:
            found.append(("markdown", re.sub(r"^# ?", "", text, flags=re.MULTILINE)))
        else:
            found.append(("code", text))
    return found


def notebook(source: str) -> str:
    """Return a notebook of these cells, without outputs, as JSON."""
    entries = []
    for number, (kind, text) in enumerate(cells(source)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        entries.append(cell | {"source": text.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    book = {"cells": entries, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    text = notebook((FOLDER / "tutorial.py").read_text(encoding="utf-8"))
    (FOLDER / "tutorial.ipynb").write_text(text, encoding="utf-8")
