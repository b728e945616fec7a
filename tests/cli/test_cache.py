"""`onnxscope cache`, and what render does with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnxscope import cache

SHORT = ("--steps", 2, "--size", 32, "--provider", "cpu")


@pytest.fixture
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(tmp_path / "kept"))
    monkeypatch.delenv(cache.VARIABLE)
    return tmp_path / "kept" / "graphs"


def test_path_size_and_clear(run, tiny, graphs):
    assert run("cache", "path").stdout.strip() == str(graphs)
    assert run("cache", "size").stdout == "0 B of at most 1.07 GB\n"
    assert run("render", tiny, "mixed4a:3", *SHORT).exit_code == 0
    assert run("cache", "size").stdout.endswith(" kB of at most 1.07 GB\n")
    assert list(graphs.glob("*.graph"))
    assert run("cache", "clear").stdout.endswith(" kB removed\n")
    assert list(graphs.iterdir()) == []


@pytest.mark.slow
def test_render_without_it(run, tiny, graphs):
    first = run("render", tiny, "mixed4a:3", *SHORT, "--no-cache", "-o", "a.png")
    assert first.exit_code == 0
    assert not graphs.exists()
    for name in ("b.png", "c.png"):
        assert run("render", tiny, "mixed4a:3", *SHORT, "-o", name).exit_code == 0
    again = run("render", "--recipe", "c.png", "--no-cache", "-o", "d.png")
    assert again.exit_code == 0
    assert len({Path(f"{letter}.png").read_bytes() for letter in "abcd"}) == 1
