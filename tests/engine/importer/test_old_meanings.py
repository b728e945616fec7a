"""Operators that meant something else in earlier opsets keep that meaning."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run


@pytest.mark.parametrize("axis", [None, -1, 0, 1, 2])
@pytest.mark.parametrize("opset", [9, 12, 13])
@pytest.mark.parametrize("op", ["Hardmax", "Softmax", "LogSoftmax"])
def test_all_axes_from_one_on_were_one_axis_before_opset_13(op, opset, axis):
    if axis == -1 and opset < 11:
        pytest.skip("axes were not counted from the end")
    given = "" if axis is None else f"<axis = {axis}>"
    # In the branch of an If as well, and beside a value that has the name of a new one.
    proto = onnx.parser.parse_model(f"""
        <ir_version: 6, opset_import: ["": {opset}]>
        g (float[2,3,4] x) => (float[2,3,4] y, float[2,3,4] z) <bool yes = {{1}}> {{
          y_flat = Exp(x)
          y_shape = {op} {given} (y_flat)
          y = Mul(y_shape, x)
          z = If(yes) <
            then_branch = a () => (float[2,3,4] p) {{ p = {op} {given} (x) }},
            else_branch = b () => (float[2,3,4] q) {{ q = Neg(x) }}>
        }}""")
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    wanted = run(proto, {"x": x})
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones_like(x)})
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)
    if op == "Hardmax":
        np.testing.assert_array_equal(found["grad_x"], wanted["y"] / x)
