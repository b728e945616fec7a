"""Schedules: their numbers, and what an ascent makes of them."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.ascent.schedules import SCHEDULES, Schedule
from onnxscope.errors import InputError
from onnxscope.pictures.recipe import Recipe


def factors(schedule: Schedule, steps: int) -> list[float]:
    return [schedule.factor(step) for step in range(1, steps + 1)]


def test_factors_are_those_of_the_formulas() -> None:
    assert factors(osc.Constant(), 3) == [1, 1, 1]
    assert factors(osc.Constant(warmup=4), 6) == [0.25, 0.5, 0.75, 1, 1, 1]
    assert factors(osc.Linear(steps=4), 6) == [1, 0.75, 0.5, 0.25, 0, 0]
    assert factors(osc.Linear(warmup=2, last=0.5, steps=4), 5) == [0.5, 1, 1, 0.75, 0.5]
    assert factors(osc.Linear(steps=4, hold=0.5), 6) == [1, 1, 1, 0.5, 0, 0]
    assert factors(osc.Linear(warmup=2, last=0.5, steps=6, hold=0.5), 7) == (
        [0.5, 1, 1, 1, 1, 0.75, 0.5]
    )
    found = factors(osc.Cosine(steps=8), 9)
    np.testing.assert_allclose(found, (1 + np.cos(np.pi * np.arange(9) / 8)) / 2)


@pytest.mark.parametrize("kind", SCHEDULES.kinds.values())
def test_every_schedule_is_within_0_and_1_and_planned_once(kind: type[Schedule]) -> None:
    planned = kind().planned(10)
    assert all(0 <= factor <= 1 for factor in factors(planned, 20))
    assert planned.planned(99) == planned
    # A warm-up as long as the ascent, or longer, is one.
    assert all(0 < f <= 1 for f in factors(kind(warmup=12).planned(10), 10))  # type: ignore[call-arg]  # every registered one has it


def test_what_does_not_know_the_length_says_so() -> None:
    with pytest.raises(InputError, match=r"Cosine.* does not know how long the ascent is"):
        osc.Cosine().factor(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: osc.Cosine(warmup=-1), "warmup must be at least 0, not -1"),
        (lambda: osc.Linear(last=1.5), r"last must be in \[0, 1\], not 1.5"),
        (lambda: osc.Linear(hold=1), r"hold must be in \[0, 1\), not 1"),
        (lambda: osc.Linear(steps=0), "steps must be at least 1, not 0"),
        (lambda: osc.Adam(schedule=osc.Cosine), r"must be an object such as Cosine\(\), not"),
        (lambda: osc.Momentum(schedule="cosine"), r"must be an object such as Cosine\(\), not"),
    ],
)
def test_what_is_none_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.slow
def test_the_ascents_length_is_in_the_recipe_and_makes_the_picture_again(
    squeezenet: osc.Model,
) -> None:
    adam = osc.Adam(0.1, schedule=osc.Cosine(warmup=2))
    picture = osc.render(
        squeezenet, "fire3:4", size=48, steps=8, optimizer=adam, provider="cpu",
        callback=lambda progress: progress.step < 5,
    )  # fmt: skip
    assert len(picture.values) == 5
    # The user's own is as it was.
    assert adam.schedule == osc.Cosine(warmup=2)
    recipe = Recipe.from_text(picture.recipe.to_text())
    assert recipe.optimizer["adam"]["schedule"]["cosine"]["steps"] == 8
    again = osc.remake(recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


@pytest.mark.slow
@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "optimizer",
    [
        osc.NAdam(schedule=osc.Cosine()),
        osc.Momentum(schedule=osc.Linear(warmup=3)),
        osc.Adam(0.1, schedule=osc.Linear()),
    ],
)
def test_every_kind_climbs(squeezenet: osc.Model, optimizer: object) -> None:
    picture = osc.render(
        squeezenet, "fire5:100", size=64, steps=24, optimizer=optimizer, provider="cpu",
        transforms=(),
    )  # fmt: skip
    assert picture.values[-1] > 2 * picture.values[0]
    assert (np.diff(picture.values[-8:]) > -0.02 * picture.values[-1]).all()
