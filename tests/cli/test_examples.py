"""The command `examples`: its files, what it says, what it refuses."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from PIL import Image


@pytest.mark.slow
def test_a_folder(run, folder, tiny, photos):
    result = run("examples", tiny, "mixed4a", "conv5:3", "daisy", photos, "-o", "out")
    assert result.exit_code == 0, result.output
    written = sorted(path.name for path in (folder / "out").iterdir())
    sheets = ["conv5.png", "logits.png", "mixed4a.png"]
    assert written == [*sheets[:1], "examples.json", "examples.npz", *sheets[1:]]
    assert result.stderr.count("warning:") == 1
    assert "broken.jpg: it is no picture; it is left out" in result.stderr
    assert "6 photos by activation, strongest cell; 1 file left out" in result.stdout
    found = json.loads((folder / "out" / "examples.json").read_text())
    assert [unit["name"] for unit in found["units"]][-2:] == ["conv5:3", "logits:0"]
    assert found["units"][-1]["label"] == "daisy"
    assert found["skipped"][0]["path"].endswith("broken.jpg")
    assert osc.read_examples(folder / "out" / "examples.npz").to_json() == found
    with Image.open(folder / "out" / "mixed4a.png") as sheet:
        assert sheet.height > 16 * 100
    # Once more: the same.
    again = run("examples", tiny, "mixed4a", "conv5:3", "daisy", photos, "-o", "out", "-q")
    assert again.exit_code == 0, again.output
    assert json.loads((folder / "out" / "examples.json").read_text()) == found
    assert again.stdout.splitlines()[0].endswith("examples.json")


def test_keys_are_those_of_the_page(run, folder, tiny, photos):
    assert run("examples", tiny, "conv5:3", photos, "-o", "out", "--no-sheets").exit_code == 0
    found = json.loads((folder / "out" / "examples.json").read_text())
    assert set(found) == {"format", "model", "measure", "size", "photos", "skipped", "units"}
    assert set(found["model"]) == {"name", "sha256"}
    assert set(found["skipped"][0]) == {"path", "reason"}
    (unit,) = found["units"]
    assert set(unit) == {"name", "layer", "unit", "label", "photos", "mean", "std", "positive",
                         "most", "least", "quantiles"}  # fmt: skip
    place = {"path", "value", "y", "x", "box", "size"}
    assert set(unit["most"][0]) == set(unit["least"][0]) == place
    assert set(unit["quantiles"][0]) == place | {"quantile"}


def test_by_relevance_without_sheets(run, folder, tiny, photos):
    result = run("examples", tiny, "conv5", photos, "--relevance", "tench", "--by", "mean",
                 "--count", "2", "--no-sheets", "-o", "out")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(list((folder / "out").iterdir())) == 2
    assert "relevance to channel logits:1, mean over all cells" in result.stdout


def test_many_files_that_are_none(run, folder, tiny):
    (folder / "photos").mkdir()
    for number in range(30):
        (folder / "photos" / f"{number}.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "photos" / "z.png")
    result = run("examples", tiny, "conv5:0", "photos")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("it is left out") == 20
    assert "10 more files cannot be read, and are left out" in result.stderr
    assert "1 photo by activation, strongest cell; 30 files left out" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["conv5"], "give TARGET"),
        (["photos"], "give TARGET"),
        (["conv5", "nowhere"], "there is no folder or file nowhere"),
        (["conv9", "photos"], "did you mean"),
        (["conv5:99", "photos"], "conv5 has 12 channels"),
        (["conv5", "photos/broken.jpg"], "it is no picture"),
        (["conv5", "empty"], "there is no picture in the folder empty"),
        (["conv5", "photos", "--relevance", "dasy"], "did you mean 'daisy'"),
        (["conv5", "photos", "-o", "photos/plain.png"], "is no folder"),
        (["conv5", "photos", "--count", "0"], "count must be at least 1"),
    ],
)
def test_refused(refused, folder, tiny, photos, arguments, said):
    (folder / "empty").mkdir()
    assert said in refused("examples", tiny, *arguments)


def test_a_model_that_says_nothing(refused, foreign, photos):
    said = refused("examples", foreign, "conv5", photos)
    assert "give --preprocessing NAME" in said
