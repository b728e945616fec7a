"""Branches are taken and loops unrolled, where the graph says which and how often."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from expansion_checks import RNG, values
from graphs import operators, session
from onnx import TensorProto, helper, numpy_helper
from onnxscope.errors import OperatorError
from onnxscope.expansions import control


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


COUNTED = """l (int64 i, bool on, float[3] v, int64 n) =>
    (bool still, float[3] w, int64 m, float[3] seen) {
        w = Mul(v, x)
        m = Add(n, one)
        seen = Sin(w)
        still = STILL
    }"""


def counted(still: str, trips: str = "", on: bool = True) -> onnx.ModelProto:
    constants = {"one": np.int64(1), "k": np.int64(3), "on": np.array(on), "trips": np.int64(9)}
    inputs = [trips, "on", "x", "one"]
    outputs = ["last", "count", "y"]
    inner = body(COUNTED.replace("STILL", still))
    node = helper.make_node("Loop", inputs, outputs, body=inner)
    return flow_model(node, {"x": [3]}, constants)


@pytest.mark.parametrize("trips", ["", "trips"])
@pytest.mark.parametrize("still", ["Less(i, k)", "Less(m, k)", "Not(on)"])
def test_a_loop_that_its_own_counters_end(still, trips):
    proto = counted(still, trips)
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert "Loop" not in operators(graph)
    compare_flow(proto, graph, {"x": values(3)})


def test_a_loop_that_nothing_ends_is_refused(monkeypatch):
    monkeypatch.setattr(control, "_MOST_ROUNDS", 8)
    with pytest.raises(OperatorError, match=r"Loop .* runs more than 8 times"):
        osc.differentiate(counted("Identity(on)"), of="y", wrt=["x"])


@pytest.mark.parametrize("seen", ["float[3] seen", "float[q] seen"], ids=["said", "open"])
@pytest.mark.parametrize("trips", [0, 5], ids=["count", "condition"])
def test_a_loop_of_no_rounds_collects_nothing(trips, seen):
    inner = body(f"""l (int64 i, bool on, float[3] v) => (bool still, float[3] w, {seen}) {{
        w = Mul(v, x)
        seen = Tanh(w)
        still = Identity(on)
    }}""")
    node = helper.make_node("Loop", ["trips", "on", "x"], ["y", "all"], body=inner)
    proto = flow_model(node, {"x": [3]}, {"trips": np.int64(trips), "on": np.array(trips == 0)})
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    x = values(3)
    found = session(graph).run(["y", "all", "grad_x"], {"x": x, "grad_y": x})
    np.testing.assert_array_equal(found[0], x)
    np.testing.assert_array_equal(found[2], x)
    assert (found[1].shape, found[1].dtype) == ((0, 3), np.float32)
    assert osc.verify(proto, "y", directions=1).verdict == "agrees"


@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_of_no_length_collects_nothing(axis):
    """ONNX Runtime ends the process where the second axis is scanned."""
    inner = body(
        "s (float[2] h, float[2] e) => (float[2] g, float[p] o) { g = Mul(h, x) o = Add(g, e) }"
    )
    node = helper.make_node(
        "Scan", ["x", "e"], ["y", "all"], body=inner, num_scan_inputs=1,
        scan_input_axes=[axis], scan_output_axes=[axis],
    )  # fmt: skip
    shape = [2, 0] if axis else [0, 2]
    proto = flow_model(node, {"x": [2], "e": shape})
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    x = values(2)
    feeds = {"x": x, "e": np.zeros(shape, np.float32), "grad_y": x}
    y, gathered, dx = session(graph).run(["y", "all", "grad_x"], feeds)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(dx, x)
    assert gathered.shape == tuple(shape)


@pytest.mark.parametrize(
    ("condition", "written"),
    [("c2 = Identity(c)", 0), ("c2 = Constant<value = bool {1}>()", 0), ("c2 = Not(c)", 1)],
)
def test_a_loop_that_only_its_count_ends_is_refused_at_once(monkeypatch, condition, written):
    rounds = []
    run = control._run
    monkeypatch.setattr(control, "_run", lambda *args: rounds.append(1) or run(*args))
    inner = body(
        f"b (int64 i, bool c, float[3] p) => (bool c2, float[3] q) {{ q = Sin(p) {condition} }}"
    )
    node = helper.make_node("Loop", ["n", "t", "x"], ["y"], body=inner)
    model = flow_model(node, {"x": [3]}, {"n": np.int64(10**9), "t": np.array(True)})
    if written:
        # Its condition is false after the first round.
        assert operators(osc.differentiate(model, of="y", wrt=["x"])).count("Sin") == 1
    else:
        with pytest.raises(OperatorError, match="more than 1,024 times"):
            osc.differentiate(model, of="y", wrt=["x"])
    assert len(rounds) == written
