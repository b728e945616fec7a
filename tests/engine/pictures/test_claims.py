"""What the field says of such pictures, on real weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxscope as osc
import pytest

pytestmark = pytest.mark.slow

SIZE = 160
STEPS = 64
# Layer, unit, and how many pixels wide one cell of the layer is.
UNITS = [("fire5", 100, 8), ("fire8", 5, 16)]


@dataclass(frozen=True)
class Study:
    """Pictures of one unit, and the layer's activations (C, H, W) on them."""

    layer: str
    unit: int
    stride: int
    middle: tuple[int, int]
    moved: tuple[int, int]
    neuron: osc.Picture
    on_neuron: np.ndarray
    on_moved: np.ndarray
    on_channel: np.ndarray


@pytest.fixture(scope="module", params=UNITS, ids=lambda unit: f"{unit[0]}-{unit[1]}")
def study(request: pytest.FixtureRequest, squeezenet: osc.Model) -> Study:
    layer, unit, stride = request.param

    def activations(images: np.ndarray) -> np.ndarray:
        return squeezenet.activations(images, layer)[layer][0]

    def picture(objective: osc.Objective) -> osc.Picture:
        return osc.render(squeezenet, objective, size=SIZE, steps=STEPS, provider="cpu")

    grey = activations(np.full((SIZE, SIZE, 3), 0.5, np.float32))
    y, x = grey.shape[1] // 2, grey.shape[2] // 2
    neuron = picture(osc.neuron(layer, unit))
    return Study(
        layer,
        unit,
        stride,
        (y, x),
        (y - 2, x + 1),
        neuron,
        activations(neuron.images),
        activations(picture(osc.neuron(layer, unit, y=y - 2, x=x + 1)).images),
        activations(picture(osc.channel(layer, unit)).images),
    )


def test_a_neurons_picture_excites_its_position_most(study: Study) -> None:
    for activations, position in (
        (study.on_neuron, study.middle),
        (study.on_moved, study.moved),
    ):
        channel = activations[study.unit]
        assert np.unravel_index(channel.argmax(), channel.shape) == position


def test_a_moved_neuron_sees_the_same_feature_moved(study: Study, squeezenet: osc.Model) -> None:
    y, x = study.moved
    # The picture of the middle neuron, moved by as many cells, serves the moved neuron as well
    # as the picture that was made for it.
    shift = ((y - study.middle[0]) * study.stride, (x - study.middle[1]) * study.stride)
    rolled = np.roll(study.neuron.images, shift, (1, 2))
    moved = squeezenet.activations(rolled, study.layer)[study.layer][0]
    assert moved[study.unit, y, x] > 0.5 * study.on_moved[study.unit, y, x]
    assert np.unravel_index(moved[study.unit].argmax(), moved[study.unit].shape) == (y, x)
    # Both are the same to the layer, not only to the unit.
    here = study.on_neuron[:, *study.middle]
    there = study.on_moved[:, y, x]
    cosine = here @ there / (np.linalg.norm(here) * np.linalg.norm(there))
    assert cosine > 0.8


def test_channel_wins_on_average_and_neuron_at_its_cell(study: Study) -> None:
    y, x = study.middle
    channel, neuron = study.on_channel[study.unit], study.on_neuron[study.unit]
    assert channel.mean() > 2 * neuron.mean()
    assert neuron[y, x] > 1.2 * channel[y, x]


@pytest.mark.parametrize(("layer", "unit", "stride"), UNITS)
def test_negative_lowers_the_unit_below_grey(
    squeezenet: osc.Model, layer: str, unit: int, stride: int
) -> None:
    # Before the ReLU: behind it nothing goes below the 0 that grey gives some units.
    target = osc.channel(f"{layer}_pre_relu", unit)
    gradient = osc.Gradient(squeezenet, target, provider="cpu")
    on_grey, _ = gradient(np.full((SIZE, SIZE, 3), 0.5, np.float32))
    picture = osc.render(squeezenet, -target, size=SIZE, steps=32, provider="cpu")
    on_negative, _ = gradient(picture.images)
    assert on_negative[0] < on_grey[0] - 1
    assert picture.values[-1] == pytest.approx(-on_negative[0], rel=0.5)
