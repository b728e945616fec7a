"""Narrowing: the same numbers from a fraction of the work."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from graphs import model, operators, run
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnxscope.gradient.walk import backpropagate
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.graph.passes.narrow import narrow
from onnxscope.graph.passes.plan import Plan
from onnxscope.importer.replay import replay
from onnxscope.rules.standard import standard_rules

SHAPE = (2, 3, 12, 12)


class Network:
    """Layers one after the other, with random weights."""

    def __init__(self, seed=0):
        self._rng = np.random.default_rng(seed)
        self.nodes = []
        self.weights = {}

    def add(self, op, *inputs, name=None, **attributes):
        output = name or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def weight(self, *shape, positive=False):
        name = f"w{len(self.weights)}"
        array = self._rng.normal(size=shape) / max(1, np.sqrt(np.prod(shape[1:])))
        self.weights[name] = (np.abs(array) + 0.3 if positive else array).astype(np.float32)
        return name

    def number(self, value):
        name = f"w{len(self.weights)}"
        self.weights[name] = np.array(value)
        return name

    def conv(self, x, inputs, outputs, size=3, group=1, **attributes):
        pads = [size // 2] * 4
        w, b = (
            self.weight(outputs, inputs // group, size, size),
            self.weight(outputs, positive=True),
        )
        return self.add("Conv", x, w, b, pads=pads, group=group, **attributes)

    def normalized(self, x, channels):
        scale, shift, variance = (self.weight(channels, positive=True) for _ in range(3))
        return self.add("BatchNormalization", x, scale, shift, self.weight(channels), variance)

    def model(self, *outputs):
        return model(self.nodes, {"x": (np.float32, SHAPE)}, outputs, self.weights)


def inception():
    """A trunk, four branches joined, and what may stand between the join and its reader."""
    net = Network()
    stem = net.add("Relu", net.conv("x", 3, 6), name="stem")
    a = net.add("Relu", net.conv(stem, 6, 5, 1))
    b = net.add("Relu", net.conv(net.add("Relu", net.conv(stem, 6, 4, 1)), 4, 7))
    c = net.add("Relu", net.normalized(net.add("Relu", net.conv(stem, 6, 3)), 3))
    pool = net.add("MaxPool", stem, kernel_shape=[3, 3], pads=[1] * 4)
    d = net.add("Clip", net.conv(pool, 6, 4, 1), net.number(np.float32(0)),
                net.number(np.float32(6)))  # fmt: skip
    net.add("Concat", a, b, c, d, axis=1, name="mixed")
    net.add("AveragePool", "mixed", kernel_shape=[2, 2], strides=[2, 2], name="pooled")
    net.add("Relu", net.conv("pooled", 19, 8), name="deep")
    return net


def graph(proto, objective, wanted, narrowed):
    """Value and gradient of an objective, with or without narrowing."""
    builder = Builder()
    x = builder.input("x", SHAPE, np.float32)
    layers = replay(builder, ir.from_proto(proto).graph, {"x": x}, wanted)
    value = builder.output("value", objective(*layers.values()))
    if narrowed:
        narrow(builder, Plan())
    seed = builder.constant(np.ones(value.shape), value.dtype)
    (gradient,) = backpropagate(builder, {value: seed}, [x], standard_rules())
    builder.output("gradient", gradient)
    result = model_of(builder)
    onnx.checker.check_model(result, full_check=True)
    return result


def check(net, objective, *wanted, alive=True):
    """Assert that narrowing changes no number, and return both graphs."""
    proto = net.model(*wanted)
    wide, slim = (graph(proto, objective, wanted, narrowed) for narrowed in (False, True))
    x = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    expected, results = run(wide, {"x": x}), run(slim, {"x": x})
    assert np.abs(expected["gradient"]).max() > 1e-8 or not alive
    for name in ("value", "gradient"):
        scale = max(np.abs(expected[name]).max(), 1e-8)
        np.testing.assert_allclose(results[name] / scale, expected[name] / scale, atol=2e-6)
    return wide, slim


def kernels(proto):
    """The kernel shapes of the forward convolutions, in order."""
    arrays = {t.name: numpy_helper.to_array(t).shape for t in proto.graph.initializer}
    return [
        arrays[node.input[1]]
        for node in proto.graph.node
        if node.op_type == "Conv" and len(node.input) == 3
    ]


# (channel, kernels that remain) for each branch of the concatenation
BRANCHES = {
    "a": (3, [(6, 3, 3, 3), (1, 6, 1, 1)]),
    "b": (5, [(6, 3, 3, 3), (4, 6, 1, 1), (1, 4, 3, 3)]),
    "c": (13, [(6, 3, 3, 3), (1, 6, 3, 3)]),
    "d": (18, [(6, 3, 3, 3), (1, 6, 1, 1)]),
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_one_channel_needs_one_branch_and_one_kernel(branch):
    channel, expected = BRANCHES[branch]
    wide, slim = check(inception(), lambda mixed: mixed[:, channel].mean((1, 2)), "mixed")
    assert len(kernels(wide)) == 6
    assert kernels(slim) == expected
    assert "Concat" not in operators(slim)
    assert len(slim.graph.node) < len(wide.graph.node)


def test_through_a_pool_behind_the_join():
    _, slim = check(inception(), lambda pooled: pooled[:, 13].mean((1, 2)), "pooled")
    assert kernels(slim) == BRANCHES["c"][1]


@pytest.mark.parametrize("activation", ["Celu", "Mish", "Softsign", "ThresholdedRelu"])
def test_through_an_activation(activation):
    net = Network()
    net.add(activation, net.conv("x", 3, 6), name="activated")
    _, slim = check(net, lambda activated: activated[:, 2].mean((1, 2)), "activated")
    assert kernels(slim) == [(1, 3, 3, 3)]


def test_through_a_convolution_only_its_kernel_is_cut():
    _, slim = check(inception(), lambda deep: deep[:, 2].mean((1, 2)), "deep")
    assert kernels(slim)[-1] == (1, 19, 3, 3)
    assert len(kernels(slim)) == 7


def test_a_neuron_cuts_every_axis_at_once():
    def neuron(mixed):
        return mixed[:, 7, 5, 4]

    _, slim = check(inception(), neuron, "mixed")
    assert kernels(slim) == BRANCHES["b"][1]

    def one_picture(mixed):
        return mixed[0:1, 7, 5:6, 4:5].mean() * np.ones(2, np.float32)

    _, slim = check(inception(), one_picture, "mixed")
    assert kernels(slim) == BRANCHES["b"][1]


def test_steps_along_other_axes_stay():
    _, slim = check(inception(), lambda m: m[:, 6, ::-2, 1::3].mean((1, 2)), "mixed")
    assert kernels(slim) == BRANCHES["b"][1]


def test_two_channels_of_one_layer():
    _, slim = check(inception(), lambda m: (m[:, 3] * m[:, 13]).mean((1, 2)), "mixed")
    assert kernels(slim).count((6, 3, 3, 3)) == 1
    assert sorted(kernels(slim)) == sorted([(6, 3, 3, 3), (1, 6, 1, 1), (1, 6, 3, 3)])
    _, slim = check(inception(), lambda m: (m[:, 6] * m[:, 9]).mean((1, 2)), "mixed")
    assert kernels(slim).count((1, 4, 3, 3)) == 2


def test_a_slice_across_branches():
    _, slim = check(inception(), lambda m: m[:, 3:14].mean((1, 2, 3)), "mixed")
    assert (2, 6, 1, 1) in kernels(slim)
    assert (7, 4, 3, 3) in kernels(slim)
    assert (2, 6, 3, 3) in kernels(slim)
    assert operators(slim).count("Concat") == 1


def test_a_slice_of_a_value_that_is_also_used_whole():
    wide, slim = check(
        inception(), lambda m: m[:, 13].mean((1, 2)) + (m * m).mean((1, 2, 3)), "mixed"
    )
    assert set(kernels(wide)) <= set(kernels(slim))


def test_a_slice_of_a_layer_and_one_before_it():
    check(
        inception(),
        lambda deep, mixed, stem: deep[:, 1].mean((1, 2)) - mixed[:, 18, 3, 3] * stem[:, 2, 1, 1],
        "deep", "mixed", "stem",
    )  # fmt: skip


def test_what_is_not_one_run_of_channels_stays():
    _, slim = check(inception(), lambda m: m[:, ::3].mean((1, 2, 3)), "mixed")
    assert len(kernels(slim)) == 6
    _, slim = check(inception(), lambda m: m[:, 3:-1][:, 2:5].mean((1, 2, 3)), "mixed")
    assert kernels(slim) == [(6, 3, 3, 3), (4, 6, 1, 1), (3, 4, 3, 3)]
    _, slim = check(inception(), lambda m: m[:, 0:19, 2:4].mean((1, 2, 3)), "mixed")
    assert len(kernels(slim)) == 6


def test_depthwise_convolutions_are_cut_on_both_sides():
    net = Network()
    h = net.add("Relu", net.conv("x", 3, 8, 1))
    h = net.normalized(net.conv(h, 8, 8, group=8), 8)
    h = net.add("Clip", h, net.number(np.float32(-0.5)), net.number(np.float32(6)))
    net.add("Identity", net.conv(h, 8, 8, 5, group=8, strides=[2, 2]), name="y")
    _, slim = check(net, lambda y: y[:, 5].mean((1, 2)), "y")
    assert kernels(slim) == [(1, 3, 1, 1), (1, 1, 3, 3), (1, 1, 5, 5)]
    groups = [
        attribute.i
        for node in slim.graph.node
        if node.op_type == "Conv" and len(node.input) == 3
        for attribute in node.attribute
        if attribute.name == "group"
    ]
    assert groups == [1, 1, 1]
    _, slim = check(net, lambda y: y[:, 2:6].mean((1, 2, 3)), "y")
    assert kernels(slim) == [(4, 3, 1, 1), (4, 1, 3, 3), (4, 1, 5, 5)]


@pytest.mark.parametrize(("outputs", "group"), [(8, 2), (16, 8)])
def test_grouped_convolutions_stay(outputs, group):
    net = Network()
    h = net.add("Relu", net.conv("x", 3, 8))
    net.add("Relu", net.conv(h, 8, outputs, group=group), name="y")
    _, slim = check(net, lambda y: y[:, 5].mean((1, 2)), "y")
    assert kernels(slim) == [(8, 3, 3, 3), (outputs, 8 // group, 3, 3)]


def test_parameters_by_channel_are_cut_as_well():
    net = Network()
    h = net.conv("x", 3, 6)
    h = net.normalized(net.add("LeakyRelu", h, alpha=0.3), 6)
    h = net.add("HardSigmoid", h, alpha=0.05)
    h = net.add("Tanh", net.add("Sigmoid", net.add("Softplus", h)))
    net.add("GlobalAveragePool", h, name="y")
    _, slim = check(net, lambda y: y[:, 4].mean((1, 2)), "y")
    assert kernels(slim) == [(1, 3, 3, 3)]


def test_a_slice_that_the_model_brings_itself():
    # With an axis counted from the end, among others.
    net = inception()
    cuts = [net.number(np.array(n)) for n in ([6, 2], [7, 9], [-3, -1])]
    net.add("Slice", "mixed", *cuts, name="y")
    _, slim = check(net, lambda y: y.mean((1, 2, 3)), "y")
    assert kernels(slim) == BRANCHES["b"][1]


def test_a_slice_that_is_an_output():
    net = inception()
    cuts = [net.number(np.array(n)) for n in ([6], [8], [1])]
    net.add("Slice", "mixed", *cuts, name="y")
    builder = Builder()
    x = builder.input("x", SHAPE, np.float32)
    y = replay(builder, ir.from_proto(net.model("y")).graph, {"x": x}, ["y"])["y"]
    builder.output("y", y)
    narrow(builder, Plan())
    result = model_of(builder)
    picture = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    expected = run(net.model("y"), {"x": picture})["y"]
    np.testing.assert_allclose(run(result, {"x": picture})["y"], expected, rtol=1e-5, atol=1e-6)


def weights(proto):
    """The shapes of all weights that products are of, in order."""
    arrays = {t.name: numpy_helper.to_array(t).shape for t in proto.graph.initializer}
    return [
        [arrays[name] for name in node.input[1:]]
        for node in proto.graph.node
        if node.op_type in ("Gemm", "MatMul") and node.input[1] in arrays
    ]


@pytest.mark.parametrize(
    ("turned", "bias", "expected"),
    [
        (1, (9,), [(1, 5), (1,)]),
        (0, (9,), [(5, 1), (1,)]),
        (1, (1, 9), [(1, 5), (1, 1)]),
        (0, (1,), [(5, 1), (1,)]),
        (1, (), [(1, 5), ()]),
        (0, None, [(5, 1)]),
    ],
)
def test_the_score_of_one_class_needs_one_row_of_weights(turned, bias, expected):
    net = Network()
    rows = net.add("Flatten", net.add("GlobalAveragePool", net.conv("x", 3, 5)))
    given = [net.weight(*((9, 5) if turned else (5, 9)))]
    given += [] if bias is None else [net.weight(*bias)]
    net.add("Gemm", rows, *given, transB=turned, alpha=0.5, beta=2.0, name="y")
    _, slim = check(net, lambda y: y[:, 7:8].sum(1), "y")
    assert weights(slim)[0] == expected
    # Backwards the same row, and no bias.
    assert [shapes[0] for shapes in weights(slim)] == [expected[0]] * 2


def test_a_product_of_which_more_is_read_stays_whole():
    net = Network()
    rows = net.add("Flatten", net.add("GlobalAveragePool", net.conv("x", 3, 5)))
    net.add("MatMul", rows, net.weight(5, 9), name="y")
    _, one = check(net, lambda y: y[:, 2], "y")
    _, both = check(net, lambda y: y[:, 2] - y[:, 6], "y")
    assert [weights(slim)[0] for slim in (one, both)] == [[(5, 1)], [(5, 9)]]


@pytest.mark.parametrize("op", ["Flatten", "Squeeze", "Reshape"])
def test_through_another_shape_of_each_channel(op):
    net = Network()
    pooled = net.add("GlobalAveragePool", net.add("Relu", net.conv("x", 3, 5)))
    sizes = {"Flatten": [], "Squeeze": [[2, 3]], "Reshape": [[0, -1]]}[op]
    net.add(op, pooled, *(net.number(np.array(n)) for n in sizes), name="y")
    _, slim = check(net, lambda y: y[:, 3], "y")
    assert kernels(slim) == [(1, 3, 3, 3)]


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax", "ReduceL2"])
@pytest.mark.parametrize(("axes", "kept"), [([2, 3], 1), ([-1, -2], 0), ([3], 1), ([1], 1)])
def test_through_a_reduction_behind_the_channels(op, axes, kept):
    net = Network()
    h = net.add("Relu", net.conv("x", 3, 5))
    h = net.add(op, h, net.number(np.array(axes)), keepdims=kept)
    net.add("Flatten", h, name="y")
    _, slim = check(net, lambda y: y[:, 0], "y")
    assert kernels(slim) == [(5 if axes in ([3], [1]) else 1, 3, 3, 3)]


def test_a_shape_that_mixes_channels_stays():
    net = Network()
    net.add("Flatten", net.conv("x", 3, 5), name="y")
    _, slim = check(net, lambda y: y[:, 3], "y")
    assert kernels(slim) == [(5, 3, 3, 3)]


def test_without_slices_nothing_changes():
    wide, slim = check(inception(), lambda m: m.mean((1, 2, 3)), "mixed")
    assert operators(wide) == operators(slim)


def test_names_of_layers_remain():
    _, slim = check(inception(), lambda m: m[:, 3].mean((1, 2)), "mixed")
    assert any(node.output[0].startswith("stem") for node in slim.graph.node)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.data())
def test_any_cut_of_any_layer(data):
    wanted = data.draw(st.sampled_from(["mixed", "pooled", "deep", "stem"]))
    channels = {"mixed": 19, "pooled": 19, "deep": 8, "stem": 6}[wanted]
    size = 6 if wanted in ("pooled", "deep") else 12
    start = data.draw(st.integers(0, channels - 1))
    stop = data.draw(st.integers(start + 1, channels))
    top = data.draw(st.integers(0, size - 2))
    net = inception()

    def objective(layer):
        part = layer[:, start:stop, top:]
        return (part * part).sum((1, 2, 3)) + part.sum((1, 2, 3))

    check(net, objective, wanted, alive=False)
