"""Many units: each picture is what it is alone, and one that fails keeps no other from its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import AscentError, InputError, MemoryShortageError
from onnxscope.pictures import series
from onnxscope.pictures.sameness import difference
from onnxscope.pictures.series import render_each

FALLING = osc.Adam(0.075, schedule=osc.Linear(last=0.1, hold=0.5))
QUICK = {"size": 48, "steps": 3, "provider": "cpu", "seed": 4}
UNITS = [osc.channel("fire3", 3), osc.neuron("fire2", 7, y=0, x=0), osc.channel("fire3", 9)]


@pytest.fixture(scope="module")
def alone(squeezenet: osc.Model) -> list[osc.Picture]:
    """The picture of each unit, made by itself."""
    return [osc.render(squeezenet, unit, **QUICK) for unit in UNITS]


def same(one: osc.Picture, other: osc.Picture) -> bool:
    assert one.recipe == other.recipe
    assert one.warnings == other.warnings
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.images, other.images)
    return True


@pytest.mark.slow
@pytest.mark.sample(2)
@pytest.mark.parametrize("group", [None, 1, 2, 3])
def test_each_is_what_it_is_alone(squeezenet: osc.Model, alone, group):
    begun = []
    made = list(
        render_each(
            squeezenet, UNITS, batch_size=group, begin=lambda *part: begun.append(part), **QUICK
        )
    )
    assert [one.number for one in made] == [0, 1, 2]
    for one, picture in zip(made, alone, strict=True):
        assert same(one.picture, picture)
    assert begun[0][0] == 0
    assert begun[-1][1] == 3
    assert [first for first, _ in begun[1:]] == [stop for _, stop in begun[:-1]]


def test_several_pictures_of_each(squeezenet: osc.Model):
    made = list(render_each(squeezenet, UNITS[:2], batch=2, **QUICK))
    for one, unit in zip(made, UNITS, strict=False):
        assert same(one.picture, osc.render(squeezenet, unit, batch=2, **QUICK))


def test_pictures_are_given_as_soon_as_they_are_done(squeezenet: osc.Model):
    begun = []
    every = render_each(
        squeezenet, UNITS, batch_size=1, begin=lambda *part: begun.append(part), **QUICK
    )
    next(every)
    assert begun == [(0, 1)]


def failing(objectives, error):
    """`render`, which fails where one of some objectives is among those that it is given."""

    def render(model, given, **settings):
        several = given if isinstance(given, list) else [given]
        if any(one in objectives for one in several):
            raise error
        return osc.render(model, given, **settings)

    return render


@pytest.mark.slow
def test_one_that_fails_keeps_no_other_from_being_made(squeezenet, alone, monkeypatch):
    partial = alone[1]
    error = AscentError("it is not finite", partial)
    monkeypatch.setattr(series, "render", failing([UNITS[1]], error))
    made = list(render_each(squeezenet, UNITS, batch_size=3, **QUICK))
    assert [one.error for one in made] == [None, error, None]
    assert made[1].picture is partial
    assert same(made[2].picture, alone[2])


def test_a_wrong_argument_is_refused_at_once(squeezenet: osc.Model):
    with pytest.raises(InputError, match="too small"):
        list(render_each(squeezenet, UNITS[::2], **{**QUICK, "size": 2}))
    with pytest.raises(InputError, match="batch_size must be at least 1, not 0"):
        list(render_each(squeezenet, UNITS, batch_size=0, **QUICK))


@pytest.mark.slow
def test_groups_are_as_large_as_fits(squeezenet: osc.Model, monkeypatch):
    def render(model, given, **settings):
        if isinstance(given, list) and len(given) > 2:
            raise MemoryShortageError("too many", 2)
        return osc.render(model, given, **settings)

    monkeypatch.setattr(series, "render", render)
    monkeypatch.setattr(series, "cores", lambda: 3)
    begun = []
    made = list(render_each(squeezenet, UNITS, begin=lambda *part: begun.append(part), **QUICK))
    assert begun == [(0, 3), (0, 2), (2, 3)]
    assert [one.number for one in made] == [0, 1, 2]


@pytest.mark.slow
def test_the_same_start_for_several_objectives(squeezenet: osc.Model, alone):
    together = osc.render(squeezenet, UNITS, same_start=True, **QUICK)
    for image, picture in zip(together.images, alone, strict=True):
        np.testing.assert_array_equal(image, picture.images[0])
    read = osc.Recipe.from_text(together.recipe.to_text())
    assert read.same_start
    np.testing.assert_array_equal(osc.remake(read, squeezenet).images, together.images)
    with pytest.raises(InputError, match="same_start is for the pictures of several objectives"):
        osc.render(squeezenet, UNITS[0], batch=2, same_start=True, **QUICK)


@pytest.mark.slow
def test_warnings_are_those_of_each_picture(squeezenet: osc.Model):
    picture = osc.render(squeezenet, UNITS, **QUICK)
    border = [any("border" in text for text in texts) for texts in picture.warnings_by_picture]
    assert border == [False, True, False]
    assert sum("border" in text for text in picture.warnings) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"steps": 4}, "steps 3, not 4"),
        ({"seed": 5}, "seed 4, not 5"),
        ({"size": (64, 48)}, "size (48, 48), not (64, 48)"),
        ({"transforms": ()}, "of another transforms"),
        ({"optimizer": osc.Adam(0.1)}, "of another optimizer"),
        # Its schedule falls over as many steps as are asked for, or over a number of its own.
        ({"optimizer": replace(FALLING, schedule=FALLING.schedule.planned(3))}, ""),
        (
            {"optimizer": replace(FALLING, schedule=FALLING.schedule.planned(5))},
            "of another optimizer",
        ),
        ({"parameterization": osc.Pixels()}, "of another parameterization"),
        ({"leak": 0.1}, ""),
        ({"leak": 0.2}, "leak 0.1, not 0.2"),
        ({"leak": 0}, "leak 0.1, not 0"),
        ({"leak": 0.1, "leak_steps": 1}, ""),
        ({"leak_steps": 2}, "leak_steps 1, not 2"),
        ({"rules": "linear"}, "rules None, not ('linear',)"),
        ({"rules": osc.standard_rules()}, ""),
    ],
)
def test_another_picture_is_told_by_its_recipe(squeezenet: osc.Model, alone, changed, words):
    recipe = alone[0].recipe
    asked = QUICK | {"size": (48, 48)} | {"transforms": osc.lucid(), "optimizer": FALLING}
    assert difference(recipe, squeezenet, UNITS[0], {**asked, **changed}) == words
    assert difference(recipe, squeezenet, UNITS[2], asked) == "of another objective"


def test_a_leak_in_no_step_is_none(squeezenet: osc.Model):
    # A quarter of one step is none, of which a recipe says nothing.
    short: dict[str, Any] = QUICK | {"steps": 1, "size": (48, 48)}
    recipe = osc.render(squeezenet, UNITS[0], leak=0.1, **short).recipe
    assert recipe.leak is None
    for leak in ({"leak": 0.1}, {"leak": 0}, {"leak": 0.1, "leak_steps": 0}):
        assert difference(recipe, squeezenet, UNITS[0], {**short, **leak}) == ""
    longer = {**short, "leak": 0.1, "leak_steps": 1}
    assert difference(recipe, squeezenet, UNITS[0], longer) == "leak 0, not 0.1"
