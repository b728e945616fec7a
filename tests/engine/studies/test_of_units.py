"""Studies of units: pictures that differ, go over into each other, and are of two units at once."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.studies.diversity import gram_cosines
from PIL import Image

pytestmark = pytest.mark.usefixtures("kept_graphs")

QUICK = {"size": 64, "steps": 32, "provider": "cpu"}


def mean_of(model: osc.Model, layer: str, unit: int, images: np.ndarray) -> np.ndarray:
    return model.activations(images, [layer])[layer][:, unit].mean((1, 2))


@pytest.mark.slow
def test_pictures_differ_more_than_those_of_other_starts(squeezenet):
    alone = osc.diversify(squeezenet, "fire5:100", 3, strength=0, **QUICK)
    apart = osc.diversify(squeezenet, "fire5:100", 3, **QUICK)
    others = ~np.eye(3, dtype=bool)
    near = gram_cosines(squeezenet, "fire5", alone.picture.images)[others].mean()
    far = gram_cosines(squeezenet, "fire5", apart.picture.images)[others].mean()
    assert far < near - 0.2
    # And yet they are pictures of the unit.
    reached = mean_of(squeezenet, "fire5", 100, alone.picture.images).mean()
    assert mean_of(squeezenet, "fire5", 100, apart.picture.images).mean() > 0.3 * reached
    assert f"is {far:.2f}" in apart.below
    assert len(apart) == len(apart.captions) == 3


@pytest.mark.slow
def test_neighbours_are_alike_and_ends_are_the_units(squeezenet, tmp_path):
    free = osc.morph(squeezenet, "fire5:100", "fire5:3", 4, strength=0, **QUICK)
    kept = osc.morph(squeezenet, "fire5:100", "fire5:3", 4, **QUICK)

    def apart(found):
        cells = squeezenet.activations(found.picture.images, ["fire5"])["fire5"]
        return ((cells[1:] - cells[:-1]) ** 2).mean() / (cells**2).mean()

    assert apart(kept) < 0.8 * apart(free)
    first = mean_of(squeezenet, "fire5", 100, kept.picture.images)
    last = mean_of(squeezenet, "fire5", 3, kept.picture.images)
    assert first.argmax() in (0, 1)
    assert last.argmax() in (2, 3)
    assert [caption[0] for caption in kept.captions] == [
        "fire5:100",
        "67 % and 33 %",
        "33 % and 67 %",
        "fire5:3",
    ]
    with Image.open(kept.save_animation(tmp_path / "there.gif")) as moving:
        assert moving.n_frames == 6
        assert moving.size == (64, 64)
    again = osc.remake(osc.read_recipe(kept.save(tmp_path / "kept.png")), squeezenet)
    np.testing.assert_array_equal(again.images, kept.picture.images)


@pytest.mark.slow
def test_a_sum_excites_both(squeezenet):
    found = osc.arithmetic(squeezenet, ["fire5:100"], ["fire5:3", "fire5:11"], **QUICK)
    assert [caption[0] for caption in found.captions] == [
        "fire5:3",
        "fire5:11",
        "fire5:100",
        "fire5:100 + fire5:3",
        "fire5:100 + fire5:11",
    ]
    images = found.picture.images
    for column, unit in enumerate((3, 11)):
        both = images[[column, 2, 3 + column]]
        of_column, of_row = (mean_of(squeezenet, "fire5", one, both) for one in (unit, 100))
        assert of_column[2] > of_column[1]
        assert of_row[2] > of_row[0]
    assert found.figure().width > 3 * 64


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda m: osc.diversify(m, "fire5:1", 1), InputError, "count must be at least 2"),
        (lambda m: osc.diversify(m, "fire5:1", strength=-1), InputError, "at least 0"),
        (lambda m: osc.diversify(m, "fire5:1", layer="fire55", **QUICK), LayerError, "fire5"),
        (lambda m: osc.diversify(m, osc.l2()), TargetError, "looks at no layer"),
        (lambda m: osc.diversify(m, osc.diversity("fire5")), TargetError, "compares pictures"),
        (
            lambda m: osc.diversify(m, 0 * osc.channel("fire5", 1), **QUICK),
            TargetError,
            "stayed at",
        ),
        (lambda m: osc.morph(m, "fire5:1", "fire55:1"), LayerError, "fire5"),
        (lambda m: osc.morph(m, osc.l2(), "fire5:1"), TargetError, "looks at no layer"),
        (lambda m: osc.arithmetic(m, [], ["fire5:1"]), InputError, "rows must be targets"),
        (lambda m: osc.arithmetic(m, ["fire5:1"], [3]), InputError, "columns must be targets"),
    ],
)
def test_refused(squeezenet, call, error, said):
    with pytest.raises(error, match=said):
        call(squeezenet)
