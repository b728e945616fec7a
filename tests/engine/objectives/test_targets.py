"""What a target means: a layer, a unit, a class."""

from __future__ import annotations

from typing import Any

import onnxscope as osc
import pytest
from onnxscope.errors import LayerError, TargetError
from onnxscope.objectives.labels import find_classes
from onnxscope.objectives.targets import resolve


@pytest.mark.parametrize(
    ("target", "arguments", "objective"),
    [
        ("fire8:5", {}, osc.channel("fire8", 5)),
        ("fire8:5", {"reduction": "sum"}, osc.channel("fire8", 5, reduction="sum")),
        ("fire8:5", {"objective": "neuron"}, osc.neuron("fire8", 5)),
        ("fire8:5", {"objective": "neuron", "y": 7, "x": 7}, osc.neuron("fire8", 5, y=7, x=7)),
        ("fire8:5", {"objective": "neuron", "token": 0}, osc.neuron("fire8", 5, token=0)),
        ("fire8", {}, osc.layer("fire8")),
        ("fire8:5", {"negative": True}, -osc.channel("fire8", 5)),
        ("fire8:5", {"preactivation": True}, osc.before_activation(osc.channel("fire8", 5))),
        (
            "fire8:5",
            {"preactivation": True, "negative": True},
            -osc.before_activation(osc.channel("fire8", 5)),
        ),
        ("-fire8:5", {}, -osc.channel("fire8", 5)),
        ("-fire8:5", {"negative": True}, osc.channel("fire8", 5)),
        ("-fire8:5@7,7", {}, -osc.neuron("fire8", 5, y=7, x=7)),
        ("-daisy", {}, -osc.channel("logits", 985)),
        (
            "-fire8:5",
            {"preactivation": True},
            -osc.before_activation(osc.channel("fire8", 5)),
        ),
        ("daisy", {}, osc.channel("logits", 985)),
        ("Daisy ", {}, osc.channel("logits", 985)),
        ("985", {}, osc.channel("logits", 985)),
    ],
)
def test_targets(
    squeezenet: osc.Model, target: str, arguments: dict[str, Any], objective: osc.Objective
) -> None:
    assert resolve(squeezenet, target, **arguments) == objective


@pytest.mark.parametrize(
    ("target", "arguments", "error", "message"),
    [
        ("fire8:5", {"objective": "chanel"}, TargetError, "did you mean 'channel'"),
        ("fire8:5", {"y": 3}, TargetError, "y and x are the position of a neuron"),
        ("fire8:5", {"token": 3}, TargetError, "token is the position of a neuron"),
        ("fire8", {"reduction": "sum"}, TargetError, "not for a layer"),
        ("fire8:5", {"objective": "layer"}, TargetError, "takes a whole layer: fire8"),
        ("fire8", {"objective": "neuron"}, TargetError, "needs a unit: fire8:UNIT"),
        ("fire8:5", {"reduction": "max"}, TargetError, "'mean' or 'sum', not 'max'"),
        (
            "fire8:5",
            {"objective": "neuron", "token": 0, "x": 1},
            TargetError,
            "at a token, not at both",
        ),
        ("", {}, TargetError, "names no layer"),
        (":3", {}, TargetError, "names no layer"),
        ("fire8:x", {}, TargetError, "'x' is no unit"),
        ("fire88:3", {}, LayerError, "did you mean 'fire8'"),
        ("-fire88:3", {}, LayerError, "no layer 'fire88'; did you mean 'fire8'"),
        ("-", {}, TargetError, "names no layer"),
        ("dasy", {}, LayerError, "no layer and no class 'dasy'.*'daisy'"),
        ("1000", {}, LayerError, "1000 channels, 0 to 999"),
    ],
)
def test_targets_that_mean_nothing(
    squeezenet: osc.Model,
    target: str,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message) as caught:
        resolve(squeezenet, target, **arguments)
    assert "\n" not in str(caught.value)


def test_classes_by_name() -> None:
    labels = ["tench, Tinca tinca", "crane", "Crane", "crane, machine"]
    assert find_classes(labels, "tinca tinca") == [0]
    # Whole labels come before parts of them, and exact case before any.
    assert find_classes(labels, "crane") == [1]
    assert find_classes(labels, "CRANE") == [1, 2]
    assert find_classes(labels, "machine") == [3]
    assert find_classes(labels, "heron") == []
