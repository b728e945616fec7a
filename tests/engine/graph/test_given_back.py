"""What code of the user's gives back is checked where it comes in, and the code is named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import AscentError, InputError, OperatorError, TargetError
from onnxscope.graph.given_back import fits_in
from onnxscope.objectives.algebra import Leaf
from onnxscope.transforms.base import Transform

GIVEN = [None, 3.0, (1, 2), np.ones(1)]
SPECTRUM = "parameters.spectrum"


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


def test_a_parameter_that_was_not_declared(squeezenet: osc.Model) -> None:
    @dataclass(frozen=True)
    class Mine(osc.Pixels):
        def image(self, parameters, height, width):
            return super().image({"pixels": parameters["pixel"]}, height, width)

    with pytest.raises(InputError, match=r"Mine asks for 'pixel', .* did you mean 'pixels'"):
        render(squeezenet, parameterization=Mine())


def test_data_that_were_not_declared(squeezenet: osc.Model) -> None:
    class Mine(Transform):
        def apply(self, image, data):
            return image + data["noise"]

    with pytest.raises(InputError, match="Mine asks for 'noise', but declares nothing"):
        render(squeezenet, transforms=[Mine()])


@pytest.mark.parametrize(
    "written",
    [{"custom": object()}, [1], None, {"custom": np.nan}],
    ids=["object", "list", "None", "nan"],
)
def test_the_recipe_of_an_objective(squeezenet: osc.Model, written: object) -> None:
    class Mine(Leaf):
        def layers(self):
            return ("fire2",)

        def build(self, seen):
            return seen["fire2"][:, 0].mean((1, 2))

        def to_json(self):
            return written

    with pytest.raises(TargetError, match=r"to_json of the objective .*Mine must give plain data"):
        render(squeezenet, Mine() - osc.channel("fire2", 3))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_drawn_is_finite(squeezenet: osc.Model, number: float) -> None:
    class Mine(osc.Pixels):
        def initial(self, rng, count, height, width):
            drawn = super().initial(rng, count, height, width)
            return {name: array * np.float32(number) for name, array in drawn.items()}

    with pytest.raises(InputError, match=r"parameterization Mine draws 'pixels' with -?(nan|inf)"):
        render(squeezenet, parameterization=Mine())


def test_a_step_with_data_that_are_not_finite(squeezenet: osc.Model) -> None:
    class Mine(Transform):
        drawn = 0

        def inputs(self, count, height, width):
            return {"shift": ((count,), np.float32)}

        def draw(self, rng, count, height, width):
            self.drawn += 1
            return {"shift": np.full(count, np.nan if self.drawn > 2 else 0, np.float32)}

        def apply(self, image, data):
            return image + data["shift"].reshape(-1, 1, 1, 1)

    given = {"size": 48, "steps": 5, "provider": "cpu", "transforms": [osc.pad(3), Mine()]}
    with pytest.raises(AscentError, match="step 3 failed: the transform Mine draws 'shift' with"):
        osc.render(squeezenet, "fire2:3", **given)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda p: p.update({SPECTRUM: p[SPECTRUM][0]}),
            r"makes float32 \(3, 48, 50\) of parameters.spectrum",
        ),
        (lambda p: p.update({SPECTRUM: p[SPECTRUM] * np.float64(1)}), "makes float64"),
        (lambda p: p.update({SPECTRUM: 3}), "must leave parameters.spectrum an array, not 3"),
        (lambda p: p.clear(), "must keep the parameters parameters.spectrum, and leaves none"),
    ],
)
def test_an_optimizer(squeezenet: osc.Model, change: object, message: str) -> None:
    class Mine:
        def reset(self):
            pass

        def update(self, parameters, gradients):
            change(parameters)

    with pytest.raises(InputError, match=rf"the optimizer Mine {message}") as caught:
        render(squeezenet, optimizer=Mine())
    assert "learning rate" not in str(caught.value)


@pytest.mark.parametrize(
    ("append", "message"),
    [
        (lambda p, s: p, "must append a parameter's successor"),
        (lambda p, s: (p, {}), "has the slots mean, square, and must append those, not "),
        (lambda p, s: (p[:, 0], s), r"makes float32 \(1, 48, 50\) of a parameter"),
        (lambda p, s: (p, {**s, "mean": 3}), "for mean, must give a symbolic value, not 3"),
        (lambda p, s: (s["means"], s), "asks for 'means', .* did you mean 'mean'"),
    ],
)
def test_an_optimizer_in_the_graph(squeezenet: osc.Model, append: object, message: str) -> None:
    class Mine(osc.Adam):
        def append(self, parameter, gradient, slots, schedule):
            return append(parameter, slots)

    with pytest.raises(InputError, match=f"the optimizer Mine.*{message}"):
        render(squeezenet, optimizer=Mine())


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
