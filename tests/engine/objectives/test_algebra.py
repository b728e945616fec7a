"""Objectives combined: values, gradients, words, and to each picture its own."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import TargetError
from onnxscope.objectives.algebra import Leaf, Negative, Number, Objective, Product, Sum
from onnxscope.objectives.own_objectives import Each
from onnxscope.objectives.registry import from_json
from onnxscope.objectives.seen import Seen

QUICK = {"size": 64, "steps": 6, "provider": "cpu"}


@pytest.mark.slow
def test_an_algebra_of_objectives(squeezenet: osc.Model) -> None:
    images = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    a, b = osc.channel("fire4", 9), osc.neuron("fire5", 3)

    def evaluate(objective: osc.Objective) -> tuple[np.ndarray, np.ndarray]:
        return osc.Gradient(squeezenet, objective, provider="cpu")(images)

    (va, ga), (vb, gb) = evaluate(a), evaluate(b)
    value, gradient = evaluate(2 * a - b * 3 + 1)
    np.testing.assert_allclose(value, 2 * va - 3 * vb + 1, rtol=1e-5)
    np.testing.assert_allclose(gradient, 2 * ga - 3 * gb, atol=1e-5 * np.abs(gradient).max())
    value, gradient = evaluate(a * b)
    np.testing.assert_allclose(value, va * vb, rtol=1e-5)
    product = ga * vb.reshape(2, 1, 1, 1) + gb * va.reshape(2, 1, 1, 1)
    np.testing.assert_allclose(gradient, product, atol=1e-5 * np.abs(product).max())


@pytest.mark.slow
def test_before_activation_is_the_pre_relu_layer(squeezenet: osc.Model) -> None:
    images = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)

    def evaluate(objective: osc.Objective) -> tuple[np.ndarray, np.ndarray]:
        return osc.Gradient(squeezenet, objective, provider="cpu")(images)

    # Behind a join of two ReLUs, and of a layer that no activation function made.
    for given, wanted in (
        (osc.neuron("fire8", 300), osc.neuron("fire8_pre_relu", 300)),
        (osc.channel("conv10", 3), osc.channel("conv10", 3)),
    ):
        value, gradient = evaluate(osc.before_activation(given))
        expected_value, expected = evaluate(wanted)
        np.testing.assert_array_equal(value, expected_value)
        np.testing.assert_array_equal(gradient, expected)
    objective = -osc.before_activation(osc.channel("fire8", 5) + osc.channel("fire7", 2))
    assert from_json(objective.to_json()) == objective


def test_objectives_in_words() -> None:
    a, b, c = osc.channel("a", 1), osc.layer("b"), osc.neuron("c", 2)
    negative = -b
    for objective, words in (
        (-negative, "layer b"),
        (sum([a, b]), "channel a:1 + layer b"),
        (a - negative, "channel a:1 + layer b"),
        (a - (b + c), "channel a:1 − (layer b + neuron c:2)"),
        (a + (b - c), "channel a:1 + (layer b − neuron c:2)"),
        (a + (-b + c), "channel a:1 + (−layer b + neuron c:2)"),
        (a - 2, "channel a:1 − 2"),
        (a + -2 * b, "channel a:1 − 2 × layer b"),
        (a * -b, "channel a:1 × (−layer b)"),
        ((a - b) * c, "(channel a:1 − layer b) × neuron c:2"),
        (-(a + b), "−(channel a:1 + layer b)"),
        (osc.before_activation(-a), "(−channel a:1) before activation"),
        (from_json({"negative": {"negative": {"layer": "b"}}}), "−(−layer b)"),
    ):
        assert str(objective) == words


def test_a_part_of_an_objective_belongs_to_its_pictures() -> None:
    a, b, c = (osc.channel("l", unit) for unit in range(3))
    objective = 2 * osc.each([a, b, c]) - osc.layer("m")
    assert objective.part(1, 3) == 2 * osc.each([b, c]) - osc.layer("m")
    assert objective.part(0, 1) == 2 * a - osc.layer("m")
    before = -osc.before_activation(osc.each([a, b]) * c)
    assert before.part(1, 2) == -osc.before_activation(b * c)
    assert before.parts() == (osc.before_activation(osc.each([a, b]) * c),)
    assert before.layers() == ("l",)


def test_sums_are_flat_to_the_left() -> None:
    a, b, c, d = (osc.channel("l", unit) for unit in range(4))
    assert (a + b + c - d).parts() == (a, b, c, -d)
    assert ((a + b) + (c + d)).parts() == (a, b, c + d)
    assert (1 + (a + b)).parts()[1] == a + b
    assert sum([a, b, c]) == a + b + c


def test_a_sum_of_a_thousand_channels() -> None:
    objective = sum(osc.channel("fire2", unit % 128) for unit in range(1000))
    assert len(objective.parts()) == 1000
    assert str(objective).count(" + ") == 999
    assert from_json(json.loads(json.dumps(objective.to_json()))) == objective


@pytest.mark.slow
def test_a_sum_of_hundreds_is_computed(squeezenet: osc.Model) -> None:
    objective = sum(osc.channel("fire2", unit % 128) for unit in range(200))
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(image)
    means = squeezenet.activations(image, "fire2")["fire2"].mean((0, 2, 3))
    counts = np.bincount(np.arange(200) % 128)
    np.testing.assert_allclose(value[0], (means * counts).sum(), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("pile", ["product", "negative"])
def test_objectives_nested_as_deeply_as_a_recipe_may_be(squeezenet: osc.Model, pile: str) -> None:
    objective = osc.layer("fire2")
    for _ in range(300):
        objective = Product(objective, Number(1)) if pile == "product" else Negative(objective)
    picture = osc.render(squeezenet, objective, size=32, steps=1, provider="cpu")
    again = from_json(osc.Recipe.from_text(picture.recipe.to_text()).objective)
    assert again.to_json() == objective.to_json()
    for deeper in (-(0 + objective * 1), [objective, objective]):
        with pytest.raises(TargetError, match=r"objective is nested 30. deep, at most 300"):
            osc.render(squeezenet, deeper, **QUICK)


class Apart(Leaf):
    """How far each picture's channel means are from those of all pictures."""

    def layers(self) -> tuple[str, ...]:
        return ("fire2",)

    def build(self, seen: Seen) -> osc.Tensor:
        means = seen["fire2"].mean((2, 3))
        return ((means - means.mean(0, keepdims=True)) ** 2).sum(1)

    @property
    def mixes_pictures(self) -> bool:
        return True


def test_an_objective_that_compares_pictures_is_one_for_all_of_them() -> None:
    a, b = osc.channel("fire2", 1), osc.channel("fire2", 2)
    assert not (a + osc.each([a, b])).mixes_pictures
    assert (osc.each([a, b]) + 2 * Apart()).mixes_pictures
    assert (-osc.before_activation(Apart())).mixes_pictures
    with pytest.raises(TargetError, match=r"Apart × 2 compares all pictures, .* add it to"):
        Each((a, Apart() * 2))


def test_nobody_forgets_what_an_objective_has_to_say() -> None:
    class Half(Objective):
        def layers(self) -> tuple[str, ...]:
            return ()

    with pytest.raises(TypeError, match=r"mixes_pictures.*part.*parts"):
        Half()  # type: ignore[abstract]


@pytest.mark.parametrize("make", [Sum, Each])
def test_lists_of_objectives_hold_objectives(make: type) -> None:
    with pytest.raises(TargetError, match="takes a list of objectives, at least one"):
        make(())
    with pytest.raises(TargetError, match="expected an objective such as channel"):
        make((osc.layer("a"), "b:1"))
