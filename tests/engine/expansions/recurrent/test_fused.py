"""The runtime's own LSTM in the place of its steps."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import node_model, values
from graphs import operators, session
from recurrences import H, N, one_by_one, recurrent_arrays


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_the_value_of_an_lstm_is_that_of_the_operator(direction):
    directions = 2 if direction == "bidirectional" else 1
    arrays = recurrent_arrays("LSTM", 4, directions)
    proto = node_model("LSTM", arrays, 3, hidden_size=H, direction=direction)
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    expected = session(proto).run(["o0", "o1", "o2"], feeds)
    graph = osc.differentiate(proto, of="o2", wrt=["i0"])
    assert operators(graph).count("LSTM") == 1
    # In the place of the steps: no gate is computed by itself.
    assert operators(graph).count("Sigmoid") == 1
    seed = {"grad_o2": values(directions, N, H)}
    found = session(graph).run(["o0", "o1", "o2"], feeds | seed)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)
    # Step by step where a rule of the user's would be passed by.
    assert "LSTM" not in operators(
        osc.differentiate(proto, of="o2", wrt=["i0"], rules=one_by_one())
    )
