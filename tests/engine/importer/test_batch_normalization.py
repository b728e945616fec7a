"""BatchNormalization in the forms that are no longer, or seldom, written."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run
from onnx import helper, numpy_helper

RNG = np.random.default_rng(4)


def normalized(shape, parameters, opset, **attributes):
    """Values and the gradients by everything, of ONNX Runtime and of here."""
    names = ["x", "scale", "shift", "mean", "variance"]
    arrays = [RNG.normal(size=shape), *(np.abs(RNG.normal(size=(4, *parameters))) + 0.5)]
    feeds = {n: a.astype(np.float32) for n, a in zip(names, arrays, strict=True)}
    graph = helper.make_graph(
        [helper.make_node("BatchNormalization", names, ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info(n, 1, a.shape) for n, a in feeds.items()],
        [helper.make_tensor_value_info("y", 1, shape)],
    )
    proto = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", opset)])
    wanted = run(proto, feeds)["y"]
    cotangent = RNG.normal(size=shape).astype(np.float32)
    graph = osc.differentiate(proto, of="y", wrt=names)
    found = run(graph, feeds | {"grad_y": cotangent})
    np.testing.assert_allclose(found["y"], wanted, rtol=1e-5, atol=1e-6)
    for name, array in feeds.items():
        direction = RNG.uniform(-1, 1, array.shape).astype(np.float32)
        ends = [
            run(proto, feeds | {name: array + step * direction})["y"].astype(np.float64)
            for step in (np.float32(0.01), np.float32(-0.01))
        ]
        slope = ((ends[0] - ends[1]) / 0.02 * cotangent).sum()
        expected = (found[f"grad_{name}"].astype(np.float64) * direction).sum()
        assert slope == pytest.approx(expected, rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("opset", [7, 8])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5), (3, 6)])
def test_a_mean_for_each_cell(shape, opset):
    normalized(shape, shape[1:], opset, spatial=0, epsilon=0.01)


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
def test_values_of_one_axis_have_one_channel(opset):
    normalized((4,), (1,), opset)


def test_a_convolution_whose_normalisation_has_a_mean_for_each_cell():
    weights = RNG.normal(size=(3, 2, 1, 1)).astype(np.float32)
    parts = np.abs(RNG.normal(size=(4, 3, 4, 4))).astype(np.float32) + np.float32(0.5)
    constants = {"w": weights, "scale": parts[0], "b": parts[1], "m": parts[2], "v": parts[3]}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("BatchNormalization", ["c", "scale", "b", "m", "v"], ["y"], spatial=0),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 2, 4, 4])],
        [helper.make_tensor_value_info("y", 1, [1, 3, 4, 4])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, ir_version=4, opset_imports=[helper.make_opsetid("", 8)])
    onnx.checker.check_model(proto)
    x = RNG.normal(size=(1, 2, 4, 4)).astype(np.float32)
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones((1, 3, 4, 4), np.float32)})
    np.testing.assert_allclose(found["y"], run(proto, {"x": x})["y"], rtol=1e-5, atol=1e-5)
