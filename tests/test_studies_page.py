"""The page of studies: each command is on it, and its pictures are there and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "studies.md").read_text(encoding="utf-8")
COMMANDS = ["compare", "diversity", "interpolate", "arithmetic", "invert", "caricature",
            "accentuate", "dream", "style"]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_each_study_has_a_command_and_a_small_picture(name):
    assert f"\nonnxscope {name} " in PAGE
    assert f"(studies/{name}.jpg)" in PAGE
    assert 2_000 < (DOCS / "studies" / f"{name}.jpg").stat().st_size <= 40_000


def test_no_picture_is_left_over():
    shown = set(re.findall(r"\(studies/(\w+)\.jpg\)", PAGE))
    assert shown == set(COMMANDS) == {path.stem for path in (DOCS / "studies").glob("*.jpg")}
