"""Upsample and Resize of old opsets give what they gave."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run, session
from onnx import helper, numpy_helper


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("scales", [(2, 2), (3, 1.5), (0.5, 0.4), (1, 2)], ids=str)
@pytest.mark.parametrize(("op", "opset"), [("Upsample", 9), ("Resize", 10)])
@pytest.mark.parametrize("computed", [False, True])
def test_old_resizing(op, opset, mode, scales, computed):
    if op == "Upsample" and min(scales) < 1:
        pytest.skip("Upsample does not shrink")
    data = numpy_helper.from_array(np.array([1, 1, *scales], np.float32), "scales")
    nodes = [helper.make_node(op, ["x", "scales"], ["y"], mode=mode)]
    if computed:
        nodes.insert(0, helper.make_node("Constant", [], ["scales"], value=data))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 2, 6, 5])],
        [helper.make_tensor_value_info("y", 1, [1, 2, None, None])],
        [] if computed else [data],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
    onnx.checker.check_model(proto)
    x = np.random.default_rng(0).standard_normal((1, 2, 6, 5)).astype(np.float32)
    wanted = session(proto).run(None, {"x": x})[0]
    results = run(osc.differentiate(proto, of="y", wrt=["x"]), {"x": x, "grad_y": wanted})
    np.testing.assert_allclose(results["y"], wanted, rtol=1e-6, atol=1e-6)
    # Linear in x: the gradient along x is the value times the cotangent.
    np.testing.assert_allclose((results["grad_x"] * x).sum(), (wanted**2).sum(), rtol=1e-4)
