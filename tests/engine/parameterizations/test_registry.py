"""Every parameterization goes through a recipe, and declares its parameters."""

from __future__ import annotations

import json

import numpy as np
import onnxscope as osc
import pytest
from onnxscope.errors import InputError
from onnxscope.parameterizations import registry
from onnxscope.parameterizations.base import Parameterization
from onnxscope.parameterizations.registry import from_json, to_json
from parts import picture

EXAMPLES: dict[str, list[Parameterization]] = {
    "fixed": [
        osc.fixed({2: 0.5}),
        osc.fixed({0: 0, 1: np.full((1, 1), 9, np.uint8)}, osc.Pixels()),
    ],
    "fourier": [osc.Fourier(), osc.Fourier(0.1, 1.5, False)],
    "maco": [
        osc.Maco(),
        osc.Maco(np.ones((3, 5, 4))),
        osc.Maco(np.arange(3 * 8 * 5).reshape(3, 8, 5), contrast=0),
    ],
    "laplacian": [osc.Laplacian(), osc.Laplacian(1), osc.Laplacian(6, 0.2, False)],
    "shared": [
        osc.Shared(),
        osc.Shared(osc.Laplacian(2), 3, 2.5),
        osc.Shared(osc.Pixels(decorrelate=False)),
    ],
    "cppn": [osc.Cppn(), osc.Cppn(5, 1)],
    "masked": [
        osc.within(np.zeros((6, 9, 3)), [[0, 1], [0.5, 0.25]]),
        osc.within(np.zeros((6, 9, 3)), [[1]], osc.start(np.ones((3, 3, 3)), osc.Laplacian())),
    ],
    "started": [
        osc.start(np.full((6, 9, 3), 200, np.uint8)),
        osc.start(np.zeros((6, 9, 3)), osc.Maco(), noise=0.5),
        osc.start(np.ones((6, 9, 3)), osc.Pixels(decorrelate=False)),
    ],
    "transparent": [
        osc.transparent(),
        osc.transparent(osc.Maco(), osc.Cppn(5, 2)),
        osc.transparent(osc.start(np.zeros((6, 9, 3))), osc.Pixels(0.2)),
    ],
    "pixels": [osc.Pixels(), osc.Pixels(sd=0.2, decorrelate=False)],
}
"""Some of each kind; a kind without an example fails."""


@pytest.mark.parametrize("name", registry.kinds())
def test_every_kind_goes_through_a_recipe(name: str) -> None:
    for parameterization in EXAMPLES[name]:
        written = to_json(parameterization)
        assert next(iter(written)) == name
        again = from_json(json.loads(json.dumps(written, allow_nan=False)))
        assert again == parameterization
        assert type(again) is registry.kinds()[name]


@pytest.mark.parametrize("name", registry.kinds())
@pytest.mark.parametrize(("count", "height", "width"), [(1, 8, 8), (3, 7, 10), (2, 10, 7)])
def test_every_kind_draws_what_it_declares(name: str, count: int, height: int, width: int) -> None:
    for parameterization in EXAMPLES[name]:
        types = parameterization.parameters(count, height, width)
        drawn = parameterization.initial(np.random.default_rng(0), count, height, width)
        assert list(drawn) == list(types)
        for key, array in drawn.items():
            assert (array.shape, array.dtype) == types[key]
            assert array.shape[0] == count
        images = picture(parameterization, drawn, height, width)
        planes = 4 if name == "transparent" else 3
        assert images.shape == (count, planes, height, width)
        assert images.min() >= 0
        assert images.max() <= 1


@pytest.mark.parametrize(
    ("text", "parameterization"),
    [
        (
            '{"fourier": {"sd": 0.01, "decay_power": 1.2, "decorrelate": true, "fine_decay": 0.7}}',
            osc.Fourier(),
        ),
        # A recipe that does not say it means the decay that was the default.
        ('{"fourier": {"decay_power": 1.2}}', osc.Fourier(decay_power=1.2, fine_decay=0.0)),
        ('{"fourier": {}}', osc.Fourier(decay_power=1.0, fine_decay=0.0)),
        ('{"fourier": {"sd": 0.1}}', osc.Fourier(0.1, 1.0, fine_decay=0.0)),
        ('{"pixels": {"sd": 0.2, "decorrelate": false}}', osc.Pixels(0.2, False)),
    ],
)
def test_recipes_are_read(text: str, parameterization: Parameterization) -> None:
    assert from_json(json.loads(text)) == parameterization
    assert from_json(to_json(parameterization)) == parameterization


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"fourier": {"sd": "x"}}, "is damaged: its sd must be a number, not 'x'"),
        ({"fourier": {"decorrelate": 3}}, "decorrelate must be true or false, not 3"),
        ({"fourier": {"decay_powr": 1}}, "fourier has no 'decay_powr'; did you mean 'decay_power'"),
        (
            {"fourier": 3},
            "'fourier' must hold an object of sd, decay_power, decorrelate, fine_decay",
        ),
        (
            {"wavelets": {}},
            "parameterization .* is unknown; this version has .*pixels",
        ),
        ({"maco": {"contrast": -1}}, "contrast of a spectrum must be at least 0, not -1"),
        ({"maco": {"magnitudes": 3}}, "its magnitudes must be an array, not 3"),
        ({"started": [{"fourier": {}}, 3]}, "its picture must be an array, not 3"),
        ({"pixels": {"sd": -1}}, "sd must be at least 0, not -1"),
        ({"custom": "Mine"}, "only name the parameterization 'Mine', .* as parameterization=…"),
    ],
)
def test_what_cannot_be_read_is_said(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)
