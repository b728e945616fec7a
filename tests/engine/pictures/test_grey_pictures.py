"""A picture that stays grey says why, and what to render instead."""

from __future__ import annotations

import re

import numpy as np
import onnxscope as osc
import pytest
from graphs import model
from onnx import helper

pytestmark = pytest.mark.usefixtures("kept_graphs")

QUICK = {"steps": 80, "provider": "cpu"}


def network(kind: str, scale: float = 1.0) -> osc.Model:
    rng = np.random.default_rng(0)
    kernel = 0.3 * rng.standard_normal((8, 3, 5, 5)).astype(np.float32)
    weights = {"w": kernel, "b": np.full(8, -60, np.float32)}
    conv = helper.make_node("Conv", ["x", "w"], ["c"], pads=[2] * 4)
    shifted = helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[2] * 4)
    squashed = helper.make_node("Sigmoid", ["c"], ["s"])
    if kind == "classifier":
        weights["v"] = scale * rng.standard_normal((8, 10)).astype(np.float32)
        nodes = [
            conv,
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("GlobalAveragePool", ["r"], ["g"]),
            helper.make_node("Flatten", ["g"], ["f"]),
            helper.make_node("MatMul", ["f", "v"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["y"]),
        ]
    elif kind == "gate":
        nodes = [shifted, squashed, helper.make_node("Transpose", ["s"], ["y"], perm=[0, 1, 3, 2])]
    else:
        weights["u"] = rng.standard_normal((4, 8, 3, 3)).astype(np.float32)
        nodes = [shifted, squashed, helper.make_node("Conv", ["s", "u"], ["y"], pads=[1] * 4)]
    used = {name for node in nodes for name in node.input}
    given = {name: array for name, array in weights.items() if name in used}
    inputs = {"x": (np.float32, (1, 3, 32, 32))}
    return osc.load(model(nodes, inputs, ["y"], given), input_range=(0, 1))


def followed(picture: osc.Picture, loaded: osc.Model) -> osc.Picture:
    """What the one warning says to render."""
    (warning,) = picture.warnings
    target = re.search(r"render what goes into it, (\S+)$", warning)
    assert target, warning
    return osc.render(loaded, target[1], **QUICK)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "unit"), [("gate", 3), ("hidden", 1)])
def test_a_saturated_sigmoid_is_named(kind, unit):
    loaded = network(kind)
    picture = osc.render(loaded, f"y:{unit}", **QUICK)
    assert "s is the result of a Sigmoid that is saturated (" in picture.warnings[0]
    assert picture.images.std() < 0.01
    better = followed(picture, loaded)
    assert better.warnings == ()
    assert better.images.std() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("scale", [200.0, 25.0])
def test_a_saturated_softmax_is_named(scale):
    loaded = network("classifier", scale)
    chances = loaded.activations(np.full((32, 32, 3), 0.5), "y")["y"][0]
    unit = int(chances.argmin())
    picture = osc.render(loaded, f"y:{unit}", **QUICK)
    assert f"y:{unit} has next to no gradient: y is the result of a Softmax" in picture.warnings[0]
    assert picture.warnings[0].endswith(f"scores:{unit}")
    better = followed(picture, loaded)
    assert better.warnings == ()
    assert better.images.std() > 0.1
    # Of several pictures, the one that is grey.
    both = osc.render(loaded, [f"scores:{unit}", f"y:{unit}"], **QUICK)
    assert both.warnings == picture.warnings


def test_what_is_not_saturated_is_not_accused():
    loaded = network("classifier")
    assert osc.render(loaded, "y:3", **QUICK).warnings == ()


def test_terms_that_outweigh_each_other():
    loaded = network("classifier")
    objective = osc.channel("c", 1) - 1e4 * osc.l2()
    (warning,) = osc.render(loaded, objective, **QUICK).warnings
    assert "stayed nearly uniform: a term of the objective outweighs the others" in warning
    # Few steps leave every picture pale.
    assert osc.render(loaded, "c:1", steps=2, provider="cpu").warnings == ()
