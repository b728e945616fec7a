"""Imports go one way: the tree passes, and what would lead back up is found and named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The package as it is installed, in a folder where it can be changed."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.typed")
    shutil.copytree(ROOT / "engine", tmp_path / "onnxscope", ignore=unwanted)
    for name in ("models", "cli", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / "onnxscope" / name, ignore=unwanted)
    return tmp_path


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    # The folder in which it runs is the first in which it looks for the package.
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=checkout,
        capture_output=True,
        text=True,
    )


def test_the_tree_keeps_its_contract(checkout: Path) -> None:
    done = lint(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line", "arrow"),
    [
        (
            "graph/words.py",
            "from ..pictures.picture import Picture",
            "onnxscope.graph is not allowed to import onnxscope.pictures",
        ),
        # Not even when it is called, nor between rooms that stand side by side.
        (
            "rules/table.py",
            "def late():\n    from ..expansions import registry",
            "onnxscope.rules is not allowed to import onnxscope.expansions",
        ),
    ],
    ids=["from below", "side by side"],
)
def test_an_import_that_leads_back_up_is_named(
    checkout: Path, module: str, line: str, arrow: str
) -> None:
    path = checkout / "onnxscope" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
    done = lint(checkout)
    assert done.returncode == 1, done.stdout + done.stderr
    assert arrow in done.stdout


@pytest.mark.slow
def test_the_structure_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "measure_structure.py")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert " modules in " in lines[0]
    assert " arrows, " in lines[1]
    assert lines[2:] == ["no circle"]
