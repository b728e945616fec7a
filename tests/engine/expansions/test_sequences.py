"""Sequences, optional values and writing by index: as ONNX Runtime has them, and differentiable."""

from __future__ import annotations

import numpy as np
import onnx
import onnxscope as osc
import pytest
from drawing import generator
from graphs import operators, run
from onnx.reference import ReferenceEvaluator
from onnxscope.errors import InputError, OperatorError

RNG = generator(11)

# Each body makes `y` of `x` (6 × 4) and `w` (2 × 4); the second entry is what it means in NumPy.
SEQUENCES = {
    "construct and at": (
        """k = Constant <value_int: int = -1> ()
           s = SequenceConstruct (x, w, x)
           a = SequenceAt (s, k)
           b = Constant <value_int: int = 1> ()
           c = SequenceAt (s, b)
           m = ReduceSum (c)
           y = Mul (a, m)""",
        lambda x, w: x * w.sum(),
    ),
    "insert": (
        """zero = Constant <value_int: int = 0> ()
           two = Constant <value_int: int = 2> ()
           e = SequenceEmpty <dtype: int = 11> ()
           s = SequenceInsert (e, x)
           t = SequenceInsert (s, w)
           u = SequenceInsert (t, w, zero)
           v = SequenceInsert (u, x, two)
           y = ConcatFromSequence <axis: int = 0> (v)""",
        lambda x, w: np.concatenate([w, x, x, w]),
    ),
    "insert before the last": (
        """last = Constant <value_int: int = -1> ()
           s = SequenceConstruct (x, x)
           t = SequenceInsert (s, w, last)
           y = ConcatFromSequence <axis: int = 0> (t)""",
        lambda x, w: np.concatenate([x, w, x]),
    ),
    "erase": (
        """one = Constant <value_int: int = 1> ()
           s = SequenceConstruct (x, w, w, x)
           t = SequenceErase (s, one)
           u = SequenceErase (t)
           i = Identity (u)
           y = ConcatFromSequence <axis: int = -2> (i)""",
        lambda x, w: np.concatenate([x, w]),
    ),
    "new axis": (
        """s = SequenceConstruct (x, x)
           y = ConcatFromSequence <axis: int = 1, new_axis: int = 1> (s)""",
        lambda x, w: np.stack([x, x], 1),
    ),
    "length": (
        """s = SequenceConstruct (x, w, x)
           n = SequenceLength (s)
           f = Cast <to: int = 11> (n)
           y = Mul (x, f)""",
        lambda x, w: x * 3,
    ),
    "rows": (
        """s = SplitToSequence <axis: int = 0, keepdims: int = 0> (x)
           k = Constant <value_int: int = 4> ()
           y = SequenceAt (s, k)""",
        lambda x, w: x[4],
    ),
    "rows that keep their axis": (
        """s = SplitToSequence <axis: int = 1> (x)
           k = Constant <value_int: int = -2> ()
           y = SequenceAt (s, k)""",
        lambda x, w: x[:, 2:3],
    ),
    "equal parts": (
        """four = Constant <value_int: int = 4> ()
           s = SplitToSequence <axis: int = 0> (x, four)
           k = Constant <value_int: int = 1> ()
           a = SequenceAt (s, k)
           y = Mul (a, w)""",
        lambda x, w: x[4:] * w,
    ),
    "parts": (
        """sizes = Constant <value_ints: ints = [1, 2, 3]> ()
           s = SplitToSequence <axis: int = 0> (x, sizes)
           k = Constant <value_int: int = 1> ()
           a = SequenceAt (s, k)
           y = Mul (a, w)""",
        lambda x, w: x[1:3] * w,
    ),
}


def body_model(body, inputs="double[6,4] x, double[2,4] w", opset=18):
    header = f'<ir_version: 9, opset_import: ["" : {opset}]>'
    return onnx.parser.parse_model(f"{header} g ({inputs}) => (double y) {{ {body} }}")


def check_gradient(graph, evaluate, feeds):
    """Of a graph with `grad_y`, by differences of a NumPy function of its inputs."""
    y = evaluate(*feeds.values())
    cotangent = RNG.normal(size=y.shape)
    seed = {"grad_y": cotangent} if y.ndim else {}
    results = run(graph, feeds | seed)
    np.testing.assert_allclose(results["y"], y, rtol=1e-12, atol=1e-13)
    for name, x in feeds.items():
        direction = RNG.normal(size=x.shape)
        ends = [
            (evaluate(*(feeds | {name: x + t * direction}).values()) * cotangent).sum()
            for t in (1e-4, -1e-4)
        ]
        slope = (results[f"grad_{name}"] * direction).sum()
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-4, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("label", SEQUENCES)
def test_sequences(label):
    body, expected = SEQUENCES[label]
    proto = body_model(body)
    feeds = {"x": RNG.normal(size=(6, 4)), "w": RNG.normal(size=(2, 4))}
    # What the model means is what the reference says.
    np.testing.assert_array_equal(ReferenceEvaluator(proto).run(["y"], feeds)[0], expected(**feeds))
    graph = osc.differentiate(proto, of="y", wrt=["x", "w"])
    assert not {op for op in operators(graph) if "Sequence" in op}
    check_gradient(graph, expected, feeds)


def test_sequence_map():
    proto = body_model(
        """s = SequenceConstruct (x, w)
           t = SequenceMap <body = b (double[n,4] e, double[2,4] v) => (double[n,4] f) {
               m = ReduceSum (v)
               f = Mul (e, m)
           }> (s, w)
           y = ConcatFromSequence <axis: int = 0> (t)"""
    )
    graph = osc.differentiate(proto, of="y", wrt=["x", "w"])
    feeds = {"x": RNG.normal(size=(6, 4)), "w": RNG.normal(size=(2, 4))}
    check_gradient(graph, lambda x, w: np.concatenate([x, w]) * w.sum(), feeds)


def test_a_sequence_that_a_loop_builds():
    proto = body_model(
        """n = Constant <value_int: int = 3> ()
           yes = Constant <value_ints: ints = [1]> ()
           go = Cast <to: int = 9> (yes)
           e = SequenceEmpty <dtype: int = 11> ()
           z, s = Loop <body = b (int64 i, bool c, double[6,4] a, seq(double[6,4]) t) =>
                               (bool d, double[6,4] p, seq(double[6,4]) u) {
               d = Identity (c)
               p = Mul (a, x)
               u = SequenceInsert (t, p)
           }> (n, go, x, e)
           y = ConcatFromSequence <axis: int = 0> (s)""",
        inputs="double[6,4] x",
    )
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert not {"Loop", "SequenceInsert", "ConcatFromSequence"} & set(operators(graph))
    feeds = {"x": RNG.normal(size=(6, 4))}
    check_gradient(graph, lambda x: np.concatenate([x**2, x**3, x**4]), feeds)


def test_split_of_computed_sizes():
    proto = body_model(
        """s = SplitToSequence <axis: int = 0> (x, sizes)
           k = Constant <value_int: int = 1> ()
           y = SequenceAt (s, k)""",
        inputs="double[6,4] x, int64[3] sizes",
    )
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    x, dy = RNG.normal(size=(6, 4)), RNG.normal(size=(3, 4))
    results = run(graph, {"x": x, "sizes": np.array([1, 3, 2]), "grad_y": dy})
    np.testing.assert_array_equal(results["y"], x[1:4])
    np.testing.assert_array_equal(results["grad_x"], np.pad(dy, [(1, 2), (0, 0)]))


@pytest.mark.parametrize(
    ("reason", "inputs", "body"),
    [
        (
            "'s' is a sequence of tensors, and how many there are has to be known",
            "seq(double[6,4]) s, double[6,4] x, double[2,4] w",
            "k = Constant <value_int: int = 0> () a = SequenceAt (s, k) y = Add (a, x)",
        ),
        (
            "position in a sequence that is only known at run time",
            "double[6,4] x, double[2,4] w, int64 k",
            "s = SequenceConstruct (x, x) y = SequenceAt (s, k)",
        ),
        (
            "takes position 2 of a sequence of 2 tensors",
            "double[6,4] x, double[2,4] w",
            "k = Constant <value_int: int = 2> () s = SequenceConstruct (x, x) "
            "y = SequenceAt (s, k)",
        ),
        (
            "number of parts that is only known at run time",
            "double[n,4] x, double[2,4] w",
            "k = Constant <value_int: int = 0> () s = SplitToSequence (x) y = SequenceAt (s, k)",
        ),
        (
            "joins a sequence without tensors",
            "double[6,4] x, double[2,4] w",
            "s = SequenceEmpty <dtype: int = 11> () a = ConcatFromSequence <axis: int = 0> (s) "
            "y = Add (a, x)",
        ),
    ],
)
def test_sequences_that_only_the_run_knows(reason, inputs, body):
    with pytest.raises((InputError, OperatorError), match=reason):
        osc.differentiate(body_model(body, inputs=inputs), of="y", wrt=["x"])


def test_optional_values():
    proto = body_model(
        """o = Optional (x)
           has = OptionalHasElement (o)
           a = OptionalGetElement (o)
           f = Cast <to: int = 11> (has)
           b = Mul (a, f)
           c = OptionalGetElement (b)
           m = ReduceSum (w)
           y = Mul (c, m)"""
    )
    graph = osc.differentiate(proto, of="y", wrt=["x", "w"])
    assert not {op for op in operators(graph) if "Optional" in op}
    feeds = {"x": RNG.normal(size=(6, 4)), "w": RNG.normal(size=(2, 4))}
    check_gradient(graph, lambda x, w: x * w.sum(), feeds)


def test_nothing_is_taken_out_of_an_empty_optional():
    proto = body_model(
        """o = Optional <type = float[2]> ()
           has = OptionalHasElement (o)
           y = OptionalGetElement (o)"""
    )
    with pytest.raises(OperatorError, match="optional that holds none"):
        osc.differentiate(proto, of="y", wrt=["x"])


# Writing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
def test_scattered_reductions_are_right_where_indices_repeat(reduction):
    """ONNX Runtime's own ScatterND is not, on the CPU."""
    proto = body_model(
        f'y = ScatterND <reduction: string = "{reduction}"> (x, i, u)',
        inputs="double[3,4] x, int64[50000,1] i, double[50000,4] u",
    )
    graph = osc.differentiate(proto, of="y", wrt=["x", "u"])
    assert "ScatterND" not in operators(graph)
    x, indices = RNG.normal(size=(3, 4)), RNG.integers(0, 3, (50000, 1))
    updates = RNG.uniform(0.999, 1.001, (50000, 4))
    expected = x.copy()
    at = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction]
    at.at(expected, indices[:, 0], updates)
    dy = RNG.normal(size=(3, 4))
    results = run(graph, {"x": x, "i": indices, "u": updates, "grad_y": dy})
    np.testing.assert_allclose(results["y"], expected, rtol=1e-9)
    if reduction == "add":
        np.testing.assert_array_equal(results["grad_u"], dy[indices[:, 0]])


@pytest.mark.parametrize("mode", ["linear", "circular"])
@pytest.mark.parametrize("starts", [[1, 3], None])
@pytest.mark.parametrize("axis", [1, -2, 2])
def test_tensor_scatter(mode, starts, axis):
    if mode == "circular" and starts is not None:
        starts = [5, 2]
    shape, update = [2, 6, 7], [2, 6, 7]
    update[axis % 3] = 3
    given = ", int64[2] p" if starts is not None else ""
    dims = ",".join(map(str, shape)), ",".join(map(str, update))
    proto = body_model(
        f'y = TensorScatter <mode: string = "{mode}", axis: int = {axis}> '
        f"(x, w{', p' if starts is not None else ''})",
        inputs=f"double[{dims[0]}] x, double[{dims[1]}] w{given}",
        opset=24,
    )

    def expected(x, w):
        y = x.copy()
        for batch in range(2):
            for step in range(3):
                place = (starts[batch] if starts else 0) + step
                np.moveaxis(y[batch], axis % 3 - 1, 0)[place % x.shape[axis]] = np.moveaxis(
                    w[batch], axis % 3 - 1, 0
                )[step]
        return y

    feeds = {"x": RNG.normal(size=shape), "w": RNG.normal(size=update)}
    graph = osc.differentiate(proto, of="y", wrt=["x", "w"])
    extra = {} if starts is None else {"p": np.array(starts)}
    y, dy = expected(**feeds), RNG.normal(size=shape)
    results = run(graph, feeds | extra | {"grad_y": dy})
    np.testing.assert_array_equal(results["y"], y)
    written = expected(np.zeros(shape), np.ones(update)) == 1
    np.testing.assert_array_equal(results["grad_x"], np.where(written, 0, dy))
    # The adjoint: what goes into w is what w went to.
    np.testing.assert_allclose((results["grad_w"] * feeds["w"]).sum(), (dy * y)[written].sum())
    names = [output.name for output in graph.graph.output]
    assert names == ["y", "grad_x", "grad_w"]
