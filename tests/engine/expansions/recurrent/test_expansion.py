"""LSTM, GRU and RNN step by step: equal to ONNX Runtime's own, whatever their inputs."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import check, node_model, values
from graphs import operators, session
from onnxscope.errors import OperatorError
from recurrences import INPUTS, RECURRENT, H, N, T, recurrent_arrays, weights


@pytest.mark.slow
@pytest.mark.parametrize("of", ["o0", "o1"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("op_type", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrence(op_type, gates, direction, of):
    both = 2 if direction == "bidirectional" else 1
    outputs = 3 if op_type == "LSTM" else 2
    arrays = [values(T, N, INPUTS), *weights(gates, both)]
    options = {"hidden_size": H, "direction": direction, "of": of}
    check(op_type, arrays, outputs, **options)
    lengths = np.array([3, 5], np.int32)
    arrays += [lengths, values(both, N, H)] + ([values(both, N, H)] if op_type == "LSTM" else [])
    check(op_type, arrays, outputs, **options)


@pytest.mark.slow
def test_lstm_with_peepholes_and_cell_state():
    arrays = [values(T, N, INPUTS), *weights(4, 2), None, values(2, N, H), values(2, N, H)]
    options = {"hidden_size": H, "direction": "bidirectional"}
    check("LSTM", [*arrays, values(2, 3 * H)], 3, of="o2", **options)


def test_lstm_with_coupled_gates():
    check("LSTM", [values(T, N, INPUTS), *weights(4, 1)], 3, hidden_size=H, input_forget=1)


def test_gru_with_its_reset_after_the_product():
    arrays = [values(T, N, INPUTS), *weights(3, 1)]
    check("GRU", arrays, 2, hidden_size=H, linear_before_reset=1)


@pytest.mark.parametrize(
    ("names", "parameters"),
    [
        (["Softsign", "Softplus", "Tanh"], {}),
        (["Sigmoid", "ScaledTanh", "Affine"], {"activation_alpha": [1.2, 0.7],
                                               "activation_beta": [0.8, 0.1]}),
        (["Sigmoid", "Elu", "Tanh"], {"activation_alpha": [0.7]}),
    ],
)  # fmt: skip
def test_activations_of_an_lstm(names, parameters):
    arrays = [values(T, N, INPUTS), *weights(4, 1)]
    check("LSTM", arrays, 3, hidden_size=H, activations=names, **parameters)


@pytest.mark.parametrize(("op_type", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrence_with_the_batch_first(op_type, gates):
    # ONNX Runtime has no kernel for this layout: the other layout is the oracle.
    x, parts = values(T, N, INPUTS), weights(gates, 2)
    outputs = 3 if op_type == "LSTM" else 2
    options = {"hidden_size": H, "direction": "bidirectional"}
    first = session(node_model(op_type, [x, *parts], outputs, **options))
    y = first.run(["o0"], {f"i{i}": a for i, a in enumerate([x, *parts])})[0]
    turned = [np.ascontiguousarray(x.transpose(1, 0, 2)), *parts]
    graph = osc.differentiate(
        node_model(op_type, turned, outputs, layout=1, **options), of="o0", wrt=["i0"]
    )
    feeds = {f"i{i}": a for i, a in enumerate(turned)}
    other = y.transpose(2, 0, 1, 3)
    result = session(graph).run(["o0"], feeds | {"grad_o0": np.ones_like(other)})[0]
    np.testing.assert_allclose(result, other, atol=2e-6)


def test_a_recurrence_over_an_open_length_asks_for_it():
    proto = node_model("RNN", [values(T, N, INPUTS), *weights(1, 1)], 2, hidden_size=H)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "steps"
    with pytest.raises(OperatorError, match="steps steps; the gradient unrolls it"):
        osc.differentiate(proto, of="o0", wrt=["i0"])
    shapes = {"i0": (T, N, INPUTS)}
    assert "RNN" not in operators(osc.differentiate(proto, of="o0", wrt=["i0"], shapes=shapes))


@pytest.mark.slow
@pytest.mark.parametrize(("op_type", "gates", "outputs", "options"), RECURRENT)
def test_a_recurrence_over_an_open_number_of_sequences(op_type, gates, outputs, options):
    arrays = recurrent_arrays(op_type, gates, 2)
    options = {"hidden_size": H, "direction": "bidirectional", **options}
    proto = node_model(op_type, arrays, outputs, **options)
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    seed = {"grad_o0": values(T, 2, N, H)}
    names = [f"grad_{name}" for name in feeds]
    expected = session(osc.differentiate(proto, of="o0", wrt=list(feeds))).run(names, feeds | seed)
    for entry in proto.graph.input:
        if entry.name in ("i0", "i5", "i6"):
            entry.type.tensor_type.shape.dim[1].dim_param = "sequences"
    graph = osc.differentiate(proto, of="o0", wrt=list(feeds))
    assert graph.graph.output[0].type.tensor_type.shape.dim[2].dim_param == "sequences"
    found = session(graph).run(names, feeds | seed)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)


@pytest.mark.slow
def test_lengths_that_are_all_the_inputs_cost_nothing():
    arrays = [values(T, N, INPUTS), *weights(4, 1), np.full(N, T, np.int32)]
    options = {"hidden_size": H, "direction": "reverse"}
    graph = check("LSTM", arrays, 3, constants=("i4",), **options)
    assert not {"Where", "ReverseSequence"}.intersection(operators(graph))


def test_constant_weights_of_a_recurrence_are_rearranged_at_once():
    arrays = [values(T, N, INPUTS), *weights(4, 2)]
    constants = ("i1", "i2", "i3")
    options = {"hidden_size": H, "direction": "bidirectional"}
    graph = check("LSTM", arrays, 3, constants=constants, **options)
    assert "Transpose" not in operators(graph)
    # A step more is 11 nodes for both directions: 2 of cell states, and the way back.
    longer = [values(T + 10, N, INPUTS), *arrays[1:]]
    proto = node_model("LSTM", longer, 3, constants=constants, **options)
    more = osc.differentiate(proto, of="o0", wrt=["i0"])
    assert len(more.graph.node) - len(graph.graph.node) <= 10 * 11
