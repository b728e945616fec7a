"""Photographs as files, of every kind, some of which are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures of noise and colours in two folders, and three files that are none."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(11)
    (folder / "inside").mkdir()
    for number in range(40):
        height, width = rng.integers(16, 60, 2)
        colour = rng.random(3)
        pixels = colour + 0.4 * (rng.random((height, width, 3)) - 0.5)
        image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
        where = folder / "inside" if number % 3 == 0 else folder
        image.save(where / f"{number:03}.{'jpg' if number % 2 else 'png'}")
    (folder / "broken.jpg").write_bytes(b"no picture")
    whole = (folder / "001.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("not looked at")
    return folder
