"""Channel, neuron and layer: their values, and positions that are not there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import LayerError

IMAGES = np.random.default_rng(0).random((2, 64, 96, 3), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "layer", "expected"),
    [
        (osc.channel("fire5", 3), "fire5", lambda a: a[:, 3].mean((1, 2))),
        (osc.channel("fire5", 3, reduction="sum"), "fire5", lambda a: a[:, 3].sum((1, 2))),
        (osc.channel("logits", 985), "logits", lambda a: a[:, 985]),
        (
            osc.neuron("fire4", 9),
            "fire4",
            lambda a: a[:, 9, a.shape[2] // 2, a.shape[3] // 2],
        ),
        (osc.neuron("fire4", 9, y=0, x=2), "fire4", lambda a: a[:, 9, 0, 2]),
        (osc.neuron("fire4", 9, x=1), "fire4", lambda a: a[:, 9, a.shape[2] // 2, 1]),
        (osc.neuron("logits", 7), "logits", lambda a: a[:, 7]),
        (osc.layer("fire3"), "fire3", lambda a: (a**2).mean((1, 2, 3))),
        (osc.layer("logits"), "logits", lambda a: (a**2).mean(1)),
    ],
)
def test_values(
    squeezenet: osc.Model,
    objective: osc.Objective,
    layer: str,
    expected: Callable[[np.ndarray], np.ndarray],
) -> None:
    value, _ = osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)
    activations = squeezenet.activations(IMAGES, layer)[layer]
    np.testing.assert_allclose(value, expected(activations), rtol=1e-5)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (osc.channel("fire5", 256), "fire5 has 256 channels, 0 to 255; there is no channel 256"),
        (osc.neuron("fire4", 9, y=99), "there is no cell y=99"),
        (osc.neuron("fire4", 9, token=0), "fire4 has no tokens: leave token=0 out"),
        (osc.neuron("logits", 9, y=0), "logits has no positions: leave y and x out"),
        (osc.channel("fire55", 0), "'fire5'"),
    ],
)
def test_what_is_not_there(squeezenet: osc.Model, objective: osc.Objective, message: str) -> None:
    with pytest.raises(LayerError, match=message):
        osc.Gradient(squeezenet, objective, provider="cpu")(IMAGES)


@pytest.mark.slow
def test_neurons_at_the_border_are_warned_of(squeezenet: osc.Model) -> None:
    inner, corner, edge = (osc.neuron("fire4", 9, y=y, x=x) for y, x in ((1, 1), (0, 0), (2, 0)))
    nested = osc.each([2 * corner - osc.before_activation(inner) * edge, -corner])
    picture = osc.render(squeezenet, nested, size=(64, 112), steps=1, batch=2, provider="cpu")
    borders = [warning for warning in picture.warnings if "lies at the border" in warning]
    assert [warning.split(" lies")[0] for warning in borders] == [
        str(corner),
        str(edge),
    ]
