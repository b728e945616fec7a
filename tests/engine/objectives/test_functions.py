"""Objectives that are functions or classes of the user's."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import TargetError
from onnxscope.objectives.algebra import Leaf
from onnxscope.objectives.seen import Seen

QUICK = {"size": 64, "steps": 6, "provider": "cpu"}


def test_an_objective_is_one_python_function(squeezenet: osc.Model) -> None:
    @osc.objective("fire4", "fire5")
    def mixed(a: osc.Tensor, b: osc.Tensor) -> osc.Tensor:
        return a[:, 9].mean((1, 2)) + (b[:, 3] ** 2).mean((1, 2)).sqrt()

    images = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    value, _ = osc.Gradient(squeezenet, mixed, provider="cpu")(images)
    layers = squeezenet.activations(images, ["fire4", "fire5"])
    wanted = layers["fire4"][:, 9].mean() + np.sqrt((layers["fire5"][:, 3] ** 2).mean())
    assert value[0] == pytest.approx(wanted, rel=1e-5)

    @osc.objective("fire4")
    def not_a_number(a: osc.Tensor) -> osc.Tensor:
        return a[:, 9]

    with pytest.raises(TargetError, match="one number for each"):
        osc.render(squeezenet, not_a_number, **QUICK)


class Contrast(Leaf):
    """A class of the user's: the variance of a layer."""

    def __init__(self, layer: str) -> None:
        self.layer = layer

    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def build(self, seen: Seen) -> osc.Tensor:
        values = seen[self.layer]
        return ((values - values.mean((1, 2, 3), keepdims=True)) ** 2).mean((1, 2, 3))


@pytest.mark.slow
def test_a_class_of_the_users_is_an_objective(squeezenet: osc.Model) -> None:
    objective = Contrast("fire2") * 2 - osc.channel("fire3", 1)
    assert str(objective) == "Contrast × 2 − channel fire3:1"
    picture = osc.render(squeezenet, objective, batch=2, **QUICK)
    assert picture.values[-1].min() > picture.values[0].max()
    recipe = osc.Recipe.from_text(picture.recipe.to_text())
    assert recipe.objective["sum"][0]["product"][0] == {"custom": "Contrast", "layers": ["fire2"]}
    with pytest.raises(TargetError, match=r"only name the objective 'Contrast'.* as objective=…"):
        osc.remake(recipe, squeezenet)
    again = osc.remake(recipe, squeezenet, objective=objective)
    np.testing.assert_array_equal(again.images, picture.images)


@pytest.mark.slow
def test_remake_takes_what_a_recipe_can_only_name(squeezenet: osc.Model) -> None:
    @osc.objective("fire2")
    def mine(a: osc.Tensor) -> osc.Tensor:
        return (a[:, 3] ** 2).mean((1, 2))

    class Twice(osc.Fourier):
        """Code of the user's in a parameterization."""

    class Slow(osc.Adam):
        """And in an optimizer."""

    class Shift:
        """And in a transform."""

        def inputs(self, count, height, width):
            return {"shift": ((count, 1, 1, 1), np.float32)}

        def draw(self, rng, count, height, width):
            return {"shift": rng.random((count, 1, 1, 1), np.float32)}

        def apply(self, image, data):
            return image + data["shift"]

    own = {
        "objective": osc.channel("fire2", 1) - mine,
        "transforms": [Shift(), osc.pad(4), osc.jitter(2)],
        "parameterization": Twice(sd=0.02),
        "optimizer": Slow(0.03),
        "rules": osc.standard_rules(),
    }
    picture = osc.render(squeezenet, **own, batch=2, **QUICK)
    recipe = osc.Recipe.from_text(picture.recipe.to_text())
    again = osc.remake(recipe, squeezenet, **own)
    np.testing.assert_array_equal(again.images, picture.images)
    assert again.recipe == picture.recipe
    # What is given stands in the recipe's place.
    other = osc.remake(recipe, squeezenet, **own | {"objective": "fire2:5", "transforms": ()})
    assert other.recipe.objective == osc.channel("fire2", 5).to_json()
    assert other.recipe.transforms == []
    for name in ("objective", "transforms", "parameterization", "optimizer"):
        with pytest.raises(osc.OnnxscopeError, match=rf"can only name .* to remake as {name}=…"):
            osc.remake(recipe, squeezenet, **{k: v for k, v in own.items() if k != name})
