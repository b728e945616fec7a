"""Operators that are written as others: equal to ONNX Runtime's own kernels, and differentiable."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from expansion_checks import RNG, check, node_model, values
from graphs import operators, session
from node_suite import node_tests
from onnx import TensorProto, helper, numpy_helper
from onnxscope.errors import OperatorError, StraightThroughWarning
from onnxscope.expansions import registry
from onnxscope.expansions.contrib.refused import REASONS
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.passes.precision import use_half
from onnxscope.importer.opsets import load_graph
from onnxscope.importer.replay import replay

# Recurrence --------------------------------------------------------------------------------------

T, N, INPUTS, H = 5, 2, 3, 4


def weights(gates: int, directions: int) -> list[np.ndarray]:
    return [
        values(directions, gates * H, INPUTS),
        values(directions, gates * H, H),
        values(directions, 2 * gates * H),
    ]


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


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("op_type", "gates", "outputs", "options"), RECURRENT)
def test_a_recurrence_in_one_piece_has_the_gradient_of_its_nodes(
    op_type, gates, outputs, options, direction
):
    arrays = recurrent_arrays(op_type, gates, 2 if direction == "bidirectional" else 1)
    options = {"hidden_size": H, "direction": direction, **options}
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    for index in range(outputs):
        proto = node_model(op_type, arrays, outputs, **options)
        found = []
        for rules in (None, one_by_one()):
            graph = osc.differentiate(proto, of=f"o{index}", wrt=list(feeds), rules=rules)
            opened = session(graph)
            seed = {
                entry.name: np.random.default_rng(1).normal(size=entry.shape).astype(np.float32)
                for entry in opened.get_inputs()
                if entry.name.startswith("grad_")
            }
            names = [f"grad_{name}" for name in feeds]
            found.append((len(graph.graph.node), opened.run(names, feeds | seed)))
        (fewer, ours), (more, theirs) = found
        assert fewer < more
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(("op_type", "gates", "outputs", "options"), RECURRENT)
def test_the_gradient_of_a_recurrences_gradient(op_type, gates, outputs, options):
    arrays = recurrent_arrays(op_type, gates, 2)
    proto = node_model(
        op_type, arrays, outputs, hidden_size=H, direction="bidirectional", **options
    )
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    feeds["grad_o0"] = values(T, 2, N, H)
    first = osc.differentiate(proto, of="o0", wrt=["i0"])
    kernel = session(first)
    second = osc.differentiate(first, of="grad_i0", wrt=list(feeds))
    cotangent = values(T, N, INPUTS)
    opened = session(second)
    names = [entry.name for entry in opened.get_outputs()][-len(feeds) :]
    results = opened.run(names, feeds | {"grad_grad_i0": cotangent})
    for (name, array), gradient in zip(feeds.items(), results, strict=True):
        direction = RNG.uniform(-1, 1, array.shape).astype(np.float32)

        def along(t, name=name, direction=direction):
            moved = feeds | {name: feeds[name] + np.float32(t) * direction}
            return float((kernel.run(["grad_i0"], moved)[0].astype(np.float64) * cotangent).sum())

        h = 0.02
        difference = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
        slope = float((gradient.astype(np.float64) * direction).sum())
        size = np.linalg.norm(gradient * direction) + 0.01 * np.linalg.norm(cotangent)
        assert abs(slope - difference) <= 3e-3 * max(size, abs(difference))


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


@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize(("op_type", "gates", "outputs", "options"), RECURRENT)
def test_a_recurrence_in_half_precision_has_the_same_gradient(
    op_type, gates, outputs, options, steps
):
    # Its products are replaced by others: the gradient in one piece would lead to what is no more.
    weights_ = [array / 3 for array in recurrent_arrays(op_type, gates, 2)[1:4]]
    arrays = [values(steps, N, INPUTS), *weights_]
    constants = ("i1", "i2", "i3")
    proto = node_model(
        op_type, arrays, outputs, constants=constants, hidden_size=H, direction="bidirectional",
        **options,
    )  # fmt: skip
    found = []
    for half in (False, True):
        loaded = load_graph(proto)
        builder = Builder(opset=loaded.opset)
        x = builder.input("i0", arrays[0].shape, np.float32)
        # Products behind a first one are halved.
        mixed = x @ builder.constant(np.eye(INPUTS), np.float32)
        y = replay(builder, loaded.model.graph, {"i0": mixed}, ["o0"])["o0"]
        value = builder.output("value", (y * y).sum())
        if half:
            use_half(builder, x)
        seed = builder.constant(1, np.float32)
        dx = backpropagate(builder, {value: seed}, [x], osc.standard_rules())[0]
        builder.output("dx", dx)
        model = model_of(builder)
        assert half == any(node.op_type == "Cast" for node in model.graph.node)
        found.append(session(model).run(["dx"], {"i0": arrays[0]})[0])
    single, halved = found
    assert np.linalg.norm(halved - single) <= 5e-3 * np.linalg.norm(single)


def test_directions_with_other_activations():
    names = ["Sigmoid", "Tanh", "Tanh", "Sigmoid", "Softsign", "Tanh"]
    options = {"hidden_size": H, "direction": "bidirectional", "activations": names}
    check("LSTM", [values(T, N, INPUTS), *weights(4, 2)], 3, **options)


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


@pytest.mark.parametrize("wrt", [["i0"], ["i5"], ["i6"], ["i2", "i6"]])
@pytest.mark.parametrize("of", ["o0", "o1", "o2"])
def test_some_of_the_gradients_of_both_directions(of, wrt):
    arrays = recurrent_arrays("LSTM", 4, 2)
    proto = node_model("LSTM", arrays, 3, hidden_size=H, direction="bidirectional")
    feeds = {f"i{i}": array for i, array in enumerate(arrays) if array is not None}
    seed = {f"grad_{of}": values(*((T, 2, N, H) if of == "o0" else (2, N, H)))}
    names = [f"grad_{name}" for name in wrt]
    few = session(osc.differentiate(proto, of=of, wrt=wrt)).run(names, feeds | seed)
    everything = osc.differentiate(proto, of=of, wrt=list(feeds), rules=one_by_one())
    for mine, other in zip(few, session(everything).run(names, feeds | seed), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)


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


# Functions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "options"),
    [
        ([values(2, 3, 4, 8), values(2, 3, 6, 8), values(2, 3, 6, 8)], {}),
        ([values(2, 4, 24), values(2, 6, 24), values(2, 6, 24)],
         {"q_num_heads": 3, "kv_num_heads": 3, "is_causal": 1}),
        ([values(2, 4, 4, 8), values(2, 2, 6, 8), values(2, 2, 6, 8), values(4, 6)],
         {"softcap": 2.0}),
        ([values(1, 2, 4, 8), values(1, 2, 4, 8), values(1, 2, 4, 8)], {"scale": 0.3}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("opset", [23, 24])
def test_attention(arrays, options, opset):
    graph = check("Attention", arrays, opset=opset, **options)
    assert graph.opset_import[0].version == 21


@pytest.mark.parametrize(
    ("arrays", "options"),
    [
        ([values(2, 3, 4, 8), values(2, 4, 4), values(2, 4, 4)], {}),
        ([values(2, 4, 24), values(50, 4), values(50, 4), np.arange(8).reshape(2, 4)],
         {"num_heads": 3, "interleaved": 1}),
        ([values(2, 3, 4, 8), values(2, 4, 2), values(2, 4, 2)], {"rotary_embedding_dim": 4}),
    ],
)  # fmt: skip
def test_rotary_embedding(arrays, options):
    check("RotaryEmbedding", arrays, opset=23, **options)


def test_root_mean_square_normalization():
    check("RMSNormalization", [values(2, 3, 8), values(8)], opset=23)
    check("RMSNormalization", [values(2, 3, 8), values(3, 8)], opset=23, axis=1, epsilon=0.1)


def test_swish():
    check("Swish", [values(2, 3)], opset=24, alpha=1.3)
    check("Swish", [values(2, 3)], opset=24)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("op_type", ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
def test_losses(op_type, reduction):
    labels = np.array([0, 1, 4, 2])
    check(op_type, [values(4, 5), labels], reduction=reduction)
    check(op_type, [values(4, 5), labels, np.abs(values(5))], reduction=reduction, ignore_index=1)


# Fused operators ---------------------------------------------------------------------------------

FUSED = [
    ("Gelu", [values(2, 5)], {}),
    ("BiasGelu", [values(2, 5), values(5)], {}),
    ("FastGelu", [values(2, 5), values(5)], {}),
    ("FastGelu", [values(2, 5)], {}),
    ("QuickGelu", [values(2, 5)], {"alpha": 1.2}),
    ("FusedConv", [values(1, 3, 5, 5), values(4, 3, 3, 3), values(4)], {"activation": "Tanh"}),
    ("FusedConv", [values(1, 3, 5, 5), values(4, 3, 3, 3), values(4), values(1, 4, 3, 3)],
     {"activation": "Sigmoid", "pads": [0, 0, 0, 0]}),
    ("FusedConv", [values(1, 3, 5, 5), values(4, 3, 3, 3), values(4) + 20],
     {"activation": "LeakyRelu", "activation_params": [0.2]}),
    ("FusedGemm", [values(3, 4), values(4, 5), values(5)], {"activation": "Tanh", "alpha": 0.7}),
    ("FusedMatMul", [values(2, 3, 4), values(2, 5, 4)], {"transB": 1, "alpha": 0.5}),
    ("FusedMatMul", [values(4, 2, 3, 5), values(2, 3, 4, 6)], {"transA": 1, "transBatchA": 1}),
    ("TransposeMatMul", [values(2, 3, 4), values(2, 5, 4)], {"transB": 1, "alpha": 0.5}),
]  # fmt: skip


@pytest.mark.parametrize(("op_type", "arrays", "options"), FUSED)
def test_fused_operators(op_type, arrays, options):
    check(op_type, arrays, domain="com.microsoft", **options)


@pytest.mark.parametrize(
    "name",
    [
        *("Celu", "Elu", "HardSigmoid", "LeakyRelu", "ParametricSoftplus", "Relu", "ScaledTanh"),
        *("Selu", "Sigmoid", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"),
    ],
)
def test_activations_of_a_fused_product(name):
    # Far from the kinks on both sides, and for HardSigmoid between them.
    sides = [-0.3, 0.2] if name == "HardSigmoid" else [-6, 5]
    arrays = [values(6, 4) * 0.1, values(4, 2) * 0.5, np.array(sides, np.float32)]
    options = {"activation_alpha": 0.7, "activation_beta": 0.4, "activation_gamma": 1.2}
    check("FusedGemm", arrays, domain="com.microsoft", activation=name, **options)


@pytest.mark.parametrize("name", ["Clip", "HardSigmoid", "HardSwish"])
def test_activations_of_a_fused_convolution(name):
    arrays = [values(1, 3, 5, 5) * 0.05, values(3, 3, 3, 3), np.array([-0.6, 0.3, 5], np.float32)]
    options = {"activation": name, "activation_params": [0.2, 0.5]}
    if name == "Clip":
        options["activation_params"] = [-3.0, 2.0]
    check("FusedConv", arrays, domain="com.microsoft", **options)


def test_an_activation_that_is_not_known():
    arrays = [values(2, 3), values(3, 4), values(4)]
    proto = node_model("FusedGemm", arrays, domain="com.microsoft", activation="Wave")
    with pytest.raises(OperatorError, match="the activation 'Wave', which is not known"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


def test_bias_softmax():
    # ONNX Runtime has no CPU kernel for it, nor for the next two: what they fuse is the oracle.
    def oracle(x, bias):
        weights = np.exp((x + bias).astype(np.float64).reshape(2, 3, 20))
        return (weights / weights.sum(-1, keepdims=True)).reshape(x.shape)

    options = {"axis": 2, "is_inner_broadcast": 1, "oracle": oracle}
    for shape in ((2, 1, 4, 5), (1, 1, 4, 5), (3, 4, 5)):
        arrays = [values(2, 3, 4, 5), values(*shape)]
        check("BiasSoftmax", arrays, domain="com.microsoft", **options)


@pytest.mark.parametrize("bias", [True, False])
def test_gemm_fast_gelu(bias):
    gelu = session(node_model("FastGelu", [values(2, 3, 5)], domain="com.microsoft"))

    def oracle(x, w, bias=0):
        return gelu.run(None, {"i0": x @ w + bias})[0]

    arrays = [values(2, 3, 4), values(4, 5), *([values(5)] if bias else [])]
    check("GemmFastGelu", arrays, domain="com.microsoft", oracle=oracle)


def test_convolution_of_channels_last():
    def turned(x):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    arrays = [values(1, 6, 5, 3), values(4, 3, 2, 3), values(4)]
    options = {"strides": [2, 1], "pads": [1, 0, 1, 1]}
    plain = session(node_model("Conv", [*map(turned, arrays[:2]), arrays[2]], **options))

    def oracle(x, w, bias):
        y = plain.run(None, {"i0": turned(x), "i1": turned(w), "i2": bias})[0]
        return y.transpose(0, 2, 3, 1)

    check("NhwcConv", arrays, domain="com.microsoft", oracle=oracle, **options)


@pytest.mark.parametrize("op_type", list(REASONS))
def test_operators_are_refused_by_name(op_type):
    proto = node_model(op_type, [values(2, 3)], domain="com.microsoft")
    message = rf"{op_type} \(node 'o0'\) of com.microsoft is not supported: {REASONS[op_type]}"
    with pytest.raises(OperatorError, match=message):
        osc.differentiate(proto, of="o0", wrt=["i0"])


@pytest.mark.parametrize("domain", ["com.microsoft.nchwc", "com.ms.internal.nhwc"])
def test_layouts_of_one_kind_of_processor_are_refused(domain):
    arrays = [np.zeros((1, 8, 6, 6), np.float32), np.zeros((8, 8, 3, 3), np.float32)]
    proto = node_model("Conv", arrays, domain=domain)
    with pytest.raises(OperatorError, match=f"{domain} .*ORT_ENABLE_EXTENDED"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


def test_bias_split_gelu():
    # ONNX Runtime has no CPU kernel for it: its Gelu is the oracle.
    gelu = session(node_model("Gelu", [values(2, 3, 4)], domain="com.microsoft"))

    def oracle(x, bias):
        left, right = np.split(x + bias, 2, axis=-1)
        return left * gelu.run(None, {"i0": right})[0]

    check("BiasSplitGelu", [values(2, 3, 8), values(8)], domain="com.microsoft", oracle=oracle)


# Quantised networks ------------------------------------------------------------------------------


def quantized_network() -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["w"], axis=0),
        helper.make_node("Conv", ["d", "w"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s2", "z2"], ["q2"]),
        helper.make_node("Transpose", ["q2"], ["q3"]),
        helper.make_node("DequantizeLinear", ["q3", "s2", "z2"], ["y"]),
    ]
    constants = {
        "s": np.float32(0.05),
        "z": np.uint8(120),
        "wq": RNG.integers(-100, 100, (4, 3, 3, 3)).astype(np.int8),
        "ws": np.array([0.01, 0.02, 0.005, 0.01], np.float32),
        "wz": np.zeros(4, np.int8),
        "s2": np.float32(0.1),
        "z2": np.int8(3),
    }
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4, 4, 1])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(proto)
    return proto


def test_quantised_values_pass_gradients_straight_through():
    proto = quantized_network()
    with pytest.warns(StraightThroughWarning, match="QuantizeLinear") as said:
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert [warning.filename for warning in said] == [__file__]
    x = values(1, 3, 6, 6)
    x[0, 0, :2] = 30  # beyond the grid's end
    plain = session(proto, optimized=False)
    cotangent = values(4, 4, 4, 1)
    y, gradient = session(graph).run(["y", "grad_x"], {"x": x, "grad_y": cotangent})
    np.testing.assert_array_equal(y, plain.run(None, {"x": x})[0])
    # The same network without its rounding, where nothing leaves the second grid.
    constants = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    kernel = constants["wq"] * constants["ws"].reshape(-1, 1, 1, 1)
    grid = (y.transpose(3, 2, 1, 0) / 0.1).round() + 3
    given = cotangent.transpose(3, 2, 1, 0) * ((grid > -128) & (grid < 127))
    expected = np.zeros_like(x)
    for i, j in np.ndindex(4, 4):
        expected[0, :, i : i + 3, j : j + 3] += np.tensordot(given[0, :, i, j], kernel, 1)
    expected[0, 0, :2] = 0
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_weights_in_blocks():
    x = RNG.integers(-8, 8, (6, 4)).astype(np.int8)
    scale = np.abs(values(3, 4))
    node = helper.make_node("DequantizeLinear", ["x", "s"], ["w"], axis=0, block_size=2)
    graph = helper.make_graph(
        [node, helper.make_node("MatMul", ["a", "w"], ["y"])],
        "test",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [2, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [numpy_helper.from_array(x, "x"), numpy_helper.from_array(scale, "s")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    a = values(2, 6)
    result = session(osc.differentiate(proto, of="y", wrt=["a"])).run(
        ["y"], {"a": a, "grad_y": np.ones((2, 4), np.float32)}
    )[0]
    np.testing.assert_allclose(result, a @ (x * scale.repeat(2, 0)), rtol=1e-5)


@pytest.mark.parametrize(
    ("domain", "op_type"), [("", "QLinearConv"), ("", "MatMulInteger"), ("com.microsoft", "QGemm")]
)
def test_integer_arithmetic_is_refused(domain, op_type):
    proto = node_model(op_type, [values(2, 2), np.zeros((2, 2), np.uint8)], domain=domain)
    with pytest.raises(OperatorError, match=f"{op_type} .* computes with integers alone"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


# Control flow ------------------------------------------------------------------------------------


def body(text: str) -> onnx.GraphProto:
    return onnx.parser.parse_graph(text)


def flow_model(node, inputs, constants=(), before=()) -> onnx.ModelProto:
    graph = helper.make_graph(
        [*before, node],
        "test",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in dict(constants).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


BRANCHES = {
    "then_branch": body("t () => (float[3] a) { s = Sin(x) a = Mul(s, x) }"),
    "else_branch": body("e () => (float[3] b) { b = Exp(x) }"),
}


@pytest.mark.parametrize("flag", [True, False])
def test_a_branch_that_a_constant_chooses(flag):
    node = helper.make_node("If", ["flag"], ["y"], **BRANCHES)
    graph = osc.differentiate(flow_model(node, {"x": [3]}, {"flag": flag}), of="y", wrt=["x"])
    assert "If" not in operators(graph)
    x, dy = values(3), values(3)
    gradient = session(graph).run(["grad_x"], {"x": x, "grad_y": dy})[0]
    expected = np.cos(x) * x + np.sin(x) if flag else np.exp(x)
    np.testing.assert_allclose(gradient, expected * dy, rtol=1e-5, atol=1e-6)


def test_a_weight_that_only_a_branch_reads_has_a_gradient():
    branch = body("t () => (float[3] a) { a = Sin(w) }")
    node = helper.make_node("If", ["flag"], ["y"], then_branch=branch, else_branch=branch)
    weights = {"flag": True, "w": values(3)}
    graph = osc.differentiate(flow_model(node, {"x": [3]}, weights), of="y", wrt=["w", "x"])
    feeds = {"x": values(3), "grad_y": values(3)}
    dw, dx = session(graph).run(["grad_w", "grad_x"], feeds)
    np.testing.assert_allclose(dw, np.cos(weights["w"]) * feeds["grad_y"], rtol=1e-5)
    assert not dx.any()


def test_a_branch_that_a_shape_chooses():
    before = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Equal", ["shape", "three"], ["flag"]),
    ]
    node = helper.make_node("If", ["flag"], ["y"], **BRANCHES)
    proto = flow_model(node, {"x": ["n"]}, {"three": np.array([3])}, before)
    with pytest.raises(OperatorError, match="only known at run time"):
        osc.differentiate(proto, of="y", wrt=["x"])
    graph = osc.differentiate(proto, of="y", wrt=["x"], shapes={"x": (3,)})
    assert "Sin" in operators(graph)


def test_a_loop_of_known_length():
    inner = body("""l (int64 i, bool on, float[3] v) => (bool still, float[3] w, float[3] seen) {
        w0 = Mul(v, x)
        w = Sin(w0)
        seen = Exp(w)
        still = Identity(on)
    }""")
    node = helper.make_node("Loop", ["trips", "", "x"], ["last", "y"], body=inner)
    proto = flow_model(node, {"x": [3]}, {"trips": np.int64(4)})
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert "Loop" not in operators(graph)
    compare_flow(proto, graph, {"x": values(3)})


@pytest.mark.parametrize("direction", [0, 1])
def test_a_scan_of_known_length(direction):
    inner = body("""s (float[3] state, float[3] step) => (float[3] next, float[3] seen) {
        moved = Mul(state, step)
        next = Tanh(moved)
        seen = Add(next, step)
    }""")
    node = helper.make_node(
        "Scan", ["h", "x"], ["last", "y"], body=inner, num_scan_inputs=1,
        scan_input_directions=[direction], scan_output_directions=[direction],
    )  # fmt: skip
    proto = flow_model(node, {"h": [3], "x": [4, 3]})
    graph = osc.differentiate(proto, of="y", wrt=["h", "x"])
    compare_flow(proto, graph, {"h": values(3), "x": values(4, 3)})


def compare_flow(proto, graph, feeds):
    """A model with control flow against its unrolled gradient."""
    plain, opened = session(proto), session(graph)
    y = plain.run(["y"], feeds)[0]
    cotangent = values(*y.shape)
    names = [output.name for output in opened.get_outputs()]
    results = dict(zip(names, opened.run(names, feeds | {"grad_y": cotangent}), strict=True))
    np.testing.assert_allclose(results["y"], y, rtol=1e-5)
    for name, x in feeds.items():
        direction = RNG.uniform(-1, 1, x.shape).astype(np.float32)
        ends = [
            (plain.run(["y"], feeds | {name: x + t * direction})[0].astype(float) * cotangent).sum()
            for t in (np.float32(0.01), np.float32(-0.01))
        ]
        slope = (results[f"grad_{name}"].astype(float) * direction).sum()
        assert slope == pytest.approx((ends[0] - ends[1]) / 0.02, rel=5e-3, abs=5e-3)


def test_a_loop_that_data_ends_is_refused():
    inner = body("""l (int64 i, bool on, float[3] v) => (bool still, float[3] w) {
        w = Sin(v)
        total = ReduceSum<keepdims: int = 0>(w)
        still = Greater(total, one)
    }""")
    node = helper.make_node("Loop", ["trips", "", "x"], ["y"], body=inner)
    proto = flow_model(node, {"x": [3]}, {"trips": np.int64(4), "one": np.float32(1)})
    with pytest.raises(OperatorError, match=r"Loop .* ends on a condition .* run time"):
        osc.differentiate(proto, of="y", wrt=["x"])


# The table ---------------------------------------------------------------------------------------


def test_every_expansion_has_a_test():
    tested = {("com.microsoft", op_type) for op_type, _, _ in FUSED}
    tested |= {("com.microsoft", name) for name in (
        "BiasSoftmax", "BiasSplitGelu", "GemmFastGelu", "NhwcConv",
        # In files of their own.
        "Attention", "EmbedLayerNormalization", "GatherBlockQuantized", "GroupNorm",
        "GroupQueryAttention", "MatMulBnb4", "MatMulNBits", "MultiHeadAttention",
        "RotaryEmbedding", "SkipGroupNorm", "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
    )}  # fmt: skip
    tested |= {("", name) for name in (
        "LSTM", "GRU", "RNN", "If", "Loop", "Scan", "Attention", "RotaryEmbedding", "Swish",
        "RMSNormalization", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss",
        "QuantizeLinear", "DequantizeLinear", "SimplifiedLayerNormalization",
    )}  # fmt: skip
    expanded = {
        key
        for key, expansion in registry.all_expansions().items()
        if expansion.__module__.removeprefix("onnxscope.expansions.")
        in (
            *("attention", "block_quantized", "contrib.fused", "contrib.attention"),
            *("contrib.normalization", "control", "functions", "grouped_attention", "quantized"),
            *("recurrent.expansion", "rotary"),
        )
        and expansion.__name__ != "_refuse_integers"
    }
    # Beyond what ONNX Runtime 1.31 runs, or the same operator under the runtime's domain.
    untestable = {("", name) for name in ("CausalConvWithState", "LinearAttention", "SwiGLU")}
    untestable |= {("com.microsoft", f"{kind}Linear") for kind in ("Quantize", "Dequantize")}
    untestable |= {("com.microsoft", "BiasAdd")}
    assert expanded - untestable == tested


def test_definitions_may_use_operators_that_the_opset_lacks():
    cases = node_tests()
    found = osc.verify(cases["test_swiglu"].model, provider="cpu")
    assert found.verdict == "agrees"
    # Of these onnx asks for the types of inputs that are not there.
    left_out = cases["test_causal_conv_with_state_with_past_state"].model
    with pytest.raises(OperatorError, match="left out"):
        osc.differentiate(left_out, of="output", wrt=["input"])


def test_an_operator_has_a_rule_or_an_expansion():
    rules = osc.standard_rules()
    # Of ScatterND only the reductions are expanded.
    twice = [name for domain, name in registry.all_expansions() if not domain and name in rules]
    assert twice == ["ScatterND"]
