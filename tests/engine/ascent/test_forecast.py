"""What is too large is refused before the work."""

from __future__ import annotations

import onnxscope as osc
import pytest
from onnxscope.ascent import forecast, step
from onnxscope.ascent.composition import Composition
from onnxscope.ascent.forecast import check_room
from onnxscope.ascent.graphs import Graphs
from onnxscope.errors import MemoryShortageError
from onnxscope.parameterizations.fourier import Fourier
from onnxscope.runtime.memory import Use
from onnxscope.transforms.composition import compose

GIB = 2**30


def composition(model: osc.Model, size: int, batch: int = 1) -> Composition:
    objective = osc.channel("fire5", 3)
    return Composition(model, objective, Fourier(), compose(osc.lucid()), batch, size, size)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 20 GiB free."""
    monkeypatch.setattr(forecast, "available_memory", lambda: 20 * GIB)


@pytest.mark.slow
def test_a_huge_picture_is_refused_without_its_graph(
    squeezenet: osc.Model, free: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only two small graphs are built, and the message says which size fits."""
    built: list[int] = []
    build = step.step_graph

    def watched(one, *rest):
        built.append(one.height)
        return build(one, *rest)

    monkeypatch.setattr(step, "step_graph", watched)
    with pytest.raises(MemoryShortageError, match=r"20000×20000 .* 20 GiB are free: \d+×\d+ fits"):
        check_room(composition(squeezenet, 20000), osc.Adam(), "cpu", None)
    assert built == [256, 512]


@pytest.mark.slow
def test_the_size_that_is_said_to_fit_does(squeezenet: osc.Model, free: None) -> None:
    with pytest.raises(MemoryShortageError) as caught:
        check_room(composition(squeezenet, 20000), osc.Adam(), "cpu", None)
    side = int(str(caught.value).rpartition("×")[2].split()[0])
    check_room(composition(squeezenet, side), osc.Adam(), "cpu", None)
    with pytest.raises(MemoryShortageError):
        check_room(composition(squeezenet, side + 20), osc.Adam(), "cpu", None)


@pytest.mark.slow
def test_the_forecast_is_near_what_the_graph_takes(squeezenet: osc.Model) -> None:
    first = composition(squeezenet, 800)
    growth = forecast._growth(first, osc.Adam(), "cpu", None)
    assert growth is not None
    exact = Graphs(first).step("cpu", osc.Adam()).footprint.total(Use.whole(1))
    assert growth.at(800 * 800).total(Use.whole(1)) == pytest.approx(exact, rel=0.1)


def test_too_many_pictures_are_refused(squeezenet: osc.Model, free: None) -> None:
    with pytest.raises(
        MemoryShortageError, match=r"500000 pictures of 64×64 .*: \d+ fit"
    ) as caught:
        check_room(composition(squeezenet, 64, 500_000), osc.Adam(), "cpu", None)
    check_room(composition(squeezenet, 64, caught.value.fitting), osc.Adam(), "cpu", None)


def test_what_fits_passes(squeezenet: osc.Model, free: None) -> None:
    check_room(composition(squeezenet, 224, 16), osc.Adam(), "cpu", None)


@pytest.mark.slow
def test_render_asks(squeezenet: osc.Model, free: None) -> None:
    with pytest.raises(MemoryShortageError, match="fits"):
        osc.render(squeezenet, "fire5:3", size=30_000, steps=1, provider="cpu")


def test_a_neuron_whose_cell_small_pictures_lack_is_not_forecast(
    squeezenet: osc.Model, free: None
) -> None:
    far = Composition(
        squeezenet, osc.neuron("fire5", 3, y=100, x=100), Fourier(), (), 1, 2000, 2000
    )
    assert forecast._growth(far, osc.Adam(), "cpu", None) is None
    check_room(far, osc.Adam(), "cpu", None)
