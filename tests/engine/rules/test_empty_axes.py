"""Graphs with open sizes where a size is 0 when they run: gradients are empty, or zero."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import model, operators, run
from onnx import helper, numpy_helper
from onnxscope.errors import ZeroGradientWarning

RNG = np.random.default_rng(3)

SCORES = [
    helper.make_node("Transpose", ["keys"], ["turned"], perm=[0, 1, 3, 2]),
    helper.make_node("MatMul", ["q", "turned"], ["scores"]),
    helper.make_node("Softmax", ["scores"], ["weights"]),
    helper.make_node("MatMul", ["weights", "values"], ["mixed"]),
    helper.make_node("Transpose", ["mixed"], ["tokens"], perm=[0, 2, 1, 3]),
    helper.make_node("Reshape", ["tokens", "joined"], ["y"]),
]
JOINED = {"joined": np.array([0, 0, 6], np.int64)}


def opened(arrays):
    """Inputs of no known size."""
    return {name: (array.dtype, [None] * array.ndim) for name, array in arrays.items()}


def normal(*shape):
    return RNG.normal(size=shape)


def test_attention_with_an_empty_cache_is_attention_without_one():
    q, k, v = (normal(2, 3, 4, 2) for _ in range(3))
    past = {"past_k": normal(2, 3, 0, 2), "past_v": normal(2, 3, 0, 2)}
    plain = {"q": q, "keys": k, "values": v}
    cached = {"q": q, "k": k, "v": v} | past
    joins = [
        helper.make_node("Concat", ["past_k", "k"], ["keys"], axis=2),
        helper.make_node("Concat", ["past_v", "v"], ["values"], axis=2),
    ]
    with_cache = model([*joins, *SCORES], opened(cached), ["y"], JOINED)
    without = model(SCORES, opened(plain), ["y"], JOINED)
    seed = {"grad_y": normal(2, 4, 6)}
    expected = run(osc.differentiate(without, of="y", wrt=list(plain)), plain | seed)
    found = run(osc.differentiate(with_cache, of="y", wrt=list(cached)), cached | seed)
    for name, other in {"q": "q", "k": "keys", "v": "values"}.items():
        np.testing.assert_allclose(found[f"grad_{name}"], expected[f"grad_{other}"], atol=1e-12)
    for name, array in past.items():
        assert found[f"grad_{name}"].shape == array.shape


FUSED = {
    "Attention": {"is_causal": 1},
    "MultiHeadAttention": {"domain": "com.microsoft", "num_heads": 3, "unidirectional": 1},
}


@pytest.mark.parametrize("past", [0, 3])
@pytest.mark.parametrize("op", FUSED)
def test_fused_attention_of_open_lengths(op, past):
    """Pictures, tokens and cache are open, heads and their width are not; 0 is a length."""
    gap = [""] * (1 if op == "Attention" else 3)
    names = ["q", "k", "v", *gap, "past_k", "past_v"]
    node = helper.make_node(op, names, ["y", "keys", "values"], **FUSED[op])
    apart = (2, 3, 4, 2) if op == "Attention" else (2, 4, 6)
    arrays = {name: normal(*apart).astype(np.float32) for name in "qkv"}
    arrays |= {name: normal(2, 3, past, 2).astype(np.float32) for name in ("past_k", "past_v")}
    closed, opened_sizes = (
        {
            name: (array.dtype, array.shape if known else open_sizes(array))
            for name, array in arrays.items()
        }
        for known in (True, False)
    )
    seed = {"grad_y": normal(*apart).astype(np.float32)}
    results = []
    for declared in (closed, opened_sizes):
        imports = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
        graph = model([], declared, [], opset=23).graph
        graph.node.append(node)
        graph.output.append(helper.make_tensor_value_info("y", 1, None))
        proto = helper.make_model(graph, opset_imports=imports, ir_version=10)
        differentiated = osc.differentiate(proto, of="y", wrt=list(arrays))
        results.append(run(differentiated, arrays | seed))
    for name, array in arrays.items():
        expected, found = (result[f"grad_{name}"] for result in results)
        assert found.shape == array.shape
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(results[1]["grad_q"]).max() > 0.01


def open_sizes(array):
    """The shape of heads, or of packed tokens, where only heads and their width are known."""
    return [None, 3, None, 2] if array.ndim == 4 else [None, None, 6]


def heads_of_a_cache():
    """A cache as projections lie, taken apart into heads of open number."""
    shape = helper.make_node("Shape", ["x"], ["batch_and_length"], start=0, end=2)
    sizes = helper.make_node("Concat", ["batch_and_length", "heads"], ["sizes"], axis=0)
    apart = helper.make_node("Reshape", ["x", "sizes"], ["apart"], allowzero=1)
    turned = helper.make_node("Transpose", ["apart"], ["y"], perm=[0, 2, 1, 3])
    return [shape, sizes, apart, turned], {"heads": np.array([3, 2], np.int64)}


def one(op, *, constants=None, count=1, **attributes):
    """A node with inputs `x`, `w`, …, then its constants."""
    constants = {name: np.array(data, np.int64) for name, data in (constants or {}).items()}
    names = [*"xwz"[:count], *constants]
    return [helper.make_node(op, names, ["y"], **attributes)], constants


# A graph, the shapes of its inputs, and whether its gradients are zero: those that are not are
# compared with differences.
EMPTY = {
    "reshape": (heads_of_a_cache(), [(2, 0, 6)]),
    "reshape, no picture": (heads_of_a_cache(), [(0, 5, 6)]),
    "flatten": (one("Flatten", axis=2), [(2, 3, 0, 4)]),
    "flatten, first axes": (one("Flatten", axis=2), [(2, 0, 3, 4)]),
    "squeeze": (one("Squeeze", constants={"axes": [-2]}), [(2, 0, 1, 0)]),
    "unsqueeze": (one("Unsqueeze", constants={"axes": [0, -1]}), [(3, 0, 0)]),
    "transpose": (one("Transpose", perm=[2, 0, 1]), [(3, 0, 2)]),
    "concat, first": (one("Concat", count=2, axis=1), [(2, 0, 3), (2, 4, 3)]),
    "concat, last": (one("Concat", count=2, axis=-2), [(2, 4, 3), (2, 0, 3)]),
    "concat, both": (one("Concat", count=2, axis=1), [(2, 0, 3), (2, 0, 3)]),
    "slice": (one("Slice", constants={"a": [1], "b": [3], "c": [1]}), [(2, 0, 3)]),
    "slice, nothing taken": (one("Slice", constants={"a": [7], "b": [9], "c": [1]}), [(2, 4, 3)]),
    "slice, steps": (
        one("Slice", constants={"a": [0], "b": [99], "c": [1], "d": [2]}),
        [(2, 0, 3)],
    ),
    "slice, from the end": (
        one("Slice", constants={"a": [-1], "b": [-99], "c": [1], "d": [-1]}),
        [(2, 0, 3)],
    ),
    "split": (one("Split", axis=1, num_outputs=1), [(0, 4)]),
    "matmul, no matrix": (one("MatMul", count=2), [(0, 5, 3), (0, 3, 4)]),
    "matmul, weights, no row": (one("MatMul", count=2), [(2, 0, 3), (3, 4)]),
    "matmul, weights, no picture": (one("MatMul", count=2), [(0, 5, 3), (3, 4)]),
    "matmul, nothing to sum": (one("MatMul", count=2), [(2, 5, 0), (2, 0, 4)]),
    "matmul, nothing to sum in weights": (one("MatMul", count=2), [(2, 5, 0), (0, 4)]),
    "matmul, vector": (one("MatMul", count=2), [(0,), (5, 0, 4)]),
    "gemm": (one("Gemm", count=3), [(0, 3), (3, 4), (4,)]),
    "add, broadcast": (one("Add", count=2), [(2, 0, 3), (3,)]),
    "mul, broadcast to nothing": (one("Mul", count=2), [(2, 0, 3), (2, 1, 3)]),
    "expand": (one("Expand", constants={"shape": [2, 1, 1]}), [(0, 3)]),
    "expand to nothing": (one("Expand", constants={"shape": [2, 0, 3]}), [(2, 1, 3)]),
    "tile": (one("Tile", constants={"repeats": [2, 3]}), [(0, 4)]),
    "gather": (one("Gather", constants={"index": [[0, 1], [2, 0]]}, axis=1), [(2, 3, 0)]),
    "gather nothing": (one("Gather", constants={"index": np.zeros((0,))}, axis=1), [(2, 3, 4)]),
    "gather elements": (
        one("GatherElements", constants={"index": np.zeros((2, 0))}, axis=1),
        [(2, 3)],
    ),
    "reduce sum": (one("ReduceSum", constants={"axes": [1]}), [(2, 0, 3)]),
    "reduce sum, from the end": (
        one("ReduceSum", constants={"axes": [-2]}, keepdims=0),
        [(2, 0, 3)],
    ),
    "reduce sum, beside": (one("ReduceSum", constants={"axes": [-1]}, keepdims=0), [(2, 0, 3)]),
    "reduce mean, beside": (one("ReduceMean", constants={"axes": [-1]}), [(0, 3, 4)]),
    "reduce max, beside": (one("ReduceMax", constants={"axes": [-1]}), [(0, 3, 4)]),
    "reduce L2": (one("ReduceL2", constants={"axes": [-1]}, keepdims=0), [(3, 0, 4)]),
    "softmax": (one("Softmax"), [(2, 0, 3)]),
    "softmax of nothing": (one("Softmax"), [(2, 3, 0)]),
    "layer normalization": (one("LayerNormalization", count=3), [(2, 0, 4), (4,), (4,)]),
    "relu": (one("Relu"), [(0, 3)]),
    "pad": (one("Pad", constants={"pads": [0, 1, 0, 2]}), [(2, 0)]),
    "where": (
        (
            [
                helper.make_node("Greater", ["x", "w"], ["larger"]),
                helper.make_node("Where", ["larger", "x", "w"], ["y"]),
            ],
            {},
        ),
        [(2, 0), (1,)],
    ),
}


@pytest.mark.parametrize("case", EMPTY)
def test_gradients_of_empty_values(case):
    (nodes, constants), shapes = EMPTY[case]
    feeds = {name: normal(*shape) for name, shape in zip("xwz", shapes, strict=False)}
    forward = model(nodes, opened(feeds), ["y"], constants)
    graph = osc.differentiate(forward, of="y", wrt=list(feeds))
    # The forward pass of the original may shape an empty value wrongly; that of the result not.
    y = run(graph, feeds | {"grad_y": normal(*_shape(forward, feeds))})["y"]
    assert y.shape == _shape(forward, feeds)
    cotangent = normal(*y.shape)
    found = run(graph, feeds | {"grad_y": cotangent})
    for name, array in feeds.items():
        gradient = found[f"grad_{name}"]
        assert gradient.shape == array.shape
        if not y.size:
            assert not gradient.any()
        elif array.size:
            direction = normal(*array.shape)
            ends = [
                (run(forward, feeds | {name: array + step * direction})["y"] * cotangent).sum()
                for step in (1e-4, -1e-4)
            ]
            slope = (ends[0] - ends[1]) / 2e-4
            assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-9)


def _shape(forward, feeds):
    """The shape of `y` as ONNX defines it: that which is inferred from the shapes of the inputs."""
    closed = model(forward.graph.node, feeds, ["y"], _constants(forward))
    return tuple(dim.dim_value for dim in closed.graph.output[0].type.tensor_type.shape.dim)


def _constants(proto):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


@pytest.mark.parametrize("batch", ["0", "n"])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("attributes", ["pads = [1, 1, 1, 1]", "dilations = [2, 1], group = 3"])
def test_kernels_over_no_pictures(op, attributes, batch):
    """ONNX Runtime's Conv of no channels, with padding, does not end."""
    narrow = 2 if "group" in attributes else 6
    forward = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["": 17]>
        g (float[{batch}, 6, 5, 5] x, float[6, {narrow}, 3, 3] w, float[6] b)
            => (float[N, C, H, W] y)
        {{ y = {op} <{attributes}> (x, w, b) }}""")
    sizes = {"x": (0, 6, 5, 5), "w": (6, narrow, 3, 3), "b": (6,)}
    feeds = {name: np.ones(size, np.float32) for name, size in sizes.items()}
    cotangent = np.ones(run(forward, feeds)["y"].shape, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroGradientWarning)
        graph = osc.differentiate(forward, of="y", wrt=list(feeds))
    found = run(graph, feeds | {"grad_y": cotangent})
    for name, array in feeds.items():
        np.testing.assert_array_equal(found[f"grad_{name}"], np.zeros_like(array))


def test_second_gradients_of_empty_values():
    nodes, constants = heads_of_a_cache()
    squared = helper.make_node("Mul", ["apart", "apart"], ["squared"])
    nodes = [*nodes[:3], squared, helper.make_node("Transpose", ["squared"], ["y"])]
    x = normal(2, 0, 6)
    first = osc.differentiate(model(nodes, opened({"x": x}), ["y"], constants), of="y", wrt=["x"])
    second = osc.differentiate(first, of="grad_x", wrt=["x", "grad_y"])
    feeds = {"x": x, "grad_y": normal(2, 3, 0, 2), "grad_grad_x": normal(2, 0, 6)}
    found = run(second, feeds)
    assert found["grad_x_2"].shape == (2, 0, 6)
    assert found["grad_grad_y"].shape == (2, 3, 0, 2)


def test_known_sizes_stay_numbers():
    nodes, constants = one("Squeeze", constants={"axes": [1]})
    forward = model(nodes, {"x": normal(2, 1, 6)}, ["y"], constants)
    graph = osc.differentiate(forward, of="y", wrt=["x"])
    assert operators(graph) == ["Squeeze", "Reshape"]
    assert not [a for node in graph.graph.node for a in node.attribute if a.name == "allowzero"]
