"""What is constant in a file is computed once, as the runtime does, when it is replayed."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from graphs import model, operators, run, text_model
from onnx import helper, numpy_helper
from onnxscope.errors import ModelError
from onnxscope.importer import evaluation
from replayed import replayed

rng = np.random.default_rng(11)


def constants(proto):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def values(*shape):
    return rng.normal(size=shape).astype(np.float32)


FLATTEN_AS_EXPORTED = """g (float[N,3,H,W] x) => (float[M,K] y)
<int64 zero = {0}, int64[1] rest = {-1}> {
    shape = Shape(x)
    batch = Gather <axis: int = 0> (shape, zero)
    front = Constant <value_ints: ints = [0]> ()
    listed = Unsqueeze(batch, front)
    target = Concat <axis: int = 0> (listed, rest)
    y = Reshape(x, target)
}"""


def test_shapes_are_numbers_once_the_input_has_some():
    result = replayed(text_model(FLATTEN_AS_EXPORTED), {"x": (2, 3, 4, 5)})
    assert operators(result) == ["Reshape"]
    x = values(2, 3, 4, 5)
    np.testing.assert_array_equal(run(result, {"x": x})["y"], x.reshape(2, -1))
    dims = result.graph.output[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [2, 60]


def test_shapes_stay_computed_while_they_are_unknown():
    result = replayed(text_model(FLATTEN_AS_EXPORTED), {"x": ("N", 3, 4, 5)})
    assert "Shape" in operators(result)
    x = values(2, 3, 4, 5)
    np.testing.assert_array_equal(run(result, {"x": x})["y"], x.reshape(2, -1))


def test_parts_of_a_shape():
    text = """g (float[2,3,H,W] x) => (float[1] y) {
        size = Shape <start: int = -2> (x)
        first = Shape <start: int = 0, end: int = 1> (x)
        all = Concat <axis: int = 0> (size, first)
        number = ReduceProd <keepdims: int = 1> (all)
        real = Cast <to: int = 1> (number)
        zero = ReduceMax <keepdims: int = 0> (x)
        y = Add(real, zero)
    }"""
    result = replayed(text_model(text), {"x": (2, 3, 4, 5)})
    assert operators(result) == ["ReduceMax", "Add"]
    assert 40 in [float(array.ravel()[0]) for array in constants(result).values()]


def test_weights_that_are_computed_are_computed_once():
    text = """g (float[2,3] x) => (float[2,2] y)
    <float[2,3] w = {1, 2, 3, 4, 5, 6}> {
        two = Constant <value_float: float = 2> ()
        t = Transpose(w)
        d = Mul(t, two)
        y = MatMul(x, d)
    }"""
    result = replayed(text_model(text), {"x": (2, 3)})
    assert operators(result) == ["MatMul"]
    (array,) = constants(result).values()
    np.testing.assert_array_equal(array, [[2, 8], [4, 10], [6, 12]])


def test_what_would_be_huge_is_left_to_the_runtime():
    text = """g (float[1] x) => (float[1] y) {
        shape = Constant <value_ints: ints = [8192, 8192]> ()
        zeros = ConstantOfShape(shape)
        total = ReduceSum <keepdims: int = 0> (zeros)
        y = Add(x, total)
    }"""
    result = replayed(text_model(text), {"x": (1,)})
    assert operators(result) == ["ConstantOfShape", "ReduceSum", "Add"]


def test_random_numbers_are_not_drawn_once_for_all():
    text = """g (float[3] x) => (float[3] y) {
        noise = RandomNormal <shape: ints = [3]> ()
        y = Add(x, noise)
    }"""
    assert operators(replayed(text_model(text), {"x": (3,)})) == ["RandomNormal", "Add"]


def test_constants_that_do_not_fit():
    text = """g (float[3] x) => (float[3] y)
    <float[2] a = {1, 2}, float[3] b = {1, 2, 3}> {
        c = Add(a, b)
        y = Add(x, c)
    }"""
    with pytest.raises(ModelError, match="Add"):
        replayed(text_model(text), {"x": (3,)})


@pytest.mark.parametrize(
    ("node", "outputs"),
    [
        (helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0), 1),
        (helper.make_node("ReduceMean", ["x"], ["y"]), 1),
        (helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"], epsilon=1e-3), 1),
        (
            helper.make_node(
                "BatchNormalization", ["x", *"sbmv"], ["y", "n", "w"], training_mode=1, momentum=0.7
            ),
            3,
        ),
    ],
    ids=["mean", "mean of all", "batch normalization", "batch normalization, training"],
)
def test_weights_are_computed_as_the_runtime_does(node, outputs):
    rng = np.random.default_rng(4)
    arrays = {"x": rng.normal(size=(3, 4, 5)), "axes": np.array([-2, 0])}
    arrays |= {name: rng.uniform(0.5, 2, 4) for name in "sbmv"}
    given = [
        array if array.dtype == np.int64 else array.astype(np.float32)
        for array in (arrays[name] for name in node.input)
    ]
    ways = [
        way(18, ir.serde.deserialize_node(node), given)
        for way in (evaluation._by_reference, evaluation._by_runtime)
    ]
    assert len(ways[0]) == outputs
    for one, other in zip(*ways, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_weights_that_are_not_numbers_warn_nobody():
    # Windows and filters are computed in files: sin(x) / x, and a Where instead of what is at 0.
    zeros = np.array([0, 1], np.float32)
    node = helper.make_node("Div", ["x", "x"], ["y"])
    (found,) = evaluation._by_reference(18, ir.serde.deserialize_node(node), [zeros, zeros])
    np.testing.assert_array_equal(found, np.array([np.nan, 1], np.float32))


@pytest.mark.parametrize(
    ("node", "given"),
    [
        # The onnx package's evaluator leaves out a channel of the window; and it refuses fewer
        # columns than the data has, and fewer in the first of several.
        (helper.make_node("LRN", ["a"], ["c"], size=3, alpha=0.9), {"a": values(1, 4, 1, 2)}),
        (
            helper.make_node("GatherElements", ["a", "b"], ["c"], axis=0),
            {"a": values(3, 4), "b": np.array([[0, 2]])},
        ),
        (helper.make_node("Mean", ["a", "b"], ["c"]), {"a": values(1, 1), "b": values(1, 2)}),
    ],
    ids=lambda value: getattr(value, "op_type", ""),
)
def test_constants_are_what_the_runtime_makes_of_them(node, given):
    nodes = [node, helper.make_node("Mul", ["x", "c"], ["y"])]
    proto = model(nodes, {"x": values(1, 2)}, ["y"], given)
    result = replayed(proto, {"x": (1, 2)})
    assert operators(result) == ["Mul"]
    x = {"x": values(1, 2)}
    np.testing.assert_allclose(run(result, x)["y"], run(proto, x)["y"], rtol=1e-6)
