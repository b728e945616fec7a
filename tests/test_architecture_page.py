"""The page that says where to find what names every module, once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = (
    "engine",
    "engine/graph",
    "engine/rules",
    "engine/expansions",
    "models",
    "cli",
    "benchmarks",
)


@pytest.mark.parametrize("part", PARTS)
def test_every_module_is_on_the_page(part: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^### `{part}/`.*?(?=^##)", page, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = Counter(name for row in rows for name in re.findall(r"`(\w+\.py)`", row))
    modules = [file.name for file in (ROOT / part).glob("*.py") if "__" not in file.name]
    assert named == Counter(modules)
