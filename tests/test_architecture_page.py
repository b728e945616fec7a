"""The page that says where to find what names every room and every module, once."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(
    file.parent.relative_to(ROOT).as_posix()
    for top in ("engine", "models", "cli", "benchmarks")
    for file in (ROOT / top).rglob("__init__.py")
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_is_on_the_page(room: str) -> None:
    (section,) = re.findall(rf"^### `{room}/`.*?(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    named = Counter(name for row in rows for name in re.findall(r"`(\w+\.py)`", row))
    modules = [file.name for file in (ROOT / room).glob("*.py") if "__" not in file.name]
    assert named == Counter(modules)


def test_no_room_is_on_the_page_that_is_not_there() -> None:
    headed = re.findall(r"^### `([\w/]+)/`", PAGE, re.MULTILINE)
    assert {room for room in headed if (ROOT / room / "__init__.py").exists()} == set(ROOMS)
    assert all((ROOT / room).is_dir() for room in headed)


def test_every_room_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = settings["tool"]["setuptools"]["packages"]
    names = [
        ".".join(("onnxscope", *room.split("/")[room.startswith("engine") :])) for room in ROOMS
    ]
    assert sorted(packages) == sorted(names)


def test_what_a_room_says_of_itself_is_on_the_page() -> None:
    """A room's `__init__` is one sentence, and imports nothing."""
    for room in ROOMS:
        if not room.startswith("engine/"):
            continue
        (sentence,) = (ROOT / room / "__init__.py").read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(r'""".+\."""', sentence), room
