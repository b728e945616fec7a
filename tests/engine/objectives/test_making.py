"""Every kind of objective is written down and read back; what cannot be is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxscope.errors import InputError, TargetError
from onnxscope.objectives import algebra, encoders, others, photos, registry, units
from onnxscope.objectives.registry import from_json

A, B = units.Channel("fire8", 5), units.LayerEnergy("fire2")

PHOTO = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)

EXAMPLES: dict[str, list[algebra.Objective]] = {
    "number": [algebra.Number(3), algebra.Number(-0.25)],
    "sum": [A + B, A - B - 2, A + (B + A)],
    "product": [A * B, 2 * A],
    "negative": [-A, algebra.Negative(-A)],
    "each": [osc.each([A]), osc.each([A, -B])],
    "before_activation": [osc.before_activation(A)],
    "channel": [A, units.Channel("fire8", 5, "sum")],
    "neuron": [
        units.Neuron("fire8", 5),
        units.Neuron("fire8", 5, y=0, x=3),
        units.Neuron("encoder", 5, token=0),
    ],
    "layer": [B],
    "direction": [
        osc.direction("fire5", [1, 2, 0.25]),
        osc.direction("fire5", [1, 2], cosine=2, whitening=[[1, 2], [3, 4]], y=3),
        osc.direction("fire5", [1, -2], box=(0, 0.25, 0.5, 1)),
        osc.direction("fire5", [1, -2], mask=[[0, 1, 2]]),
        osc.direction("encoder", [1, -2], token=4),
        osc.dictionary([[1, 2], [3, 4]], "fire5", names=["a", "b"])["b"],
    ],
    "directions": [
        osc.directions("fire5", [[1, 2], [3, -4]]),
        osc.directions("fire5", [[1, 2]], cosine=2, radius=0),
    ],
    "each_unit": [
        osc.each_unit("fire5", [8, 9]),
        osc.each_unit("fire5", [8], least=True, radius=0),
    ],
    "seen_by": [
        others.SeenBy(A, "other.onnx", "0" * 64),
        others.SeenBy(A - B, "other.onnx", "0" * 64, '{"input_range": [0, 1]}'),
    ],
    "encoded": [
        encoders.Encoded("fire5", "sae.onnx", "0" * 64, 3),
        encoders.Encoded("fire5", "sae.onnx", "0" * 64, 3, "latents", radius=0),
    ],
    "cosine": [osc.cosine("fire5", [1, 2]), osc.cosine("fire5", [1], radius=2)],
    "channels": [osc.channels("fire5", {3: 1, 5: -2.5}), osc.neurons("fire5", 3, x=0)],
    "logit": [osc.logit("daisy"), osc.logit(3, layer="scores")],
    "probability": [osc.probability("daisy"), osc.probability(3, log=True)],
    "toward": [osc.toward(A, 3), osc.toward(A - B, -0.5)],
    "diversity": [osc.diversity("fire5")],
    "alignment": [osc.alignment("fire5"), osc.alignment("fire5", 3)],
    "sharpness": [osc.sharpness()],
    "boundary": [osc.boundary(), osc.boundary(8, constant=0)],
    "difference": [photos.difference("fire5", PHOTO), photos.difference("fire5", PHOTO, "l1")],
    "inversion": [osc.inversion("fire5", PHOTO)],
    "caricature": [osc.caricature("fire5", PHOTO), osc.caricature("fire5", PHOTO, cosine=0)],
    "style": [osc.style(["fire2", "fire3"], PHOTO), osc.style("fire2", PHOTO / 255)],
    "distance": [osc.distance(PHOTO)],
    "statistics": [osc.statistics("fire5", [1, 2, 3], [0, 1, 2])],
    "distribution": [
        osc.distribution("fire5", np.random.default_rng(0).random((2, 3, 4, 5))),
        osc.distribution("fire5", np.random.default_rng(0).random((2, 3, 4, 5)), [0, 1, 0.5]),
    ],
    "opacity": [osc.opacity()],
    "linf": [osc.linf(), osc.linf(0.25)],
    "total_variation": [osc.total_variation()],
    "l1": [osc.l1(), osc.l1(0)],
    "l2": [osc.l2(), osc.l2(constant=0.25)],
}
"""Some of each kind; a kind without an example fails."""


@pytest.mark.parametrize("name", registry.kinds())
def test_every_kind_goes_through_a_recipe(name: str) -> None:
    for objective in EXAMPLES[name]:
        text = json.dumps(objective.to_json(), allow_nan=False)
        assert next(iter(objective.to_json())) == name
        again = from_json(json.loads(text))
        assert again == objective
        assert type(again) is registry.kinds()[name]
        assert str(again) == str(objective)
        # Another writer may sort the keys.
        assert from_json(json.loads(json.dumps(objective.to_json(), sort_keys=True))) == objective


def _combined(smaller: st.SearchStrategy[osc.Objective]) -> st.SearchStrategy[osc.Objective]:
    pairs = st.tuples(smaller, smaller)
    return st.one_of(
        pairs.map(lambda pair: pair[0] + pair[1]),
        pairs.map(lambda pair: pair[0] - pair[1]),
        pairs.map(lambda pair: pair[0] * pair[1]),
        smaller.map(lambda one: -one),
        smaller.map(osc.before_activation),
        smaller.map(lambda one: osc.toward(one, 1.5)),
        st.lists(smaller, min_size=1, max_size=3).map(osc.each),
    )


LEAVES = [
    example
    for name in EXAMPLES
    for example in EXAMPLES[name]
    if not example.parts() and not example.mixes_pictures
]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.recursive(st.sampled_from(LEAVES), _combined, max_leaves=20))
def test_any_expression_goes_through_a_recipe(objective: osc.Objective) -> None:
    text = json.dumps(objective.to_json())
    again = from_json(json.loads(text))
    assert again == objective
    assert str(again) == str(objective)
    assert again.layers() == objective.layers()
    # For some of the pictures it is of the same kind of thing, and all of it for all of them.
    assert objective.part(0, 3).layers() == objective.layers()
    assert not objective.mixes_pictures


def test_a_recipe_as_text_nested_too_deeply_is_refused(squeezenet: osc.Model) -> None:
    recipe = osc.render(squeezenet, "fire2:1", size=32, steps=1, provider="cpu").recipe
    deep = json.dumps(recipe.objective)
    for count in (301, 100_000):
        nested = '{"negative": ' * count + deep + "}" * count
        text = recipe.to_text().replace(deep, nested)
        assert nested in text
        with pytest.raises((InputError, TargetError), match=r"recur|nested more than 300 deep"):
            osc.remake(osc.Recipe.from_text(text), squeezenet)


def test_objectives_are_written_down_and_read_back() -> None:
    objective = -(2 * osc.channel("a", 1, reduction="sum") - osc.neuron("b", 2, y=3)) * osc.layer(
        "c"
    ) + (1 - osc.neuron("a", 0))
    text = json.dumps(objective.to_json())
    assert from_json(json.loads(text)) == objective
    assert str(osc.channel("a", 1) - osc.channel("b", 2)) == "channel a:1 − channel b:2"
    assert objective.layers() == ("a", "b", "c")


@pytest.mark.parametrize(
    ("written", "objective", "words"),
    [
        ('{"channel": ["fire8", 5], "reduction": "mean"}', A, "channel fire8:5"),
        (
            '{"channel": ["fire8", 5], "reduction": "sum"}',
            osc.channel("fire8", 5, reduction="sum"),
            "channel fire8:5 (sum)",
        ),
        (
            '{"neuron": ["fire8", 5], "y": null, "x": null}',
            osc.neuron("fire8", 5),
            "neuron fire8:5",
        ),
        (
            '{"neuron": ["fire8", 5], "y": 7, "x": 7}',
            osc.neuron("fire8", 5, y=7, x=7),
            "neuron fire8:5 at y=7, x=7",
        ),
        (
            '{"neuron": ["encoder", 5], "y": null, "x": null, "token": 0}',
            osc.neuron("encoder", 5, token=0),
            "neuron encoder:5 at token 0",
        ),
        ('{"layer": "fire2"}', B, "layer fire2"),
        ('{"number": 2}', algebra.Number(2.0), "2"),
        ('{"sum": [{"layer": "fire2"}, {"number": -1.5}]}', B + -1.5, "layer fire2 − 1.5"),
        (
            '{"sum": [{"sum": [{"layer": "a"}, {"negative": {"layer": "b"}}]}, {"layer": "c"}]}',
            osc.layer("a") - osc.layer("b") + osc.layer("c"),
            "layer a − layer b + layer c",
        ),
        (
            '{"sum": [{"layer": "a"}, {"sum": [{"layer": "b"}, {"layer": "c"}]}]}',
            osc.layer("a") + (osc.layer("b") + osc.layer("c")),
            "layer a + (layer b + layer c)",
        ),
        (
            '{"product": [{"sum": [{"layer": "a"}, {"layer": "b"}]}, {"number": 2.0}]}',
            (osc.layer("a") + osc.layer("b")) * 2,
            "(layer a + layer b) × 2",
        ),
        ('{"each": [{"layer": "fire2"}]}', osc.each([B]), "layer fire2"),
        ('{"negative": {"layer": "a"}}', -osc.layer("a"), "−layer a"),
        (
            '{"before_activation": {"layer": "a"}}',
            osc.before_activation(osc.layer("a")),
            "layer a before activation",
        ),
    ],
)
def test_recipes_of_the_first_version_are_read(
    written: str, objective: osc.Objective, words: str
) -> None:
    assert from_json(json.loads(written)) == objective
    assert str(objective) == words


def test_an_old_sum_of_hundreds_is_read() -> None:
    data: Any = {"layer": "a"}
    for _ in range(300):
        data = {"sum": [data, {"layer": "b"}]}
    assert from_json(data) == sum([osc.layer("b")] * 300, osc.layer("a"))


def test_a_recipe_nested_too_deeply_is_refused() -> None:
    data: dict[str, object] = {"layer": "fire5"}
    for _ in range(900):
        data = {"negative": data}
    with pytest.raises(TargetError, match="nested more than 300 deep"):
        from_json(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "None is unknown; this version has number, sum, product"),
        ([], "is unknown"),
        ({}, "is unknown"),
        ({1: 2}, "is unknown"),
        ({"chanel": ["a", 1]}, "{'chanel': .*} is unknown"),
        ({"channel": ["fire5"]}, "damaged: 'channel' must hold a list of layer, unit"),
        ({"channel": ["fire5", 3, 4], "reduction": "mean"}, "must hold a list of layer, unit"),
        ({"channel": "fire5"}, "must hold a list of layer, unit"),
        ({"channel": [5, 3]}, "its layer must be text, not 5"),
        ({"channel": ["a", 3.5]}, "its unit must be a whole number, not 3.5"),
        ({"channel": ["a", True]}, "its unit must be a whole number, not True"),
        ({"channel": ["a", 3], "reduction": "max"}, "'mean' or 'sum', not 'max'"),
        ({"channel": ["a", 3], "reductions": "sum"}, "no 'reductions'; did you mean 'reduction'"),
        (
            {"channel": ["a", 3], "layer": "b"},
            "'layer' stands beside 'channel'",
        ),
        ({"neuron": ["a", 3], "y": "a", "x": 0}, "its y must be a whole number, not 'a'"),
        ({"neuron": ["a", 3], "y": 1, "token": 0}, "at y and x, or at a token, not at both"),
        ({"neuron": ["a", 3], "token": -1}, "token of a neuron must be at least 0, not -1"),
        ({"number": float("inf")}, "must be finite, not inf"),
        ({"l1": {"grey": 1}}, "l1 has no 'grey'"),
        ({"l1": {"constant": "x"}}, "its constant must be a number, not 'x'"),
        ({"l1": 3}, "'l1' must hold an object of constant, and stand alone"),
        ({"total_variation": []}, "'total_variation' must hold an object of nothing"),
        ({"number": None}, "its value must be a number, not None"),
        ({"sum": []}, "a sum takes a list of objectives, at least one"),
        ({"sum": 3}, "its terms must be a list, not 3"),
        ({"sum": [{"layer": "a"}, 3]}, "3 is unknown"),
        ({"sum": [{"sum": 3}, {"layer": "a"}]}, "its terms must be a list, not 3"),
        ({"product": [{"layer": "a"}]}, "'product' must hold a list of left, right"),
        ({"each": []}, "each takes a list of objectives, at least one"),
        ({"negative": {"layer": 3}}, "its layer must be text"),
        ({"custom": "mine", "layers": ["a"]}, "only name the objective 'mine', which is code of"),
        ({"negative": {"layers": ["a"], "custom": "mine"}}, "remake as objective=…"),
    ],
)
def test_a_damaged_objective_gets_one_clear_sentence(data: Any, message: str) -> None:
    with pytest.raises(TargetError, match=message) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: units.Channel("a", 1, "max"), "'mean' or 'sum', not 'max'"),
        (lambda: units.Channel("a", 1.5), "the unit of a channel must be a whole number"),
        (lambda: units.Neuron("a", "b"), "the unit of a neuron must be a whole number"),
        (lambda: units.LayerEnergy(3), "a layer is given by its name, such as 'mixed4a', not 3"),
        (lambda: algebra.Number(float("nan")), "a number in an objective must be finite"),
        (lambda: algebra.Negative(3), "expected an objective such as channel"),
        (lambda: algebra.Product(A, 3), "expected an objective such as channel"),
    ],
)
def test_classes_check_what_recipes_check(make: Any, message: str) -> None:
    with pytest.raises((InputError, TargetError), match=message):
        make()
