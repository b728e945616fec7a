"""The best of several starts, and ascents that end where the value stalls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.ascent.loop import stalled
from onnxscope.ascent.starts import score, stretch
from onnxscope.errors import InputError

pytestmark = pytest.mark.usefixtures("kept_graphs")

QUICK: dict[str, Any] = {"size": 48, "steps": 20, "provider": "cpu"}


@pytest.mark.slow
def test_the_best_of_some_starts_goes_on(squeezenet: osc.Model, tmp_path: Path) -> None:
    every = osc.render(squeezenet, "fire5:100", batch=4, **QUICK)
    scores = score(every.values[: stretch(20)]).reshape(2, 2)
    wanted = np.array([0, 2]) + np.argmax(scores, axis=1)
    best = osc.render(squeezenet, "fire5:100", batch=2, starts=2, **QUICK)
    assert best.recipe.starts == tuple(wanted)
    np.testing.assert_array_equal(best.images, every.images[wanted])
    # Of four pictures at once a mean may be added up in another order than of two: the last bit.
    np.testing.assert_allclose(best.values, every.values[:, wanted], rtol=1e-6)
    alone = osc.render(squeezenet, "fire5:100", starts=2, **QUICK)
    np.testing.assert_array_equal(alone.images[0], best.images[0])
    again = osc.remake(osc.read_recipe(best.save(tmp_path / "best.png")), squeezenet)
    np.testing.assert_array_equal(again.images, best.images)
    assert again.recipe == best.recipe


@pytest.mark.slow
def test_several_units_try_the_starts_that_each_tries_alone(squeezenet: osc.Model) -> None:
    from onnxscope.pictures.series import render_each

    units = [osc.channel("fire4", unit) for unit in (7, 8)]
    for made, unit in zip(render_each(squeezenet, units, starts=3, **QUICK), units, strict=True):
        alone = osc.render(squeezenet, unit, starts=3, **QUICK)
        assert made.picture is not None
        np.testing.assert_array_equal(made.picture.images, alone.images)
        assert made.picture.recipe == alone.recipe


@pytest.mark.slow
def test_an_ascent_that_ends_while_it_tries_gives_what_there_is(squeezenet: osc.Model) -> None:
    seen = []

    def watch(progress: osc.Progress) -> bool:
        seen.append((progress.done, progress.total))
        return len(seen) < stretch(20) + 3

    picture = osc.render(squeezenet, "fire5:100", starts=3, callback=watch, **QUICK)
    assert picture.recipe.starts == (1,)
    assert picture.recipe.steps == len(picture.values) == 3
    assert seen == [(n, 3 * stretch(20) + 20) for n in range(1, stretch(20) + 4)]
    again = osc.remake(picture.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


def test_what_stalls() -> None:
    rising = [np.array([1.0, 0.0]) * step for step in range(10)]
    assert not stalled(rising[:7], 4)
    assert not stalled(rising, 4)
    assert stalled([*rising, *[rising[-1]] * 8], 4)
    # A noisy value that is as high as before in the mean.
    assert stalled([np.array([value]) for value in (5, 9, 9, 5, 9, 5, 5, 9)], 4)
    falling = [np.array([-float(step)]) for step in range(8)]
    assert stalled(falling, 4)
    assert not stalled([-value for value in falling], 4)


@pytest.mark.slow
def test_an_ascent_ends_where_it_stalls(squeezenet: osc.Model) -> None:
    slow = osc.Adam(1e-9)
    picture = osc.render(
        squeezenet, "fire5:100", optimizer=slow, patience=3, transforms=(), batch=2, **QUICK
    )
    assert picture.recipe.steps == len(picture.values) == 6
    assert not picture.interrupted
    again = osc.remake(picture.recipe, squeezenet)
    np.testing.assert_array_equal(again.images, picture.images)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"starts": 0}, "starts must be"),
        ({"starts": [1, 2]}, "which of the seed's pictures each of 1 is; it has 2"),
        ({"patience": 0}, "patience must be"),
        ({"patience": 4, "batch_size": 1}, "ends all pictures together"),
    ],
)
def test_what_does_not_fit_is_said(squeezenet: osc.Model, given: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        osc.render(squeezenet, "fire5:100", **QUICK, **given)


def test_starts_are_not_chosen_where_pictures_are_compared(squeezenet: osc.Model) -> None:
    compared = osc.channel("fire5", 100) + osc.diversity("fire5")
    with pytest.raises(InputError, match="compares pictures; leave starts out"):
        osc.render(squeezenet, compared, batch=2, starts=2, **QUICK)
