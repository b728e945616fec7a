"""`onnxscope blocks`: a page, and what is refused before any work."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo(folder):
    pixels = (np.random.default_rng(1).random((60, 80, 3)) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "cat.png")
    return folder / "cat.png"


GIVEN = ("--layers", "mixed4a,conv5", "--steps", 1, "--side", 16, "--groups", 2)


@pytest.mark.slow
def test_a_page(run, folder, photo, tiny):
    Image.open(photo).rotate(90).save(folder / "dog.png")
    result = run("blocks", tiny, photo, "dog.png", *GIVEN, "-o", "out/page")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("out/page/index.html\n  2 photos, mixed4a, conv5: ")
    text = (folder / "out/page/index.html").read_text()
    assert "cat.png" in text
    assert "dog.png" in text
    assert (folder / "out/page/photos/dog/layer-2-cells.webp").is_file()


@pytest.mark.slow
def test_without_groups(run, folder, photo, tiny):
    given = [*GIVEN[:-1], 0]
    result = run("blocks", tiny, photo, *given, "--layers", "conv5", "--classes", 0)
    assert result.exit_code == 0, result.output
    text = (folder / "blocks/index.html").read_text()
    assert "groups-count" not in text
    assert "channels-classes" not in text


def test_what_is_refused(refused, folder, photo, tiny, foreign):
    assert "numbers from 1 to 64" in refused("blocks", tiny, photo, "--groups", "few")
    assert "numbers from 1 to 64" in refused("blocks", tiny, photo, "--groups", "0-8")
    assert "none.png" in refused("blocks", tiny, "none.png")
    assert "has no cells" in refused("blocks", tiny, photo, "--layers", "logits")
    assert "mixed4b" in refused("blocks", tiny, photo, "--layers", "mixed4b")
    assert "--preprocessing" in refused("blocks", foreign, photo)
    (folder / "taken").write_text("")
    assert "taken is no folder" in refused("blocks", tiny, photo, "-o", "taken")
