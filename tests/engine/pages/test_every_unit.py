"""`osc.microscope`: gone on with where it was, ended in time, and what it gives back."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OnnxscopeError, TargetError
from onnxscope.pages.growing import Work
from onnxscope.store.filling import Filling
from PIL import Image

HOW = {"units": "0:2", "size": 48, "steps": 2, "provider": "cpu"}


def test_it_makes_what_render_makes_and_goes_on_where_it_was(squeezenet: osc.Model, tmp_path):
    told: list[int] = []

    def first_alone(filling: Filling) -> bool:
        assert "0 are made" in (tmp_path / "p" / "index.html").read_text()
        told.append(filling.made)
        return False

    asked = {"kinds": ["channel", "neuron"], **HOW}
    begun = osc.microscope(squeezenet, tmp_path / "p", "fire3", callback=first_alone, **asked)
    assert (told, begun.filling.interrupted, begun.finished) == ([1], True, False)
    with pytest.raises(InputError, match="no neuron yet"):
        begun.picture("fire3:1", "neuron")
    done = osc.microscope(squeezenet, tmp_path / "p", ["fire3"], **asked)
    assert (done.filling.there, done.filling.made, done.finished) == (1, 3, True)
    assert (done.photos, done.scores) == (None, None)
    assert done.page == tmp_path / "p" / "index.html"
    assert "4 of 4 pictures" in repr(done)
    alone = osc.render(squeezenet, osc.neuron("fire3", 1), size=48, steps=2, provider="cpu")
    assert osc.read_recipe(done.picture("fire3:1", "neuron")) == alone.recipe
    assert done.known("fire3:1")["looks"][0]["mean"] == pytest.approx(
        squeezenet.activations(
            np.asarray(Image.open(done.picture("fire3:1")).convert("RGB")), "fire3"
        )["fire3"][0, 1].mean(),
        rel=0.02,  # the file is of 256 steps
    )
    assert done.export().name == "units.json"


@pytest.mark.parametrize(
    ("target", "kind", "error", "words"),
    [
        ("fire3:7", "channel", TargetError, "no unit that is here, as those of fire3"),
        ("fire4:0", "channel", TargetError, "no unit that is here, as those of fire3"),
        ("fire3", "channel", TargetError, "one unit"),
        ("fire3:0", "chanel", InputError, "did you mean 'channel'"),
        ("fire3:0", "scores", InputError, "kind must be one of channel, not 'scores'"),
    ],
)
def test_what_is_not_there(squeezenet: osc.Model, tmp_path, target, kind, error, words):
    nothing = osc.microscope(squeezenet, tmp_path / "p", "fire3", kinds="channel", seconds=0, **HOW)
    assert nothing.filling.left == 2
    with pytest.raises(error, match=words):
        nothing.known(target, kind)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"eye": "squeezenet"}, "give photos as well"),
        ({"kinds": "scores"}, "photo"),
        ({"shard": "3/2"}, "counted from 1 to 2"),
        ({"layers": []}, "at least one"),
        ({"photos": []}, "photos must be"),
        ({"seconds": -1}, "at least 0"),
    ],
)
def test_what_does_not_fit_writes_nothing(squeezenet: osc.Model, tmp_path, given, words):
    with pytest.raises(OnnxscopeError, match=words):
        osc.microscope(squeezenet, tmp_path / "p", **HOW | given)
    assert not (tmp_path / "p").exists()


@pytest.mark.slow
def test_photographs_are_found_and_scored(squeezenet: osc.Model, tmp_path):
    rng = np.random.default_rng(5)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(20):
        squares = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(squares).resize((72, 72)).save(photos / f"{number:02}.png")
    kinds = ["channel", "examples", "scores"]
    made = osc.microscope(squeezenet, tmp_path / "p", "fire3", kinds=kinds, photos=photos, **HOW)
    assert made.photos is not None
    assert made.scores is not None
    assert made.scores.failed == []
    assert (made.photos.made, made.scores.made, made.finished) == (2, 2, True)
    assert made.known("fire3:1", "examples")["photos"] == 20
    assert made.known("fire3:1", "scores")["photos"][0] == 8
    # Of two shards one looks at photographs, and photographs of an earlier run stay.
    other = Work.prepared(squeezenet, tmp_path / "p", "fire3", shard="2/2", photos=photos, **HOW)
    assert (other.look(), other.score()) == (None, None)
    stays = osc.microscope(squeezenet, tmp_path / "p", "fire3", kinds=kinds, **HOW)
    assert stays.known("fire3:1", "examples")["photos"] == 20
