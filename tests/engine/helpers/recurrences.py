"""Recurrent networks of a few numbers, to be expanded and differentiated."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
from expansion_checks import values

T, N, INPUTS, H = 5, 2, 3, 4


def weights(gates: int, directions: int) -> list[np.ndarray]:
    return [
        values(directions, gates * H, INPUTS),
        values(directions, gates * H, H),
        values(directions, 2 * gates * H),
    ]


# Operator, gates, outputs, attributes.
RECURRENT = [
    ("LSTM", 4, 3, {}),
    ("GRU", 3, 2, {}),
    ("GRU", 3, 2, {"linear_before_reset": 1}),
    ("RNN", 1, 2, {}),
]


def one_by_one() -> osc.RuleTable:
    """The standard rules, of which one is another function: no gradient is taken in one piece."""
    table = osc.RuleTable()
    table.define("Tanh", lambda op, dy, x, *, y: dy * (1 - y * y))
    return osc.standard_rules() | table


def recurrent_arrays(op_type, gates, directions) -> list[np.ndarray | None]:
    states = [values(directions, N, H)] * (2 if op_type == "LSTM" else 1)
    return [values(T, N, INPUTS), *weights(gates, directions), None, *states]
