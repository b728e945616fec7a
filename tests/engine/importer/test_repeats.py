"""What is computed of distinct elements and put back has its gradient at every place."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from graphs import operators, run, text_model

X = np.array([[1, 5, 1], [1, 3, 1]], np.float32)
DY = np.array([[1, -2, 3], [0.5, 4, -1]], np.float32)
FLAT = "float[6] x"

CASES = {
    "a function": (FLAT, "u, i, v, c = Unique(x) e = Exp(u) y = Gather(e, v)"),
    "by element": (FLAT, "u, i, v, c = Unique(x) e = Exp(u) y = GatherElements(e, v)"),
    "another shape": (
        "float[2, 3] x",
        "u, i, v, c = Unique<sorted = 0>(x) e = Exp(u) w = Reshape(v, two_three) y = Gather(e, w)",
    ),
    "with numbers": (
        FLAT,
        "u, i, v, c = Unique(x) n = Neg(u) m = Mul(n, minus) e = Exp(m) y = Gather(e, v)",
    ),
    "columns": (
        "float[2, 3] x",
        "u, i, v, c = Unique<axis = 1>(x) e = Exp(u) y = Gather<axis = 1>(e, v)",
    ),
}
CONSTANTS = "<int64[2] two_three = {2, 3}, float minus = {-1}>"


@pytest.mark.parametrize("name", CASES)
def test_every_place_has_its_slope(name):
    declared, text = CASES[name]
    x, dy = (array if "2" in declared else array.reshape(-1) for array in (X, DY))
    model = text_model(f"g ({declared}) => (float y) {CONSTANTS} {{ {text} }}")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    found = run(osc.differentiate(model, "y", ["x"], compare=False), {"x": x, "grad_y": dy})
    np.testing.assert_array_equal(found["y"], run(model, {"x": x})["y"])
    np.testing.assert_allclose(found["grad_x"], dy * np.exp(x), rtol=1e-6)


def test_what_is_computed_of_all_distinct_elements_stays():
    model = text_model(
        f"g ({FLAT}) => (float[N] y) {{ u, i, v, c = Unique(x) s = Softmax(u) y = Gather(s, v) }}"
    )
    assert "Gather" in operators(osc.differentiate(model, "y", ["x"], compare=False))


def test_a_value_between_is_differentiated_by_itself():
    model = text_model(
        f"g ({FLAT}) => (float[N] y) {{ u, i, v, c = Unique(x) e = Exp(u) y = Gather(e, v) }}"
    )
    graph = osc.differentiate(model, "y", ["u"], compare=False)
    x, dy = X.reshape(-1), DY.reshape(-1)
    expected = [np.sum(dy[x == value]) * np.exp(value) for value in (1, 3, 5)]
    np.testing.assert_allclose(run(graph, {"x": x, "grad_y": dy})["grad_u"], expected, rtol=1e-6)
