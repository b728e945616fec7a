"""Slopes that are infinite or no number, where nothing asks for them: the gradient has a number."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import run, text_model

CONSTANTS = (
    "<float zero={0}, float one={1}, float two={2}, float least={-1}, float half={0.5}, "
    "float tenth={0.1}, float twenty={20}, int64[1] last={-1}, float[1, 1] unit={1}, "
    "float[1, 1] four={4}, float[3] parts={0, 1, 0}, float[3] powers={0.5, 0, 1}, "
    "int64[2] middle={1, 2}, int64[1] begin={1}, int64[1] end={3}, int64[2] sizes={1, 3}, "
    "int64[1] first={0}, bool[4] chosen={0, 1, 1, 0}, float[2] other={7, 8}, "
    "bool[2, 4] grid={0, 1, 1, 0, 0, 1, 1, 0}, int64[3] row={1, 1, 4}>"
)
ROWS = [[0.0, 0.0], [3.0, 4.0]]
UNIT = [[0.0, 0.0], [0.6, 0.8]]
SIGNS = [-1.0, 0.0, 4.0]
ROOTED = [0.0, 0.0, 0.25]
TAKEN = [0.0, 0.25, 4.0, 0.0]
ENDS = [0.0, 1.0, 0.25, 0.0]

# Of each function of x what it is, the point, and its slope there with a cotangent of ones.
CASES = {
    # The norm of a row of zeros has the subgradient 0, however it is spelled.
    "Mul": ("s = Mul(x, x) t = ReduceSum(s, last) y = Sqrt(t)", ROWS, UNIT),
    "Pow": ("s = Pow(x, two) t = ReduceSum(s, last) y = Pow(t, half)", ROWS, UNIT),
    "ReduceSumSquare": ("t = ReduceSumSquare(x, last) y = Sqrt(t)", ROWS, UNIT),
    "ReduceL2": ("y = ReduceL2(x, last)", ROWS, UNIT),
    "twice": ("a = Neg(x) b = Neg(x) s = Mul(a, b) y = Sqrt(s)", [0.0, -2.0], [0.0, -1.0]),
    "Einsum": ('t = Einsum<equation = "ij,ij->i">(x, x) y = Sqrt(t)', ROWS, UNIT),
    "moved": (
        "s = Abs(x) t = Transpose(s) p = Mul(t, t) q = ReduceMean(p) y = Sqrt(q)",
        [[0.0, 0.0]],
        [[0.0, 0.0]],
    ),
    # Divided by what is at least a tenth, a row of zeros has the slope 10.
    "Max": (
        "s = Mul(x, x) t = ReduceSum(s, last) n = Sqrt(t) m = Max(n, tenth) y = Div(x, m)",
        ROWS,
        [[10.0, 10.0], [0.2 - 0.6 * 7 / 25, 0.2 - 0.8 * 7 / 25]],
    ),
    "Clip": (
        "t = ReduceSumSquare(x, last) n = Sqrt(t) m = Clip(n, tenth) y = Div(x, m)",
        ROWS,
        [[10.0, 10.0], [0.2 - 0.6 * 7 / 25, 0.2 - 0.8 * 7 / 25]],
    ),
    # What is cut off at the edge of a function's domain does not move it.
    "Sqrt of Relu": ("a = Relu(x) y = Sqrt(a)", SIGNS, ROOTED),
    "Sqrt of Clip": ("a = Clip(x, zero) y = Sqrt(a)", SIGNS, ROOTED),
    "Sqrt of Max": ("a = Max(x, zero) y = Sqrt(a)", SIGNS, ROOTED),
    "Pow of Relu": ("a = Relu(x) y = Pow(a, half)", SIGNS, ROOTED),
    "Asin": ("a = Clip(x, least, one) y = Asin(a)", [-2.0, 0.6, 2.0], [0.0, 1.25, 0.0]),
    "Acos": ("a = Clip(x, least, one) y = Acos(a)", [-2.0, 0.6, 2.0], [0.0, -1.25, 0.0]),
    "Acosh": ("a = Max(x, one) y = Acosh(a)", [-2.0, 1.0, 1.25], [0.0, 0.0, 4 / 3]),
    # What is nowhere negative by the way that it is made, or constantly zero.
    "size and sum": ("a = Abs(x) b = Add(x, a) y = Sqrt(b)", [-2.0, 0.0, 8.0], ROOTED),
    "size and difference": (
        "a = Abs(x) b = Sub(a, x) y = Sqrt(b)",
        [2.0, 0.0, -8.0],
        [0, 0, -0.25],
    ),
    "no difference": ("a = Sub(x, x) y = Sqrt(a)", [-2.0, 3.0], [0.0, 0.0]),
    "below the largest": (
        "m = ReduceMax(x, last) d = Sub(m, x) y = Sqrt(d)",
        [[1.0, 5.0]],
        [[-0.25, 0.25]],
    ),
    "above the least": ("m = Min(x, one) d = Sub(x, m) y = Sqrt(d)", [0.0, 5.0], [0.0, 0.25]),
    "variance": (
        "s = Mul(x, x) m = ReduceMean(s, last) n = ReduceMean(x, last) q = Pow(n, two) "
        "v = Sub(m, q) y = Sqrt(v)",
        [[3.0, 3.0], [1.0, 3.0]],
        [[0.0, 0.0], [-0.5, 0.5]],
    ),
    "times zero": ("a = Mul(x, parts) y = Sqrt(a)", [3.0, 16.0, 0.25], [0.0, 0.125, 0.0]),
    "times a flag": (
        "r = Relu(x) c = Greater(x, one) f = Cast<to = 1>(c) a = Mul(r, f) y = Sqrt(a)",
        [-1.0, 0.25, 16.0],
        [0.0, 0.0, 0.125],
    ),
    # Of f·w the slope is f·w' where w is 0, whatever that of f; so of x·√x it is 0 at 0.
    "times a mask": (
        "c = Greater(x, zero) w = Where(c, one, zero) a = Sqrt(x) y = Mul(a, w)",
        [0.0, 4.0],
        [0.0, 0.25],
    ),
    "powers times a mask": (
        "c = Greater(x, zero) w = Where(c, one, zero) a = Pow(x, powers) y = Mul(w, a)",
        [0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0],
    ),
    "power and a half": ("a = Sqrt(x) y = Mul(a, x)", [0.0, 4.0], [0.0, 3.0]),
    # Where passes over it.
    "chosen Sqrt": ("c = Greater(x, zero) a = Sqrt(x) y = Where(c, a, zero)", SIGNS, ROOTED),
    "chosen Log": (
        "c = Greater(x, zero) r = Relu(x) a = Log(r) y = Where(c, a, zero)",
        SIGNS,
        ROOTED,
    ),
    "chosen Div": (
        "c = Greater(x, zero) a = Div(one, x) y = Where(c, a, zero)",
        SIGNS,
        [0.0, 0.0, -1 / 16],
    ),
    "chosen Reciprocal": (
        "c = Greater(x, zero) r = Relu(x) a = Reciprocal(r) y = Where(c, a, zero)",
        SIGNS,
        [0.0, 0.0, -1 / 16],
    ),
    "chosen Pow": (
        "c = Greater(x, zero) p = Neg(half) a = Pow(x, p) y = Where(c, a, zero)",
        SIGNS,
        [0.0, 0.0, -1 / 16],
    ),
    "chosen power": (
        "c = Greater(x, zero) a = Pow(x, x) y = Where(c, a, zero)",
        [-1.5, 0.0, 2.0],
        [0.0, 0.0, 4 * (1 + np.log(2))],
    ),
    "chosen Atanh": (
        "a = Abs(x) c = Less(a, one) b = Atanh(x) y = Where(c, b, zero)",
        [1.0, 0.5],
        [0.0, 4 / 3],
    ),
    "Elu": ("c = Greater(x, zero) a = Exp(x) y = Where(c, x, a)", [0.0, 400.0], [1.0, 1.0]),
    "Softplus": (
        "c = Greater(x, twenty) a = Exp(x) b = Add(a, one) d = Log(b) y = Where(c, x, d)",
        [0.0, 400.0],
        [0.5, 1.0],
    ),
    "product": (
        "c = Greater(x, twenty) a = Exp(x) b = Mul(a, x) y = Where(c, x, b)",
        [0.0, 400.0],
        [1.0, 1.0],
    ),
    "Cosh": (
        "c = Greater(x, twenty) a = Cosh(x) b = Sinh(a) y = Where(c, x, b)",
        [0.0, 400.0],
        [0.0, 1.0],
    ),
    "ReduceLogSum": (
        "a = ReduceLogSum(x, last) c = ReduceMax(x, last) d = Greater(c, zero) "
        "y = Where(d, a, zero)",
        [[0.0, 0.0], [1.0, 3.0]],
        [[0.0, 0.0], [0.25, 0.25]],
    ),
    # A row that is masked throughout, as attention has it where a sentence is padding.
    "Softmax": (
        "e = Log(zero) m = Add(x, e) a = Softmax(m) k = IsNaN(a) y = Where(k, zero, a)",
        [[1.0, 2.0]],
        [[0.0, 0.0]],
    ),
    "chosen by value": ("a = Log(x) y = Max(a, least)", [0.0, 0.25, 2.0], [0.0, 0.0, 0.5]),
    "cut by value": ("a = Log(x) y = Clip(a, least, one)", [0.0, 2.0, 8.0], [0.0, 0.5, 0.0]),
    # What is multiplied with, or computed of, what is no number behind a choice.
    "chosen product": (
        "c = Greater(x, zero) a = Sqrt(x) b = Mul(a, x) y = Where(c, b, zero)",
        SIGNS,
        [0.0, 0.0, 3.0],
    ),
    "chosen product of a power": (
        "c = Greater(x, zero) a = Pow(x, half) b = Mul(a, x) y = Where(c, b, zero)",
        SIGNS,
        [0.0, 0.0, 3.0],
    ),
    "chosen product of functions": (
        "c = Greater(x, zero) a = Sqrt(x) s = Sin(x) b = Mul(a, s) y = Where(c, b, zero)",
        SIGNS,
        [0.0, 0.0, np.sin(4) / 4 + 2 * np.cos(4)],
    ),
    "chosen product of a sum": (
        "c = Greater(x, zero) a = Sqrt(x) s = Add(a, x) b = Mul(s, x) y = Where(c, b, zero)",
        SIGNS,
        [0.0, 0.0, 11.0],
    ),
    "chosen where a number": (
        "a = Sqrt(x) b = Mul(a, x) c = IsNaN(b) y = Where(c, zero, b)",
        SIGNS,
        [0.0, 0.0, 3.0],
    ),
    "chosen Abs of a sum": (
        "c = Greater(x, zero) a = Sqrt(x) s = Add(a, x) b = Abs(s) y = Where(c, b, zero)",
        SIGNS,
        [0.0, 0.0, 1.25],
    ),
    "chosen Relu of a sum": (
        "c = Greater(x, zero) a = Sqrt(x) s = Add(a, x) b = Relu(s) y = Where(c, b, zero)",
        SIGNS,
        [0.0, 0.0, 1.25],
    ),
    "chosen Swish of a sum": (
        "c = Greater(x, zero) a = Sqrt(x) s = Add(a, x) g = Sigmoid(s) b = Mul(s, g) "
        "y = Where(c, b, zero)",
        [-1.0, 0.0, 1.0],
        [0.0, 0.0, 1.5 * 1.0907842],
    ),
    "chosen Mod": (
        "c = Greater(x, zero) a = Sqrt(x) m = Mod<fmod = 1>(x, a) y = Where(c, m, zero)",
        [-1.0, 0.0, 2.25],
        [0.0, 0.0, 2 / 3],
    ),
    "chosen PRelu": (
        "c = Greater(x, zero) a = Sqrt(x) n = Neg(x) m = PRelu(n, a) y = Where(c, m, zero)",
        SIGNS,
        [0.0, 0.0, -3.0],
    ),
    "chosen angle": (
        "c = Greater(x, zero) a = Asin(x) b = Mul(a, x) d = Atan(b) y = Where(c, d, zero)",
        [-2.0, 0.0, 0.6],
        [0.0, 0.0, 1.2127158],
    ),
    # What is not taken, or not the largest.
    "Gather": ("a = Sqrt(x) y = Gather(a, middle)", TAKEN, ENDS),
    "Slice": (
        "a = Sqrt(x) b = Mul(a, x) d = Div(x, a) e = Add(b, d) y = Slice(e, begin, end)",
        TAKEN,
        [0.0, 1.75, 3.25, 0.0],
    ),
    "Compress": ("a = Log(x) y = Compress<axis = 0>(a, chosen)", TAKEN, [0.0, 4.0, 0.25, 0.0]),
    "one part of Split": (
        "a = Sqrt(x) b, y = Split<axis = 0>(a, sizes)",
        [0.0, 0.25, 4.0, 1.0],
        [0.0, 1.0, 0.25, 0.5],
    ),
    "TopK": ("a = Sqrt(x) y, at = TopK(a, begin)", TAKEN, [0.0, 0.0, 0.25, 0.0]),
    "TopK and its places": (
        "a = Sqrt(x) b, at = TopK(a, begin) d = Gather(x, at) y = Add(b, d)",
        TAKEN,
        [0.0, 0.0, 1.25, 0.0],
    ),
    "ReduceMax": ("a = Sqrt(x) y = ReduceMax(a, last)", TAKEN, [0.0, 0.0, 0.25, 0.0]),
    "MaxPool": (
        "a = Sqrt(x) b = Reshape(a, row) y = MaxPool<kernel_shape = [2], strides = [2]>(b)",
        TAKEN,
        ENDS,
    ),
    "ScatterElements": (
        "a = Sqrt(x) y = ScatterElements(a, middle, other)",
        [1.0, 0.0, 0.0, 4.0],
        [0.5, 0.0, 0.0, 0.25],
    ),
    "chosen behind Gather": (
        "c = Greater(x, zero) a = Sqrt(x) b = Gather(a, middle) d = Gather(c, middle) "
        "y = Where(d, b, zero)",
        [0.0, 0.25, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
    ),
    "chosen in another shape": (
        "c = Greater(x, zero) a = Sqrt(x) b = Unsqueeze(a, first) d = Transpose(b) "
        "e = Squeeze(d) y = Where(c, e, zero)",
        [0.0, 0.25, 0.0, -1.0],
        [0.0, 1.0, 0.0, 0.0],
    ),
    "chosen in rows": (
        "a = Sqrt(x) y = Where(grid, a, zero)",
        TAKEN,
        [0.0, 2.0, 0.5, 0.0],
    ),
    "chosen sum": (
        "c = Greater(zero, one) a = Sqrt(x) s = ReduceSum(a, last) y = Where(c, s, zero)",
        TAKEN,
        [0.0, 0.0, 0.0, 0.0],
    ),
    # What windows that overlap have both found is put back once.
    "MaxUnpool": (
        "b = Reshape(x, row) p, i = MaxPool<kernel_shape = [2], strides = [1]>(b) "
        "y = MaxUnpool<kernel_shape = [2], strides = [1]>(p, i)",
        [1.0, 4.0, 2.0, 0.0],
        [0.0, 1.0, 1.0, 0.0],
    ),
    # What lets nothing through lets nothing infinite through.
    "Log of Relu": ("a = Relu(x) y = Log(a)", SIGNS, [0.0, 0.0, 0.25]),
    "Reciprocal of Clip": ("a = Clip(x, zero) y = Reciprocal(a)", SIGNS, [0.0, 0.0, -1 / 16]),
    "Log of Max": ("a = Max(zero, x) y = Log(a)", SIGNS, [0.0, 0.0, 0.25]),
    "Log of ReduceMax": (
        "a = ReduceMax(x, last) y = Log(a)",
        [-1.0, 0.0, -2.0],
        [0.0, np.inf, 0.0],
    ),
    "Log of MaxPool": (
        "a = Reshape(x, row) b = MaxPool<kernel_shape = [2], strides = [2]>(a) y = Log(b)",
        [-1.0, 0.0, 2.0, 1.0],
        [0.0, np.inf, 0.5, 0.0],
    ),
    # A cotangent that is zero because a value between is infinite or zero is no such choice: the
    # slope of the whole may be anything. No number is better than a wrong one.
    "inverse of inverse": ("a = Reciprocal(x) y = Reciprocal(a)", [0.0, 2.0], [np.nan, 1.0]),
    "harmonic": (
        "a = Reciprocal(x) s = Add(a, one) y = Div(two, s)",
        [0.0, 1.0],
        [np.nan, 0.5],
    ),
    "Exp of Log": ("a = Log(x) y = Exp(a)", [0.0, 2.0], [np.nan, 1.0]),
    "Sqrt twice": ("a = Sqrt(x) b = Sqrt(x) y = Mul(a, b)", [0.0, 4.0], [np.nan, 1.0]),
    "Sqrt by a power": ("a = Sqrt(x) b = Pow(x, half) y = Mul(a, b)", [0.0, 4.0], [np.nan, 1.0]),
    "below the largest of another row": (
        "m = ReduceMax<keepdims = 0>(x, last) d = Sub(m, x) y = Sqrt(d)",
        [[4.0, 0.0], [0.0, 8.0]],
        [[np.nan, np.nan], [np.nan, np.nan]],
    ),
    "square of Sqrt": ("a = Sqrt(x) y = Mul(a, a)", [0.0, 4.0], [np.nan, 1.0]),
    "Softplus too far": (
        "a = Exp(x) b = Add(a, one) y = Log(b)",
        [0.0, 400.0],
        [0.5, np.nan],
    ),
    "chosen all the same": (
        "c = Less(x, one) a = Reciprocal(x) b = Reciprocal(a) y = Where(c, b, zero)",
        [0.0, 2.0],
        [np.nan, 0.0],
    ),
    "read by another as well": (
        "c = Greater(x, zero) a = Sqrt(x) b = Where(c, a, zero) y = Add(a, b)",
        [0.0, 4.0],
        [np.inf, 0.5],
    ),
    # Gemm may subtract.
    "less than": (
        "a = Abs(x) q = Gemm<alpha = -1.0>(a, unit, four) y = Sqrt(q)",
        [[4.0], [3.0]],
        [[-np.inf], [-0.5]],
    ),
    "less": (
        "a = Abs(x) q = Gemm<beta = -1.0>(a, unit, four) y = Sqrt(q)",
        [[4.0], [8.0]],
        [[np.inf], [0.25]],
    ),
    # At the edge of its domain itself a function's slope is infinite.
    "Sqrt": ("y = Sqrt(x)", [0.0, 4.0], [np.inf, 0.25]),
    "Sqrt of Sqrt": ("a = Sqrt(x) y = Sqrt(a)", [0.0, 16.0], [np.inf, 1 / 32]),
    "Log": ("y = Log(x)", [0.0, 4.0], [np.inf, 0.25]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_slope(name):
    text, x, expected = CASES[name]
    point = np.asarray(x, np.float32)
    shape = ",".join(map(str, point.shape))
    model = text_model(f"g (float[{shape}] x) => (float y) {CONSTANTS} {{ {text} }}")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    graph = osc.differentiate(model, of="y", wrt=["x"], compare=False)
    feeds = {"x": point}
    for value in graph.graph.input:
        if value.name == "grad_y":
            dims = value.type.tensor_type.shape.dim
            feeds["grad_y"] = np.ones([dim.dim_value for dim in dims], np.float32)
    found = run(graph, feeds)["grad_x"]
    np.testing.assert_allclose(found, np.asarray(expected), rtol=2e-6, atol=1e-7)


def test_what_stays_away_from_the_edge_costs_nothing():
    text = (
        "v = ReduceMean<keepdims = 1>(x) d = Sub(x, v) s = Mul(d, d) t = ReduceMean(s) "
        "u = Add(t, tenth) r = Sqrt(u) y = Div(d, r)"
    )
    model = text_model(f"g (float[2,4] x) => (float[2,4] y) {CONSTANTS} {{ {text} }}")
    graph = osc.differentiate(model, of="y", wrt=["x"], compare=False)
    assert not {"Where", "Equal"}.intersection(node.op_type for node in graph.graph.node)


def test_how_a_value_is_made_does_not_count_where_it_is_asked_for():
    model = text_model("g (float[2] x) => (float[2] y) { a = Abs(x) y = Sqrt(a) }")
    graph = osc.differentiate(model, of="y", wrt=["a"], compare=False)
    feeds = {"x": np.asarray([0.0, -4.0], np.float32), "grad_y": np.ones(2, np.float32)}
    np.testing.assert_array_equal(run(graph, feeds)["grad_a"], [np.inf, 0.25])


def test_long_chains_in_which_each_value_is_read_twice():
    """What is asked of a value is asked once, not once for each way to it."""
    steps = [
        f"m{i} = Mul(v{i}, v{i}) s{i} = Sin(v{i}) v{i + 1} = Add(m{i}, s{i})" for i in range(24)
    ]
    text = f"v0 = Sqrt(x) {' '.join(steps)} c = Greater(x, zero) y = Where(c, v24, zero)"
    model = text_model(f"g (float[2] x) => (float[2] y) {CONSTANTS} {{ {text} }}")
    graph = osc.differentiate(model, of="y", wrt=["x"], compare=False)
    assert len(graph.graph.node) < 500
    found = run(graph, {"x": np.zeros(2, np.float32), "grad_y": np.ones(2, np.float32)})
    np.testing.assert_array_equal(found["grad_x"], [0, 0])


UNARY = [
    "Sqrt",
    "Log",
    "Reciprocal",
    "Asin",
    "Acosh",
    "Exp",
    "Sin",
    "Tanh",
    "Sigmoid",
    "Relu",
    "Abs",
    "Softplus",
    "Elu",
    "Atan",
    "Erf",
    "HardSwish",
    "Gelu",
    "Mish",
    "Cosh",
    "Tan",
    "Atanh",
]
BINARY = ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"]
ENDS_OF_CHOICES = (
    "y = Where(c, {0}, zero)",
    "r = Unsqueeze({0}, first) t = Transpose(r) s = Squeeze(t) y = Where(c, s, zero)",
    "p = Where(c, {0}, zero) y = Sin(p)",
    "y = Slice({0}, begin, end)",
)


@pytest.mark.parametrize("seed", range(24))
def test_whatever_is_passed_over_has_no_slope(seed):
    rng = np.random.default_rng(seed)
    values, text = ["x"], "c = Greater(x, zero) "
    for number in range(rng.integers(2, 7)):
        one, other = rng.choice(values[-3:]), rng.choice(values)
        call = f"{rng.choice(UNARY)}({one})"
        if rng.random() < 0.45:
            call = f"{rng.choice(BINARY)}({one}, {other})"
        text += f"v{number} = {call} "
        values.append(f"v{number}")
    text += rng.choice(ENDS_OF_CHOICES).format(values[-1])
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 20]> '
        f"g (float[5] x) => (float[N] y) {CONSTANTS} {{ {text} }}"
    )
    graph = osc.differentiate(model, of="y", wrt=["x"], compare=False)
    feeds = {"x": np.asarray([-2.5, 0.3, 0.7, 0.0, -1.0], np.float32)}
    feeds["grad_y"] = np.ones_like(run(model, feeds)["y"])
    np.testing.assert_array_equal(run(graph, feeds)["grad_x"][[0, 3, 4]], [0, 0, 0], text)
