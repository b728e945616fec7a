"""A direction for each picture: one graph for all, and each picture what it is alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.ascent import step
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.objectives.fed import own_count

pytestmark = pytest.mark.usefixtures("kept_graphs")

VECTORS = np.random.default_rng(3).standard_normal((5, 256), np.float32)
GIVEN = {"size": 48, "steps": 4, "provider": "cpu", "same_start": True}


@pytest.mark.slow
def test_each_picture_is_that_of_its_direction(squeezenet: osc.Model) -> None:
    for more in ({}, {"cosine": 2, "radius": 0}):
        together = osc.render(squeezenet, osc.directions("fire5", VECTORS, **more), **GIVEN)
        assert len(together) == 5
        for number in (0, 3):
            alone = osc.render(
                squeezenet,
                osc.direction("fire5", VECTORS[number], **more),
                **GIVEN | {"same_start": False},
            )
            np.testing.assert_allclose(together.values[:, number], alone.values, rtol=1e-3)
            np.testing.assert_allclose(together.images[number], alone.images[0], atol=0.02)


@pytest.mark.slow
def test_a_picture_is_the_same_alone_and_among_others(squeezenet: osc.Model) -> None:
    together = osc.render(squeezenet, osc.directions("fire5", VECTORS, cosine=1), **GIVEN)
    some = osc.render(squeezenet, osc.directions("fire5", VECTORS[2:4], cosine=1), **GIVEN)
    np.testing.assert_array_equal(some.images, together.images[2:4])
    apart = osc.render(
        squeezenet, osc.directions("fire5", VECTORS, cosine=1), batch_size=1, **GIVEN
    )
    np.testing.assert_array_equal(apart.images, together.images)


@pytest.mark.slow
def test_all_share_graphs_which_the_cache_keeps(
    squeezenet: osc.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONNXSCOPE_CACHE", str(tmp_path))
    monkeypatch.setenv("ONNXSCOPE_GRAPH_CACHE", "1 GiB")
    built: list[int] = []
    real = step.step_graph

    def counted(composition, *arguments):  # type: ignore[no-untyped-def]
        built.append(composition.batch)
        return real(composition, *arguments)

    monkeypatch.setattr(step, "step_graph", counted)
    osc.render(squeezenet, osc.directions("fire5", VECTORS), **GIVEN)
    assert len(built) <= 3  # of one picture, and of the parts that the cores take
    before = list(built)
    osc.render(squeezenet, osc.directions("fire5", -VECTORS[::-1]), **GIVEN)
    assert built == before


@pytest.mark.slow
def test_within_other_objectives_it_is_made_of_constants(squeezenet: osc.Model) -> None:
    wanted = osc.directions("fire5", VECTORS[:2])
    both = osc.render(squeezenet, 2 * wanted, batch=2, size=48, steps=3, provider="cpu")
    once = osc.render(squeezenet, wanted, size=48, steps=3, provider="cpu")
    np.testing.assert_allclose(both.values[0], 2 * once.values[0], rtol=1e-5)
    values, _ = osc.Gradient(squeezenet, wanted, provider="cpu")(once.images)
    ones = [osc.Gradient(squeezenet, osc.direction("fire5", v))(once.images[n])[0][0]
            for n, v in enumerate(VECTORS[:2])]  # fmt: skip
    np.testing.assert_allclose(values, ones, rtol=1e-4)
    with pytest.raises(TargetError, match="2 directions are for as many pictures, not for 3"):
        osc.Gradient(squeezenet, wanted)(np.zeros((3, 48, 48, 3)))


@pytest.mark.slow
def test_views_share_a_row(squeezenet: osc.Model) -> None:
    seen = [osc.views(2), osc.crop(0.5, 0.9), osc.resize(40)]
    picture = osc.render(
        squeezenet,
        osc.directions("fire5", VECTORS[:2]),
        transforms=seen,
        size=48,
        steps=2,
        provider="cpu",
    )
    assert picture.values.shape == (2, 2)


def test_what_does_not_fit_is_refused(squeezenet: osc.Model) -> None:
    with pytest.raises(InputError, match=r"5 directions fire5 make as many pictures.*batch=3"):
        osc.render(squeezenet, osc.directions("fire5", VECTORS), batch=3)
    with pytest.raises(LayerError, match=r"fire5 has 256 channels.*not 7"):
        osc.render(squeezenet, osc.directions("fire5", VECTORS[:, :7]), size=48)
    with pytest.raises(InputError, match=r"directions must be numbers of shape \(N, C\)"):
        osc.directions("fire5", VECTORS[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "alone"),
    [
        ({}, lambda unit: osc.channel("fire5", unit)),
        ({"radius": 0}, lambda unit: osc.neuron("fire5", unit)),
        ({"least": True}, lambda unit: -osc.before_activation(osc.channel("fire5", unit))),
    ],
)
def test_each_unit_is_what_a_graph_of_its_own_makes(squeezenet: osc.Model, more, alone) -> None:
    units = [7, 100, 255]
    together = osc.render(squeezenet, osc.each_unit("fire5", units, **more), **GIVEN)
    for number, unit in enumerate(units):
        one = osc.render(squeezenet, alone(unit), **GIVEN | {"same_start": False})
        np.testing.assert_allclose(together.values[:, number], one.values, rtol=1e-3)
        np.testing.assert_allclose(together.images[number], one.images[0], atol=0.02)
        again = osc.render(
            squeezenet,
            osc.each_unit("fire5", [unit], **more),
            **GIVEN | {"same_start": False},
        )
        np.testing.assert_array_equal(again.images[0], together.images[number])


def test_for_how_many_pictures_an_objective_is() -> None:
    both = osc.each([osc.channel("fire2", 3), osc.channel("fire2", 4)])
    for objective in (both, -both, 2 * both + 1, osc.channel("fire2", 3) - 0.1 * both):
        assert own_count(objective) == 2
    assert own_count(osc.before_activation(osc.each_unit("fire5", [1, 2, 3])) + 1) == 3
    for objective in (osc.channel("fire2", 3) - osc.diversity("fire2"), osc.directions("a", [[1]])):
        assert own_count(objective) is None


def test_what_is_for_each_picture_says_how_many_there_are(squeezenet: osc.Model) -> None:
    typed = "interpolate('fire2:3', 'fire2:4', 3) - 0.1 * alignment('fire2')"
    given = {"size": 32, "steps": 1, "provider": "cpu"}
    assert len(osc.render(squeezenet, typed, **given)) == 3
    with pytest.raises(InputError, match="makes 3 pictures; leave batch=2 out"):
        osc.render(squeezenet, typed, batch=2, **given)


def test_units_that_are_not_there(squeezenet: osc.Model) -> None:
    with pytest.raises(LayerError, match="fire5 has 256 channels"):
        osc.render(squeezenet, osc.each_unit("fire5", [1, 256]), size=48, steps=1)
    with pytest.raises(LayerError, match="there is no channel 256"):
        osc.Gradient(squeezenet, 2 * osc.each_unit("fire5", [256]))(np.zeros((1, 48, 48, 3)))
    with pytest.raises(TargetError, match="at least one"):
        osc.each_unit("fire5", [])
