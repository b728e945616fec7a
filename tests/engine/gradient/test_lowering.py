"""Forms that are faster and the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import operators
from onnx import helper, numpy_helper
from onnxscope.gradient.objective import gradient_of_image
from onnxscope.rules.by_provider import rules_for


def network(*, second_reader: bool = False, **pool: object) -> onnx.ModelProto:
    """A convolution, ReLU and MaxPool; small whole numbers, so that ties are many."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.integers(-2, 3, (4, 3, 3, 3)), "v": rng.integers(-2, 3, (5, 4, 1, 1))}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], **pool),
        helper.make_node("Conv", ["p", "v"], ["y"]),
    ]
    if second_reader:
        nodes[-1].output[0] = "y0"
        nodes.append(helper.make_node("ReduceMean", ["r", "axes"], ["mean"]))
        nodes.append(helper.make_node("Add", ["y0", "mean"], ["y"]))
        weights["axes"] = np.array([2, 3])
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("x", 1, [1, 3, "H", "W"])],
        [helper.make_empty_tensor_value_info("y")],
        [
            numpy_helper.from_array(a if n == "axes" else a.astype(np.float32), n)
            for n, a in weights.items()
        ],
    )
    if second_reader:
        graph.initializer[1].CopyFrom(
            numpy_helper.from_array(rng.integers(-2, 3, (4, 4, 1, 1)).astype(np.float32), "v")
        )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def plain_relu() -> osc.RuleTable:
    """The rules with a ReLU that is no longer the standard one, though it does the same."""
    own = osc.RuleTable()
    own.define("Relu", lambda op, dy, x: op.Where(x.greater(0), dy, op.constant(0, dy.dtype)))
    return rules_for("cpu") | own


@pytest.mark.parametrize(
    "pool",
    [
        {"kernel_shape": [3, 3], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ],
)
def test_a_pool_goes_before_its_relu(pool):
    model = osc.load(network(**pool), input_range=(-1, 1))
    # −1, 0 and 1 for the network.
    image = np.random.default_rng(1).integers(0, 3, (17, 18, 3)).astype(np.float32) / 2
    swapped = osc.Gradient(model, "y:1", provider="cpu")
    straight = osc.Gradient(model, "y:1", provider="cpu", rules=plain_relu())
    ops = operators(swapped.to_onnx(size=(17, 18)))
    assert ops.index("MaxPool") < ops.index("Relu")
    for a, b in zip(swapped(image), straight(image), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "pool",
    [
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "auto_pad": "SAME_UPPER"},
    ],
)
def test_a_pool_that_begins_outside_stays_behind_its_relu_on_the_cpu(pool):
    """There zeros do for what is outside, which saves writing the picture with a border."""
    model = osc.load(network(**pool), input_range=(-1, 1))
    image = np.random.default_rng(1).integers(0, 3, (17, 18, 3)).astype(np.float32) / 2
    gradient = osc.Gradient(model, "y:1", provider="cpu")
    shape = (1, 3, 17, 18)
    ops = operators(gradient_of_image(model, osc.channel("y", 1), shape, rules_for("cpu")))
    assert ops.index("Relu") < ops.index("MaxPool")
    assert "Pad" not in ops
    straight = osc.Gradient(model, "y:1", provider="cpu", rules=plain_relu())
    for a, b in zip(gradient(image), straight(image), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_relu_with_another_reader_stays_before_its_pool():
    proto = network(second_reader=True, kernel_shape=[3, 3], strides=[2, 2])
    gradient = osc.Gradient(osc.load(proto, input_range=(-1, 1)), "y:1", provider="cpu")
    ops = operators(gradient.to_onnx(size=17))
    assert ops.index("Relu") < ops.index("MaxPool")
