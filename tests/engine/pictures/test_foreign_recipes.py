"""Recipes that are none, or lead nowhere."""

from __future__ import annotations

import json

import onnxscope as osc
import pytest
from onnxscope.errors import InputError, ModelError


@pytest.mark.parametrize("given", [None, 3, ["a"]], ids=str)
def test_what_is_no_recipe(given: object) -> None:
    with pytest.raises(InputError, match="a recipe is read from"):
        osc.Recipe.from_text(given)
    with pytest.raises(InputError, match="a recipe is read from a file"):
        osc.read_recipe(given)
    with pytest.raises(InputError, match="remake takes a recipe"):
        osc.remake(given)


def test_a_model_of_an_impossible_name(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, "fire2:3", size=48, steps=1, provider="cpu")
    data = json.loads(picture.recipe.to_text())
    data["model"] = {"name": "../x\0y", "sha256": "0"}
    with pytest.raises(ModelError, match="zero byte"):
        osc.remake(osc.Recipe.from_text(json.dumps(data)))


def test_as_many_objectives_as_pictures(squeezenet: osc.Model) -> None:
    both = osc.each([osc.channel("fire2", 3), osc.channel("fire2", 4)])
    with pytest.raises(InputError, match="2 objectives make 2 pictures; leave batch=3 out"):
        osc.render(squeezenet, both, batch=3, size=48, steps=1)
    assert len(osc.render(squeezenet, both, size=48, steps=1, provider="cpu").images) == 2
