"""What all tests of the engine have.

The plain modules in `helpers` are importable, whatever pytest's import mode.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

from drawing import start_anew
from onnxscope import cache


@pytest.fixture(autouse=True)
def _numbers_of_its_own(request: pytest.FixtureRequest) -> None:
    start_anew(request.node.name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of graphs that is turned on."""
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(tmp_path))
    monkeypatch.delenv(cache.VARIABLE)
    return tmp_path / "graphs"
