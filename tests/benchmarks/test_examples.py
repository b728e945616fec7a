"""The benchmark of examples: both ways find the same values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnxscope.benchmarks import examples
from PIL import Image


@pytest.mark.slow
def test_both_find_the_same(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(6):
        photo = rng.integers(0, 256, (300, 260, 3), np.uint8)
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    assert examples.main([str(tmp_path), "--layer", "fire2", "--rounds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["photos"] == 6
    assert found["values differ by"] < 1e-3
    assert found["peak of memory, MiB"] < 1024
