"""The benchmark of examples: both ways find the same values."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.mark.slow
def test_both_find_the_same(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        photo = rng.integers(0, 256, (300, 260, 3), np.uint8)
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    # In a process of its own, whose memory is the benchmark's alone.
    command = [sys.executable, "-m", "onnxscope.benchmarks.examples", str(tmp_path)]
    options = ["--layer", "fire2", "--rounds", "2", "--json"]
    done = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["photos"] == 6
    assert found["values differ by"] < 1e-3
    assert found["peak of memory, MiB"] < 1024
