"""Recipes that are none, or lead nowhere."""

from __future__ import annotations

import json
import sys

import onnxscope as osc
import pytest
from onnxscope.errors import InputError, ModelError, TargetError


@pytest.mark.parametrize("given", [None, 3, ["a"]], ids=str)
def test_what_is_no_recipe(given: object) -> None:
    with pytest.raises(InputError, match="a recipe is read from"):
        osc.Recipe.from_text(given)
    with pytest.raises(InputError, match="path must be a path"):
        osc.read_recipe(given)
    with pytest.raises(InputError, match="remake takes a recipe"):
        osc.remake(given)


@pytest.mark.slow
def test_a_model_of_an_impossible_name(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, "fire2:3", size=48, steps=1, provider="cpu")
    data = json.loads(picture.recipe.to_text())
    data["model"] = {"name": "../x\0y", "sha256": "0"}
    with pytest.raises(ModelError, match="zero byte"):
        osc.remake(osc.Recipe.from_text(json.dumps(data)))


@pytest.mark.slow
def test_as_many_objectives_as_pictures(squeezenet: osc.Model) -> None:
    both = osc.each([osc.channel("fire2", 3), osc.channel("fire2", 4)])
    with pytest.raises(InputError, match="2 objectives make 2 pictures; leave batch=3 out"):
        osc.render(squeezenet, both, batch=3, size=48, steps=1)
    assert len(osc.render(squeezenet, both, size=48, steps=1, provider="cpu").images) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stepz": 3}, "a recipe has no 'stepz'; did you mean 'steps'"),
        ({"steps": None, "seed": None}, "its steps and its seed are missing"),
        ({"steps": 10**5000}, "a number in it has 5001 digits, more than 1000"),
        ({"objective": {"custom": None}}, None),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(
    squeezenet: osc.Model, change: dict[str, object], message: str | None
) -> None:
    picture = osc.render(squeezenet, "fire2:3", size=48, steps=1, provider="cpu")
    data = json.loads(picture.recipe.to_text()) | change
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    text = json.dumps({name: value for name, value in data.items() if value is not None})
    sys.set_int_max_str_digits(limit)
    if message is None:
        with pytest.raises(TargetError, match="the name of code of its author's, which must be"):
            osc.remake(osc.Recipe.from_text(text))
        return
    with pytest.raises(InputError, match=f"the recipe is damaged: {message}"):
        osc.remake(osc.Recipe.from_text(text))
