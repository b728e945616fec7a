"""The command `microscope`: pages of every unit, gone on with, and what is said of it."""

from __future__ import annotations

import pytest
from onnxscope.cli.running import FAILED
from onnxscope.pages.growing import Work
from onnxscope.store.scores import Scoring

SMALL = ("--units", "0:2", "--size", "32", "--steps", "1", "--provider", "cpu")
KINDS = ("--what", "channel,neuron")


@pytest.mark.slow
def test_it_goes_on_where_it_was(run, tiny, folder):
    made = run("microscope", tiny, "mixed4a", *SMALL, *KINDS, "-o", "scope", "--time", "0s")
    assert made.exit_code == 0, made.output
    assert "0 made, 0 there already, 4 left; the same command again makes the rest" in made.stdout
    made = run("microscope", tiny, "mixed4a", *SMALL, *KINDS, "-o", "scope")
    assert "4 made, 0 there already" in made.stdout
    assert "4 pictures of 2 units in 1 layer, 32×32 pixels, 1 step" in made.stderr
    assert (folder / "scope" / "mixed4a.html").is_file()
    again = run("microscope", tiny, "mixed4a", *SMALL, *KINDS, "-o", "scope", "-q")
    assert again.stdout.split() == ["scope/index.html"]
    other = run("microscope", tiny, "mixed4a", *SMALL, *KINDS, "-o", "scope", "--seed", "3")
    assert "made otherwise than before: seed 3, before 0" in other.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("mixed9", "-o", "scope"), "mixed9"),
        (("mixed4a", "-o", "scope", "--what", "chanel"), "did you mean 'channel'"),
        (("mixed4a", "-o", "scope", "--quality", "god"), "did you mean 'good'"),
        (("mixed4a", "-o", "scope", "--time", "soon"), "90m, 8h"),
        (("mixed4a", "-o", "scope", "--shard", "3/2"), "counted from 1 to 2"),
        (("mixed4a", "-o", "scope", "--units", "5:5"), "holds none"),
        (("mixed4a", "-o", "."), "has files in it"),
        (("mixed4a", "-o", "scope", "--scheduler", "local:0"), "local:1"),
        (("mixed4a", "-o", "scope", "--scheduler", "local:x"), "local:x must be local:1"),
        (("mixed4a", "-o", "scope", "--batch-size", "0"), "--batch-size must be at least 1"),
        (("mixed4a", "-o", "file"), "file is a file"),
    ],
)
def test_what_does_not_fit_is_a_sentence(run, tiny, folder, given, words):
    (folder / "file").touch()
    result = run("microscope", tiny, *given)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.slow
def test_photographs_are_looked_at_and_everything_is_exported(run, tiny, folder, photos):
    options = (*SMALL, "--what", "channel,examples", "-o", "scope", "--photos", photos)
    made = run("microscope", tiny, "mixed4a", *options, "--export", "json,npz")
    assert made.exit_code == 0, made.output
    assert (folder / "scope" / "units.json").is_file()
    assert (folder / "scope" / "values.npz").is_file()
    assert '"examples":' in (folder / "scope" / "units.json").read_text()
    again = run("microscope", tiny, "mixed4a", *SMALL, "--what", "channel", "-o", "scope")
    assert "2 there already" in again.stdout
    refused = run("microscope", tiny, "mixed4a", "-o", "scope", "--export", "jsn")
    assert refused.exit_code == 2
    assert "json or npz" in refused.stderr


def test_scores_that_fail_are_said_and_counted(run, tiny, folder, monkeypatch):
    def failed(work, *, done):
        return Scoring(2, failed=[("mixed4a", "the second network cannot be run")])

    monkeypatch.setattr(Work, "score", failed)
    made = run("microscope", tiny, "mixed4a", *SMALL, "--what", "channel", "-o", "scope")
    assert made.exit_code == FAILED
    assert "scores of mixed4a: the second network cannot be run" in made.stderr
    assert "2 made" in made.stdout
