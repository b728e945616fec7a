"""Both directions in one chain, whatever the activation functions of either."""

from __future__ import annotations

import pytest
from expansion_checks import check, values
from recurrences import INPUTS, H, N, T, weights


def test_directions_with_other_activations():
    names = ["Sigmoid", "Tanh", "Tanh", "Sigmoid", "Softsign", "Tanh"]
    options = {"hidden_size": H, "direction": "bidirectional", "activations": names}
    check("LSTM", [values(T, N, INPUTS), *weights(4, 2)], 3, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"activations": ["Sigmoid", "Softsign", "Tanh"] * 2},
        {"activations": ["HardSigmoid", "Tanh", "Tanh"] * 2, "activation_alpha": [0.15, 0.15]},
        {"clip": 3.0},
        {"input_forget": 1},
    ],
)
@pytest.mark.parametrize("of", ["o0", "o1", "o2"])
def test_directions_with_the_same_that_is_unusual(of, options):
    arrays = [array / 3 for array in [values(T, N, INPUTS), *weights(4, 2)]]
    check("LSTM", arrays, 3, of=of, hidden_size=H, direction="bidirectional", **options)
