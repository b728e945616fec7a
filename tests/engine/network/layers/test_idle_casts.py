"""Casts to the type that a value has already are no layers, wherever exporters write them."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import model
from onnx import TensorProto, helper


def _residual(*, casts):
    """A small residual network, a cast behind each node or none."""
    nodes, weights = [], {}

    def put(op_type, inputs, name, **attributes):
        nodes.append(helper.make_node(op_type, inputs, [name], **attributes))
        if not casts:
            return name
        nodes.append(helper.make_node("Cast", [name], [f"{name}_cast"], to=TensorProto.FLOAT))
        return f"{name}_cast"

    rng = np.random.default_rng(0)
    x, channels = "image", 3
    for block in range(2):
        start = x
        for half in range(2):
            name = f"{block}{half}"
            weights[f"w{name}"] = rng.standard_normal((4, channels, 3, 3)).astype(np.float32)
            channels = 4
            x = put("Conv", [x, f"w{name}"], f"conv{name}", pads=[1, 1, 1, 1])
            if half and block:
                x = put("Add", [x, start], f"add{block}")
            x = put("Relu", [x], f"relu{name}")
    x = put("GlobalAveragePool", [x], "pool")
    x = put("Flatten", [x], "flat")
    weights["w"] = rng.standard_normal((4, 5)).astype(np.float32)
    nodes.append(helper.make_node("MatMul", [x, "w"], ["scores"]))
    return model(nodes, {"image": (np.float32, (1, 3, 16, 16))}, ["scores"], weights)


@pytest.mark.parametrize("casts", [False, True])
def test_layers_are_those_without_casts(casts):
    network = osc.load(_residual(casts=casts), input_range=(0, 1))
    main = [layer.name for layer in network.layers.values() if layer.main]
    assert main == ["relu00", "relu01", "relu11", "pool", "scores"]
    assert not any("cast" in name for name in network.layers)


def test_values_are_the_same():
    picture = np.random.default_rng(0).uniform(size=(16, 16, 3)).astype(np.float32)
    found = [
        osc.load(_residual(casts=casts), input_range=(0, 1)).activations(
            picture, ["relu01", "scores"]
        )
        for casts in (False, True)
    ]
    for name, expected in found[0].items():
        np.testing.assert_array_equal(found[1][name], expected)


def test_a_cast_at_the_end_and_one_that_rounds_stay():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"]),
        helper.make_node("Cast", ["conv"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["back"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["back"], ["y"], to=TensorProto.FLOAT),
    ]
    w = np.ones((2, 3, 1, 1), np.float32)
    network = osc.load(model(nodes, {"x": (np.float32, (1, 3, 4, 4))}, ["y"], {"w": w}))
    assert list(network.layers) == ["conv", "half", "back", "y"]
