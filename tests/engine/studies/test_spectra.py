"""Spectra of units: what is shown, in order, and where it stands on the axis."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from onnxscope.errors import InputError, LayerError, TargetError
from onnxscope.studies.spectrum_figure import _Axis
from small_networks import network


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> osc.Model:
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(network(), path)
    return osc.load(str(path), input_range=(0, 1), labels=["a", "b", "c", "d"])


@pytest.mark.slow
def test_from_least_to_most(model, photo_folder, tmp_path):
    found = osc.unit_spectrum(model, "second:3", photo_folder, steps=24, provider="cpu")
    values = [place.value for _, place in found.places]
    assert values == sorted(values)
    assert len(values) == 9
    assert found.values[0] < found.values[1]
    # The pictures' values are measured as the photographs' are.
    alone = osc.render(
        model, osc.channel("second", 3), size=16, steps=24, provider="cpu", progress=False
    )
    np.testing.assert_allclose(found.picture.images[1], alone.images[0], atol=1e-6)
    cells = model.activations(found.picture.images[1], "second")["second"]
    assert found.values[1] == pytest.approx(cells[0, 3].max(), rel=1e-4)
    assert found.examples.count == 40
    assert found.to_json()["examples"]["photos"] == 40
    path = found.save(tmp_path / "s.png")
    assert osc.read_recipe(path).steps == 24
    assert found.figure().width > 1500


@pytest.mark.slow
def test_of_examples_that_are_there(model, photo_folder):
    every = osc.examples(model, ["second", "b"], photo_folder, before_activation=True)
    found = osc.unit_spectrum(model, "second:5", every, steps=4, provider="cpu")
    assert found.examples.most == every.of("second:5").most
    assert "before the activation function" in found.measure
    of_class = osc.unit_spectrum(model, "b", every, steps=4, provider="cpu")
    assert of_class.examples.label == "b"
    other = osc.load(network(middle=0.25), input_range=(0, 1))
    with pytest.raises(InputError, match="are of another model"):
        osc.unit_spectrum(other, "second:5", every, steps=4)
    with pytest.raises(LayerError, match="no examples of 'first'"):
        osc.unit_spectrum(model, "first:1", every, steps=4)
    with pytest.raises(InputError, match="size is that of the examples"):
        osc.unit_spectrum(model, "second:5", every, steps=4, size=32)
    by_relevance = osc.examples(model, "second", photo_folder, relevance="b")
    with pytest.raises(InputError, match=r"ranked by relevance to .*; by activation"):
        osc.unit_spectrum(model, "second:5", by_relevance, steps=4)
    with pytest.raises(TargetError, match="one unit, such as second:0"):
        osc.unit_spectrum(model, "second", every, steps=4)


def test_an_axis_is_broken_beyond_the_photographs():
    near = _Axis([-1.0, 0.0, 10.0, 11.0], (0, 1000))
    assert near.broken == [False, False]
    assert near.at(-1) < near.at(0) < near.at(10) < near.at(11) < 1000
    assert (near.at(5) - near.at(0)) == pytest.approx(near.at(10) - near.at(5))
    far = _Axis([-100.0, 0.0, 10.0, 300.0], (0, 1000))
    assert far.broken == [True, True]
    assert 0 < far.at(-100) < far.even[0] < far.at(0)
    assert far.at(10) < far.even[1] < far.at(300) < 1000
    assert far.ticks() == [0, 2, 4, 6, 8, 10]
    alike = _Axis([3.0, 3.0, 3.0, 3.0], (0, 100))
    assert 0 <= alike.at(3) <= 100
