"""What code of the user's gives back is checked where it comes in, and the code is named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, OperatorError, TargetError
from onnxscope.graph.given_back import fits_in
from onnxscope.objectives.algebra import Leaf
from onnxscope.transforms.base import Transform

GIVEN = [None, 3.0, (1, 2), np.ones(1)]


def render(model: osc.Model, objective: object = "fire2:3", **options: object) -> osc.Picture:
    return osc.render(model, objective, size=48, steps=1, provider="cpu", **options)


@pytest.mark.parametrize("result", GIVEN, ids=str)
def test_an_objective(squeezenet: osc.Model, result: object) -> None:
    class Mine(Leaf):
        def layers(self):
            return ("fire2",)

        def build(self, seen):
            return result

    with pytest.raises(TargetError, match=r"objective .* must give a symbolic value"):
        render(squeezenet, Mine())


@pytest.mark.parametrize("layers", ["fire2", 3, (3,), None])
def test_the_layers_of_an_objective(squeezenet: osc.Model, layers: object) -> None:
    class Mine(Leaf):
        def layers(self):
            return layers

        def build(self, seen):
            return seen["fire2"][:, 0].mean((1, 2))

    with pytest.raises(TargetError, match="layers of Mine must be a tuple of names"):
        osc.Gradient(squeezenet, Mine(), provider="cpu")(np.zeros((48, 48, 3)))


def test_a_layer_that_was_not_declared(squeezenet: osc.Model) -> None:
    class Mine(Leaf):
        def layers(self):
            return ("fire2",)

        def build(self, seen):
            return seen["fire3"][:, 0].mean((1, 2))

    with pytest.raises(TargetError, match="'fire3', but says that it reads fire2"):
        render(squeezenet, Mine())


@pytest.mark.parametrize("result", GIVEN, ids=str)
def test_a_transform(squeezenet: osc.Model, result: object) -> None:
    class Mine(Transform):
        def apply(self, image, data):
            return result

    with pytest.raises(InputError, match="the transform Mine must give a symbolic value"):
        render(squeezenet, transforms=[Mine()])


def test_a_transform_to_one_colour(squeezenet: osc.Model) -> None:
    class Grey(Transform):
        def apply(self, image, data):
            return image[:, :1]

    with pytest.raises(InputError, match="Grey must give pictures of 1×3×48×48, not 1×1×48×48"):
        render(squeezenet, transforms=[Grey()])


@pytest.mark.parametrize("result", GIVEN, ids=str)
def test_a_parameterization(squeezenet: osc.Model, result: object) -> None:
    @dataclass(frozen=True)
    class Mine(osc.Pixels):
        def image(self, parameters, height, width):
            return result

    with pytest.raises(InputError, match="the parameterization Mine must give a symbolic value"):
        render(squeezenet, parameterization=Mine())


@pytest.mark.parametrize("result", GIVEN[1:], ids=str)
def test_a_rule(result: object) -> None:
    mine = osc.RuleTable()
    mine.define("Sin", lambda op, dy, x: result)
    with pytest.raises(OperatorError, match=r"the gradient rule of Sin .* symbolic value"):
        osc.check_rule("Sin", osc.standard_rules() | mine, [np.ones((2, 3))])


def test_a_rule_of_another_shape() -> None:
    mine = osc.RuleTable()
    mine.define("Sin", lambda op, dy, x: dy.mean())
    found = osc.check_rule("Sin", osc.standard_rules() | mine, [np.ones((2, 3))])
    assert found.wrong == ("x0",)
    assert "the gradient rule of Sin" in str(found)
    assert "gives the shape () for its input 0, whose shape is (2, 3)" in str(found)


@pytest.mark.parametrize("rule", [3, lambda: 3, lambda op: 3], ids=["3", "none", "one"])
def test_what_is_no_rule(rule: object) -> None:
    with pytest.raises(OperatorError, match=r"f\(op, dy, x\)"):
        osc.RuleTable().define("Sin", rule)


@pytest.mark.parametrize("name", [3, "Sinus"])
def test_a_rule_of_no_operator(name: object) -> None:
    with pytest.raises(OperatorError, match="ONNX has no operator"):
        osc.RuleTable().define(name, lambda op, dy, x: dy)


@pytest.mark.parametrize("rules", [3, {}])
def test_what_is_no_table(squeezenet: osc.Model, rules: object) -> None:
    with pytest.raises(InputError, match="rules must be"):
        render(squeezenet, rules=rules)
    with pytest.raises(OperatorError, match="joined with another"):
        osc.standard_rules() | rules


@pytest.mark.parametrize(
    ("given", "target", "fits"),
    [
        ((2, 3), (2, 3), True),
        ((4, 2, 3), (2, 3), True),
        ((2, 3), (1, 3), True),
        (("N", 3), (2, 3), True),
        ((3,), (2, 3), False),
        ((2, 1), (2, 3), False),
        ((), (), True),
        ((2,), (), True),
    ],
)
def test_a_cotangent_fits_its_value(given: tuple, target: tuple, fits: bool) -> None:
    assert fits_in(given, target) is fits
