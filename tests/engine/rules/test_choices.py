"""What is behind a value may pass over elements: what mixes elements keeps their gradients."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run

X = np.random.default_rng(0).normal(size=(3, 4)) + 0.1

MIXING = {
    "softmax": "m = Softmax <axis = 1> (x)",
    "log softmax": "m = LogSoftmax <axis = 1> (x)",
    "softmax of columns": "m = Softmax <axis = 0> (x)",
    "share": "e = Exp(x) s = ReduceSum(e, along) m = Div(e, s)",
    "distance from the mean": "a = ReduceMean(x, along) d = Sub(x, a) q = Mul(d, d) m = Sqrt(q)",
    "norm": """q = Mul(x, x) s = ReduceMean(q, along) r = Sqrt(s) m = Div(x, r)""",
    "product": "e = Exp(x) p = MatMul(e, w) m = Log(p)",
    "sums": "e = Exp(x) c = CumSum(e, one) m = Log(c)",
}
TAKING = {
    "Gather": "v = Gather <axis = 1> (m, along)",
    "Slice": "v = Slice(m, along, three, along)",
    "Split": "v, rest = Split <axis = 1, num_outputs = 2> (m)",
    "Where": "v = Where(chosen, m, zero)",
    "ReduceMax": "v = ReduceMax(m, along)",
    "TopK": "v, places = TopK <axis = 1> (m, along)",
    "Relu": "n = Sub(m, some) v = Relu(n)",
    "Max": "v = Max(m, some)",
    "MaxPool": "u = Unsqueeze(m, first) v = MaxPool <kernel_shape = [3]> (u)",
    "transposed": "t = Transpose <perm = [1, 0]> (m) v = Gather <axis = 0> (t, along)",
    "mean": "g = Gather <axis = 1> (m, along) v = ReduceMean(g)",
}
NAMED = """int64[1] along = {1}, int64[1] three = {3}, int64[1] first = {0}, int64 one = {1},
    bool[4] chosen = {1, 0, 1, 0}, double zero = {0}, double some = {0.3},
    double[4, 4] w = {1, 2, 3, 1, 2, 1, 1, 2, 1, 1, 4, 1, 1, 3, 1, 2}"""


@pytest.mark.parametrize("taking", TAKING)
@pytest.mark.parametrize("mixing", MIXING)
def test_what_mixes_elements_has_the_gradients_of_all(mixing, taking):
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": 21]>
        g (double[3, 4] x) => (double y) <{NAMED}>
        {{ {MIXING[mixing]} {TAKING[taking]} q2 = Mul(v, v) y = ReduceSum <keepdims = 0> (q2) }}""")
    found = run(osc.differentiate(model, of="y", wrt=["x"]), {"x": X})["grad_x"]

    def value(x):
        return run(model, {"x": x})["y"]

    for place in np.ndindex(X.shape):
        step = np.zeros_like(X)
        step[place] = 1e-6
        wanted = (value(X + step) - value(X - step)) / 2e-6
        assert found[place] == pytest.approx(wanted, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("width", [4, 5])
@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_what_normalises_channels_is_no_broadcasting(place, width):
    inputs = ["t", "ones", "zeros", "zeros", "ones"]
    inputs[place] = "s"
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": 18]>
        g (double[1, 4, 3, {width}] t, double[4] u) => (double[1, 4, 3, 2] y)
        <double[4] ones = {{1, 1, 1, 1}}, double[4] zeros = {{0, 0, 0, 0}}, int64[2] i = {{0, 1}}>
        {{ e = Exp(u) l = Log(e) s = Exp(l) n = BatchNormalization({", ".join(inputs)})
           y = Gather <axis = 3> (n, i) }}""")
    rng = np.random.default_rng(1)
    feeds = {"t": rng.normal(size=(1, 4, 3, width)), "u": rng.normal(size=4)}
    cotangent = rng.normal(size=(1, 4, 3, 2))
    graph = osc.differentiate(model, of="y", wrt=["u"])
    found = run(graph, feeds | {"grad_y": cotangent})["grad_u"]
    for channel in range(4):
        step = 1e-6 * np.eye(4)[channel]
        ends = [(run(model, feeds | {"u": feeds["u"] + s})["y"] * cotangent) for s in (step, -step)]
        assert found[channel] == pytest.approx((ends[0] - ends[1]).sum() / 2e-6, rel=1e-6)


@pytest.mark.parametrize("between", ["t = Identity(l)", "t = Transpose <perm = [1, 0]> (l)"])
@pytest.mark.parametrize(("rules", "zeros"), [(None, 6), ("linear", 0), ("deconvnet", 0)])
def test_a_table_in_which_a_relu_lets_all_through_passes_over_nothing(between, rules, zeros):
    x = np.linspace(0.1, 1.9, 12).reshape(3, 4)
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": 21]>
        g (double[3, 4] x) => (double[N, M] y) {{ l = Log(x) {between} y = Relu(t) }}""")
    table = osc.standard_rules() | osc.named_rules(rules) if rules else None
    graph = osc.differentiate(model, of="y", wrt=["x"], rules=table)
    seed = np.ones(run(model, {"x": x})["y"].shape)
    found = run(graph, {"x": x, "grad_y": seed})["grad_x"]
    assert (found == 0).sum() == zeros
    np.testing.assert_allclose(found[found != 0], (1 / x)[found != 0])
