"""Units that are dead, practically dead, or cannot be moved are said to be so."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import model
from onnx import helper

QUICK = {"steps": 3, "size": 16, "provider": "cpu"}


def _unit(weight, bias=0.0):
    """A network whose unit 1 has such weights."""
    weights = np.ones((2, 3, 1, 1), np.float32)
    weights[1] = weight
    given = {"w": weights, "b": np.array([0, bias], np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    return osc.load(
        model(nodes, {"x": (np.float32, (1, 3, 16, 16))}, ["y"], given), input_range=(0, 1)
    )


@pytest.mark.parametrize("optimizer", [None, "host"])
@pytest.mark.parametrize(
    ("weight", "bias", "said"),
    [
        (0, 0, "stayed at 0 in all 3 steps"),
        (1e-41, 0, "below the smallest normal number: the unit is practically dead"),
        (1e-42, 5, "had no gradient with respect to the picture, or none above"),
        (1e-30, 0, ""),
    ],
)
def test_what_is_said(weight, bias, said, optimizer):
    class Host(osc.Adam):
        """An optimizer of the user's, which runs on the host."""

    chosen = {} if optimizer is None else {"optimizer": Host()}
    picture = osc.render(_unit(weight, bias), "y:1", **QUICK, **chosen)
    about = [text for text in picture.warnings if "objective" in text]
    assert len(about) == bool(said)
    assert all(said in text for text in about)


def test_one_step_is_not_all_steps():
    picture = osc.render(_unit(0), "y:1", **QUICK | {"steps": 1})
    assert any("stayed at 0 in the one step: the unit never fired" in t for t in picture.warnings)
