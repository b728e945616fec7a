"""Parts of the user's own: they work, are named in recipes, and are given again."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.transforms.base import Transform

QUICK = {"size": 32, "steps": 3, "provider": "cpu", "batch": 2, "seed": 3}


class Tint:
    """A random colour for each picture."""

    def inputs(self, count, height, width):
        return {"tint": ((count, 3, 1, 1), np.float32)}

    def draw(self, rng, count, height, width):
        return {"tint": rng.normal(0, 0.1, (count, 3, 1, 1)).astype(np.float32)}

    def apply(self, image, data):
        return image + data["tint"]


class Softer(Transform):
    """Nothing random."""

    def apply(self, image, data):
        return image * 0.9 + 0.05


class Grey:
    """A picture without colours."""

    def parameters(self, count, height, width):
        return {"light": ((count, 1, height, width), np.float32)}

    def initial(self, rng, count, height, width):
        return {"light": rng.normal(0, 0.1, (count, 1, height, width)).astype(np.float32)}

    def image(self, parameters, height, width):
        light = parameters["light"]
        return light.op.Sigmoid(light.op.Concat(light, light, light, axis=1))


class Climb:
    """Steps of one size."""

    def reset(self):
        pass

    def update(self, parameters, gradients):
        for name, gradient in gradients.items():
            parameters[name] += 0.05 * np.sign(gradient)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "given", "written"),
    [
        (
            "transforms",
            [Tint(), osc.pad(2), osc.flip(), Softer(), osc.noise(0.1)],
            [
                {"custom": "Tint"},
                {"pad": 2, "color": 0.5},
                {"flip": {"horizontal": True, "vertical": False}},
                {"custom": "Softer"},
                {"noise": 0.1},
            ],
        ),
        ("parameterization", Grey(), {"custom": "Grey"}),
        ("optimizer", Climb(), {"custom": "Climb"}),
    ],
)
def test_a_part_of_ones_own_is_named_and_given_again(
    squeezenet: osc.Model, part: str, given: object, written: object
) -> None:
    picture = osc.render(squeezenet, "fire2:3", **QUICK, **{part: given})
    assert picture.images.std() > 0.001
    recipe = osc.Recipe.from_text(json.dumps(json.loads(picture.recipe.to_text())))
    assert vars(recipe)[part] == written
    with pytest.raises(InputError, match=f"can only name .* pass it to remake as {part}=…"):
        osc.remake(recipe, squeezenet)
    again = osc.remake(recipe, squeezenet, **{part: given})
    np.testing.assert_array_equal(again.images, picture.images)
    assert again.recipe == picture.recipe


@pytest.mark.slow
@pytest.mark.parametrize(
    "transforms",
    [
        [osc.pad(4), osc.flip(), osc.homography(0.5), osc.jitter(5), osc.noise(0.1)],
        [osc.noise(0.05), osc.rotate([-3, 3]), osc.noise(0.05), osc.scale([0.9, 1.1])],
    ],
)
def test_pictures_are_made_again_through_every_kind(
    squeezenet: osc.Model, transforms: list[Transform]
) -> None:
    picture = osc.render(squeezenet, "fire2:3", **QUICK, transforms=transforms)
    recipe = osc.Recipe.from_text(picture.recipe.to_text())
    np.testing.assert_array_equal(osc.remake(recipe, squeezenet).images, picture.images)


@pytest.mark.slow
def test_an_older_recipe_makes_the_same_picture(squeezenet: osc.Model) -> None:
    picture = osc.render(squeezenet, "fire2:3", **QUICK)
    older = [
        {"pad": [12.0], "color": 0.5},
        {"jitter": [8.0]},
        {"scale": [0.9, 0.92, 0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06, 1.08, 1.1]},
        {"rotate": [*(float(degrees) for degrees in range(-10, 11)), 0.0, 0.0, 0.0, 0.0, 0.0]},
        {"jitter": [4.0]},
    ]
    recipe = osc.Recipe(**{**vars(picture.recipe), "transforms": older})
    again = osc.remake(recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


def test_what_is_not_as_declared_stops_in_words(squeezenet: osc.Model) -> None:
    class Other(Tint):
        def draw(self, rng, count, height, width):
            return {"tint": np.zeros((count, 3, 1, 1))}

    class Larger(Grey):
        def initial(self, rng, count, height, width):
            return {"light": np.zeros((count, 1, height, width + 1), np.float32)}

    class Unsaid(Tint):
        def inputs(self, count, height, width):
            return ["tint"]

    class NoOptimizer:
        def update(self, parameters, gradients):
            pass

    for part, given, message in (
        (
            "transforms",
            [Other()],
            r"Other gives 'tint' as float64 \(2, 3, 1, 1\), but declares float",
        ),
        (
            "parameterization",
            Larger(),
            r"Larger gives 'light' as float32 \(2, 1, 32, 33\), but decl",
        ),
        ("transforms", [Unsaid()], r"Unsaid must declare arrays by name, not \['tint'\]"),
        ("optimizer", NoOptimizer(), r"such as Adam\(0.05\), not .*: it has no reset"),
    ):
        with pytest.raises(osc.OnnxscopeError, match=message) as caught:
            osc.render(squeezenet, "fire2:3", **QUICK, **{part: given})
        assert "\n" not in str(caught.value)
