"""Units that are dead, practically dead, or cannot be moved are said to be so."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from graphs import model
from onnx import helper
from onnxscope.objectives.algebra import Objective
from onnxscope.objectives.own_units import each_unit
from onnxscope.pictures.series import render_each

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


class Host(osc.Adam):
    """An optimizer of the user's, which runs on the host."""


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
    chosen = {} if optimizer is None else {"optimizer": Host()}
    picture = osc.render(_unit(weight, bias), "y:1", **QUICK, **chosen)
    about = [text for text in picture.warnings if "objective" in text]
    assert len(about) == bool(said)
    assert all(said in text for text in about)


def test_one_step_is_not_all_steps():
    picture = osc.render(_unit(0), "y:1", **QUICK | {"steps": 1})
    assert any("stayed at 0 in the one step: the unit never fired" in t for t in picture.warnings)


WEIGHTS = (1, 0, 1e-41, 1e-42, 1e-39, 1)
"""Of units that live, stay at 0, are practically dead, cannot be moved, hardly, live."""


@pytest.fixture(scope="module")
def units() -> osc.Model:
    """A network of units of all kinds beside each other."""
    weights = np.ones((len(WEIGHTS), 3, 1, 1), np.float32)
    weights *= np.array(WEIGHTS, np.float32)[:, None, None, None]
    bias = np.array([0, 0, 0, 5, 5, 0], np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    graph = model(nodes, {"x": (np.float32, (1, 3, 16, 16))}, ["y"], {"w": weights, "b": bias})
    return osc.load(graph, input_range=(0, 1))


def _channel(number: int) -> Objective:
    return osc.channel("y", number)


def _one_of_all(number: int) -> Objective:
    return each_unit("y", [number])


@pytest.mark.parametrize("optimizer", [None, Host()], ids=["compiled", "host"])
@pytest.mark.parametrize("objective", [_channel, _one_of_all])
def test_it_is_said_of_each_of_a_group_as_if_it_were_alone(units, objective, optimizer):
    chosen: dict[str, Any] = QUICK | {"optimizer": optimizer}
    objectives = [objective(number) for number in range(len(WEIGHTS))]
    alone = [osc.render(units, one, **chosen).warnings for one in objectives]
    assert [bool(said) for said in alone] == [False, True, True, True, True, False]
    assert "which redirected activations and a gradient that leaks alone" in alone[3][0]
    assert "which a gradient that leaks alone" in alone[4][0]
    for size in (2, 3, len(WEIGHTS)):
        made = list(render_each(units, objectives, batch_size=size, **chosen))
        assert [one.picture.warnings for one in made] == alone


def test_it_is_said_of_each_where_their_objectives_are_a_part_of_it(units):
    doubled = osc.render(units, 2 * osc.each([_channel(number) for number in (0, 3, 1)]), **QUICK)
    assert [bool(said) for said in doubled.warnings_by_picture] == [False, True, True]
