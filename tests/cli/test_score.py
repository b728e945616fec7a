"""The command `score`: a row for each unit, or JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

QUICK = ("--steps", 3, "--provider", "cpu")


@pytest.fixture
def many(folder):
    """Twelve photographs."""
    (folder / "many").mkdir()
    rng = np.random.default_rng(1)
    for number in range(12):
        pixels = rng.random(3) + 0.5 * rng.random((50, 50, 3)) - 0.25
        photo = (np.clip(pixels, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / "many" / f"{number}.png")
    return folder / "many"


@pytest.mark.slow
def test_a_row_each(run, folder, tiny, foreign, many):
    result = run("score", tiny, "conv5:1-2", "daisy", many, "--eye", tiny, *QUICK)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["unit", "superstimulus", "agreement", "path"]
    assert [line.split()[0] for line in lines[1:]] == ["conv5:1", "conv5:2", "logits:0"]
    assert lines[3].endswith("daisy")
    assert list(folder.iterdir()) == [many]


@pytest.mark.slow
def test_json_of_a_picture(run, folder, tiny, many):
    assert run("examples", tiny, "conv5", many, "--no-sheets", "-o", "e").exit_code == 0
    assert run("render", tiny, "conv5:1", "-o", "p.png", *QUICK).exit_code == 0
    asked = ("score", tiny, "conv5:1", "e/examples.npz", "--eye", tiny, "--json")
    result = run(*asked, "--picture", "p.png", "--provider", "cpu")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    (rendered,) = json.loads(run(*asked, *QUICK).stdout)
    assert found == rendered
    assert found["photos"] == [8, 4]
    assert set(found) == {"name", "label", "superstimulus", "agreement", "path", "value", "best",
                          "eye", "photos", "layers"}  # fmt: skip
    assert set(found["layers"][0]) == {"layer", "similarity", "picture", "photos", "others"}
    assert 0 <= found["agreement"] <= 1
    assert [layer["layer"] for layer in found["layers"]][-1] == "conv5"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["conv5:1", "photos"], "scores need 4 photos"),
        (["conv5:1"], "give TARGET"),
        (["conv5:0-1", "many", "--picture", "photos/plain.png"], "--picture is of one target"),
        (["conv5:1", "many", "--picture", "photos/plain.png"], "the picture is 60×80"),
        (["l2()", "many"], "scores are of units"),
    ],
)
def test_refused(run, tiny, photos, many, arguments, said):
    result = run("score", tiny, *arguments, "--eye", tiny, *QUICK)
    assert result.exit_code == 2
    assert said in result.stderr
