"""Several units in one target."""

from __future__ import annotations

import onnxscope as osc
import pytest
from onnxscope.errors import LayerError, TargetError
from onnxscope.objectives.ranges import expand_targets


@pytest.mark.parametrize(
    ("targets", "single"),
    [
        (["fire5:3"], ["fire5:3"]),
        (["fire5:0-3"], ["fire5:0", "fire5:1", "fire5:2", "fire5:3"]),
        (["fire5:7,2-3"], ["fire5:7", "fire5:2", "fire5:3"]),
        (["fire5:2–3, 5"], ["fire5:2", "fire5:3", "fire5:5"]),
        (["fire5:4-4"], ["fire5:4"]),
        (["fire5:0-1", "daisy", "fire5:1", "fire4"], ["fire5:0", "fire5:1", "daisy", "fire4"]),
        (["281-283"], ["281", "282", "283"]),
        (["fire5/squeeze1x1:0-1"], ["fire5/squeeze1x1:0", "fire5/squeeze1x1:1"]),
    ],
)
def test_targets_of_several_units(squeezenet: osc.Model, targets, single):
    assert expand_targets(squeezenet, targets) == single


@pytest.mark.parametrize(
    ("targets", "kind", "words"),
    [
        (["fire5:3-1"], TargetError, "the range 3-1 of 'fire5:3-1' counts down; write 1-3"),
        (["fire5:0-256"], LayerError, "256 channels, 0 to 255; there is no channel 256"),
        (["fire5:0-99999999999"], LayerError, "there is no channel 99999999999"),
        (["fire5:0", "fire5:256"], LayerError, "there is no channel 256"),
        (["fire55:0-3"], LayerError, "no layer 'fire55'; did you mean 'fire5'"),
        (["fire5:1,fire6:2"], TargetError, "several targets: write them apart, fire5:1 fire6:2"),
        (["daisy,tench"], TargetError, "write them apart, daisy tench, without commas"),
        (["998-1000"], LayerError, "there is no channel 1000"),
    ],
)
def test_what_is_refused(squeezenet: osc.Model, targets, kind, words):
    with pytest.raises(kind, match=words):
        expand_targets(squeezenet, targets)


@pytest.mark.parametrize(
    "target", ["fire5:0-", "fire5:-3", "fire5:1,,2", "fire5:1-2-3", "fire5:a-b"]
)
def test_what_is_no_list(squeezenet: osc.Model, target):
    with pytest.raises(TargetError, match="is no unit; expected a number, such as fire5:0"):
        osc.render(squeezenet, target, size=32, steps=1)


@pytest.mark.slow
def test_render_takes_several_units(squeezenet: osc.Model):
    settings = {"size": 48, "steps": 2, "provider": "cpu"}
    listed = osc.render(squeezenet, ["fire3:3", "fire3:4", "fire2:1"], **settings)
    ranges = osc.render(squeezenet, ["fire3:3-4", "fire2:1"], **settings)
    assert listed.recipe == ranges.recipe
    assert (listed.images == ranges.images).all()
    assert osc.render(squeezenet, "fire3:3-4", **settings).recipe.batch == 2
