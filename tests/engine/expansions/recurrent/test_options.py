"""LSTM, GRU and RNN with every option that ONNX has for them, as ONNX Runtime reads them."""

from __future__ import annotations

import itertools

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import check, node_model, values
from graphs import session
from recurrences import INPUTS, RECURRENT, H, N, T

# Alpha and beta, and what the activation is called with them, or without.
ACTIVATIONS = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "Softsign": (),
    "Softplus": (),
    "Affine": ("alpha", "beta"),
    "LeakyRelu": ("alpha",),
    "ThresholdedRelu": ("alpha",),
    "ScaledTanh": ("alpha", "beta"),
    "HardSigmoid": ("alpha", "beta"),
    "Elu": ("alpha",),
}


def small(*shape: int) -> np.ndarray:
    """Numbers so small that no activation without bounds runs away."""
    return values(*shape) * np.float32(0.4)


def arrays_of(op_type, gates, directions, *, bias=True, lengths=False, peepholes=False):
    arrays = [
        small(T, N, INPUTS),
        small(directions, gates * H, INPUTS),
        small(directions, gates * H, H),
        small(directions, 2 * gates * H) if bias else None,
        np.array([3, 5], np.int32) if lengths else None,
        small(directions, N, H),
    ]
    if op_type == "LSTM":
        arrays.append(small(directions, N, H))
    return [*arrays, small(directions, 3 * H)] if peepholes else arrays


def same_values(op_type, arrays, outputs, **attributes):
    """Every output of the graph with a gradient equals that of the operator itself."""
    proto = node_model(op_type, arrays, outputs, hidden_size=H, **attributes)
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    names = [f"o{i}" for i in range(outputs)]
    wanted = session(proto).run(names, feeds)
    graph = osc.differentiate(proto, of="o0", wrt=["i0"])
    found = session(graph).run(names, feeds | {"grad_o0": np.ones_like(wanted[0])})
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("bias", "lengths"), [(False, True), (True, False)])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("op_type", "gates", "options"),
    [
        ("LSTM", 4, {}),
        ("LSTM", 4, {"peepholes": True}),
        ("LSTM", 4, {"input_forget": 1}),
        ("LSTM", 4, {"input_forget": 1, "peepholes": True}),
        ("GRU", 3, {}),
        ("GRU", 3, {"linear_before_reset": 1}),
        ("RNN", 1, {}),
    ],
)
def test_clip_bounds_what_gates_are_given_and_nothing_else(
    op_type, gates, options, direction, bias, lengths
):
    both = 2 if direction == "bidirectional" else 1
    attributes = {name: value for name, value in options.items() if name != "peepholes"}
    arrays = arrays_of(
        op_type, gates, both, bias=bias, lengths=lengths, peepholes="peepholes" in options
    )
    outputs = 3 if op_type == "LSTM" else 2
    same_values(op_type, arrays, outputs, direction=direction, clip=0.3, **attributes)


@pytest.mark.slow
@pytest.mark.parametrize(("op_type", "gates", "_", "options"), RECURRENT)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_with_their_parameters_and_without(name, op_type, gates, _, options):
    direction, both = ("bidirectional", 2) if op_type == "RNN" else ("forward", 1)
    count = {"LSTM": 3, "GRU": 2, "RNN": 1}[op_type]
    arrays = arrays_of(op_type, gates, both)
    for place in range(count):
        # One of the activations, the others as always; so parameters belong to it alone.
        names = ["Sigmoid", "Tanh", "Tanh"][:count] if op_type != "RNN" else ["Tanh"]
        names[place] = name
        every = itertools.product([False, True], repeat=len(ACTIVATIONS[name]))
        # Which of them are given makes no difference from place to place.
        for given in every if place == 0 else [(True,) * len(ACTIVATIONS[name])]:
            parameters = {
                f"activation_{kind}": [0.6 + 0.1 * way for way in range(both)]
                for kind, is_given in zip(ACTIVATIONS[name], given, strict=True)
                if is_given
            }
            same_values(
                op_type, arrays, 2, direction=direction, activations=names * both, **options,
                **parameters,
            )  # fmt: skip


def test_parameters_of_several_activations_are_listed_in_their_order():
    same_values(
        "LSTM", arrays_of("LSTM", 4, 2), 3, direction="bidirectional",
        activations=["HardSigmoid", "ScaledTanh", "LeakyRelu", "hardsigmoid", "Elu", "affine"],
        activation_alpha=[0.3, 0.9, 0.2, 0.25, 0.8, 0.7], activation_beta=[0.4, 0.8, 0.6, 0.1],
    )  # fmt: skip


@pytest.mark.slow
def test_the_gradient_of_a_clipped_lstm():
    arrays = arrays_of("LSTM", 4, 2, peepholes=True)
    # Some gates are beyond the bound, none near it in these numbers.
    check("LSTM", arrays, 3, hidden_size=H, direction="bidirectional", clip=1.5, tolerance=1e-2)
