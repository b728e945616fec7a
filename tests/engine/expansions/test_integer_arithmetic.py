"""Integer arithmetic of quantised networks: its values, and gradients straight through grids."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxscope as osc
import pytest
from graphs import operators, run, session
from onnx import helper, numpy_helper
from onnxscope.errors import OperatorError, StraightThroughWarning, ZeroGradientWarning

RNG = np.random.default_rng(12)
MS = "com.microsoft"
# The scales are no round numbers: what lies between two steps of a grid goes either way.
S, Z = np.float32(0.0213), np.uint8(128)
S2, Z2 = np.float32(0.0517), np.uint8(119)
STEP = {"s": S, "z": Z, "s2": S2, "z2": Z2}
KERNEL = RNG.integers(-60, 60, (4, 3, 3, 3)).astype(np.int8)
MATRIX = RNG.integers(-60, 60, (6, 5)).astype(np.int8)
OTHER = RNG.integers(90, 170, (1, 6)).astype(np.uint8)
SCALES = RNG.uniform(0.005, 0.02, 5).astype(np.float32)
BIASES = RNG.integers(-500, 500, 5).astype(np.int32)


def node(op, inputs, output, domain="", **attributes):
    return helper.make_node(op, inputs, output.split(), domain=domain, **attributes)


def model(nodes, constants, shape, output="y"):
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_empty_tensor_value_info(output)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid(MS, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


QUANTIZE = node("QuantizeLinear", ["x", "s", "z"], "q")
DEQUANTIZE = node("DequantizeLinear", ["r", "s2", "z2"], "y")
PAIR = ["q", "s", "z"]
TO = ["s2", "z2"]


def contrib(op, inputs, **attributes):
    return node(op, inputs, "r", MS, **attributes)


def real(values, scale=S, zero=Z):
    return (values.astype(np.float64) - zero) * scale


# From the quantised input, in real numbers, to the output before its own grid: what each node does.
CASES = {
    "QLinearConv": (
        node("QLinearConv", [*PAIR, "w", "ws", "wz", *TO, "b"], "r", pads=[1, 1, 0, 0],
             strides=[2, 2]),
        {"w": KERNEL, "ws": SCALES[:4], "wz": np.zeros(4, np.int8), "b": BIASES[:4]},
        (2, 3, 7, 7), None,
    ),
    "QLinearMatMul": (
        node("QLinearMatMul", [*PAIR, "w", "ws", "wz", *TO], "r"),
        {"w": MATRIX, "ws": SCALES, "wz": np.full(5, 2, np.int8)}, (3, 6),
        lambda x: x @ ((MATRIX - 2.0) * SCALES),
    ),
    "QGemm": (
        contrib("QGemm", [*PAIR, "w", "ws", "wz", "b", *TO], transB=1, alpha=0.5),
        {"w": np.ascontiguousarray(MATRIX.T), "ws": SCALES, "wz": np.zeros(5, np.int8),
         "b": BIASES},
        (3, 6), lambda x: 0.5 * (x @ (MATRIX * SCALES) + BIASES * S * SCALES),
    ),
    "QLinearAdd": (
        contrib("QLinearAdd", [*PAIR, "k", "s", "z", *TO]), {"k": OTHER}, (3, 6),
        lambda x: x + real(OTHER),
    ),
    "QLinearMul": (
        contrib("QLinearMul", [*PAIR, "k", "s", "z", *TO]), {"k": OTHER}, (3, 6),
        lambda x: x * real(OTHER),
    ),
    "QLinearSigmoid": (
        contrib("QLinearSigmoid", [*PAIR, *TO]), {"s2": np.float32(1 / 256), "z2": np.uint8(0)},
        (3, 6), lambda x: 1 / (1 + np.exp(-x)),
    ),
    "QLinearLeakyRelu": (
        contrib("QLinearLeakyRelu", [*PAIR, *TO], alpha=0.2), {}, (3, 6),
        lambda x: np.where(x < 0, 0.2 * x, x),
    ),
    "QLinearConcat": (
        contrib("QLinearConcat", [*TO, *PAIR, "k", "s", "z"], axis=0), {"k": OTHER}, (3, 6),
        lambda x: np.concatenate([x, real(OTHER)]),
    ),
    "QLinearWhere": (
        contrib("QLinearWhere", ["m", *PAIR, "k", "s", "z", *TO]),
        {"k": OTHER, "m": np.arange(6) % 2 == 0}, (3, 6),
        lambda x: np.where(np.arange(6) % 2 == 0, x, real(OTHER)),
    ),
    "QLinearGlobalAveragePool": (
        contrib("QLinearGlobalAveragePool", [*PAIR, *TO]), {"s2": np.float32(0.0117)},
        (2, 3, 5, 4), lambda x: x.mean((2, 3), keepdims=True),
    ),
    "QLinearGlobalAveragePool, channels last": (
        contrib("QLinearGlobalAveragePool", [*PAIR, *TO], channels_last=1),
        {"s2": np.float32(0.0117)}, (2, 5, 4, 3), lambda x: x.mean((1, 2), keepdims=True),
    ),
    "QLinearAveragePool": (
        contrib("QLinearAveragePool", [*PAIR, *TO], kernel_shape=[2, 2], strides=[2, 2]),
        {"s2": np.float32(0.0117)}, (2, 3, 6, 4),
        lambda x: x.reshape(2, 3, 3, 2, 2, 2).mean((3, 5)),
    ),
    "QLinearSoftmax": (
        contrib("QLinearSoftmax", [*PAIR, *TO], axis=-1, opset=13),
        {"s2": np.float32(1 / 256), "z2": np.uint8(0)}, (3, 6),
        lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    ),
    "QLinearSoftmax, all axes from one on": (
        contrib("QLinearSoftmax", [*PAIR, *TO], axis=1, opset=12),
        {"s2": np.float32(1 / 256), "z2": np.uint8(0)}, (3, 2, 3),
        lambda x: np.exp(x) / np.exp(x).sum((1, 2), keepdims=True),
    ),
}  # fmt: skip


def slopes(function, x, dy):
    """The gradient by differences of a function of few numbers."""
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        h = np.zeros(x.shape)
        h[index] = 1e-5
        found[index] = ((function(x + h) - function(x - h)) * dy).sum() / 2e-5
    return found


@pytest.mark.parametrize("name", CASES)
def test_values_are_exact_and_gradients_go_straight_through(name):
    written, more, shape, function = CASES[name]
    constants = STEP | more
    proto = model([QUANTIZE, written, DEQUANTIZE], constants, shape)
    x = RNG.uniform(-2, 2, shape).astype(np.float32)
    wanted = run(proto, {"x": x})["y"]
    with pytest.warns(StraightThroughWarning, match="rounds to integers"):
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    dy = RNG.normal(size=wanted.shape).astype(np.float32)
    found = run(graph, {"x": x, "grad_y": dy})
    scale, zero = constants["s2"], float(constants["z2"])
    # Where a number lies between two steps of the grid, the last bit decides.
    steps = np.abs(found["y"] - wanted) / scale
    assert steps.max() < 1.01
    assert (steps > 0.5).mean() < 0.05
    grid = np.round(found["y"] / scale) + zero
    given = np.where((grid > 0) & (grid < 255), dy, 0).astype(np.float64)
    on_grid = real(np.clip(np.round(x / S) + Z, 0, 255))
    if function is None:
        kernel = KERNEL * SCALES[:4].reshape(-1, 1, 1, 1)
        expected = np.zeros((2, 3, 8, 8))
        for i, j in np.ndindex(3, 3):
            part = expected[:, :, i : i + 5 : 2, j : j + 5 : 2]
            rows, columns = part.shape[2:]
            part += np.einsum("nohw,oc->nchw", given[:, :, :rows, :columns], kernel[..., i, j])
        expected = expected[:, :, 1:, 1:]
    else:
        expected = slopes(function, on_grid, given)
    np.testing.assert_allclose(found["grad_x"], expected, rtol=1e-3, atol=1e-4)


# Grids of the values themselves -------------------------------------------------------------------


def dynamic(bias):
    """A layer as ONNX Runtime quantises one for the values that it meets."""
    nodes = [
        node("DynamicQuantizeLinear", ["x"], "q qs qz"),
        node("ConvInteger", ["q", "w", "qz", "wz"], "i"),
        node("Mul", ["qs", "ws"], "k"),
        node("Div", ["b", "k"], "scaled"),
        node("Floor", ["scaled"], "floor"),
        node("Cast", ["floor"], "whole", to=6),
        node("Add", ["i", "whole"], "sum"),
        node("Cast", ["sum" if bias else "i"], "c", to=1),
        node("Mul", ["c", "k"], "y"),
    ]
    constants = {"w": KERNEL, "wz": np.int8(0), "ws": np.float32(0.01),
                 "b": RNG.normal(size=(1, 4, 1, 1)).astype(np.float32)}  # fmt: skip
    used = nodes if bias else [n for n in nodes if n.op_type not in ("Div", "Floor", "Add")]
    used = used if bias else [n for n in used if n.output[0] != "whole"]
    return model(used, constants, (1, 3, 5, 5))


@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
def test_a_layer_whose_grid_is_that_of_its_values(bias):
    proto = dynamic(bias)
    x = RNG.normal(size=(1, 3, 5, 5)).astype(np.float32)
    wanted = session(proto, optimized=False).run(["y"], {"x": x})[0]
    with pytest.warns(StraightThroughWarning, match="DynamicQuantizeLinear"):
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    dy = RNG.normal(size=wanted.shape).astype(np.float32)
    y, dx = session(graph, optimized=False).run(["y", "grad_x"], {"x": x, "grad_y": dy})
    np.testing.assert_allclose(y, wanted, rtol=1e-6)
    # As if neither the grid nor the bias, which is rounded to it, were there.
    expected = np.zeros((1, 3, 5, 5))
    for i, j in np.ndindex(3, 3):
        part = np.einsum("nohw,oc->nchw", dy, KERNEL[..., i, j] * 0.01)
        expected[:, :, i : i + 3, j : j + 3] += part
    np.testing.assert_allclose(dx, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op", ["DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulInteger"])
def test_products_of_integers(op):
    if op == "DynamicQuantizeMatMul":
        nodes = [node(op, ["x", "w", "ws", "wz", "b"], "y", MS)]
    elif op == "MatMulIntegerToFloat":
        nodes = [QUANTIZE, node(op, ["q", "w", "s", "ws", "z", "wz", "b"], "y", MS)]
    else:
        nodes = [
            QUANTIZE,
            node(op, ["q", "w", "z", "wz"], "i"),
            node("Cast", ["i"], "c", to=1),
            node("Mul", ["ws", "s"], "k"),
            node("Mul", ["c", "k"], "p"),
            node("Add", ["p", "b"], "y"),
        ]
    bias = RNG.normal(size=5).astype(np.float32)
    constants = {"s": S, "z": Z, "w": MATRIX, "ws": SCALES, "wz": np.zeros(5, np.int8), "b": bias}
    proto = model(nodes, constants, (2, 3, 6))
    x = RNG.uniform(-2, 2, (2, 3, 6)).astype(np.float32)
    wanted = run(proto, {"x": x})["y"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StraightThroughWarning)
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    dy = RNG.normal(size=wanted.shape).astype(np.float32)
    found = run(graph, {"x": x, "grad_y": dy})
    np.testing.assert_allclose(found["y"], wanted, rtol=1e-5, atol=1e-5)
    expected = dy @ (MATRIX * SCALES).T
    np.testing.assert_allclose(found["grad_x"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mode", "passes"), [("nearest", True), ("linear", False)])
def test_pixels_that_are_repeated_between_grids(mode, passes):
    resize = node("Resize", ["q", "", "f"], "r", mode=mode)
    constants = STEP | {"f": np.array([1, 1, 2, 2], np.float32)}
    proto = model([QUANTIZE, resize, DEQUANTIZE], constants, (1, 2, 3, 3))
    x = RNG.uniform(-2, 2, (1, 2, 3, 3)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", osc.OnnxscopeWarning)
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones((1, 2, 6, 6), np.float32)})
    np.testing.assert_allclose(found["y"], run(proto, {"x": x})["y"], rtol=1e-6)
    # Mixtures of bytes are rounded by the kernel itself, through which no gradient goes.
    expected = np.full(x.shape, 4 * S2 / S if passes else 0)
    np.testing.assert_allclose(found["grad_x"], expected, rtol=1e-5)


def test_a_scan_over_integers():
    proto = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["": 17]>
        g (float[3,2] x) => (float[3,2] y)
        <float s = {0.05}, int8 z = {3}, int8[2] first = {9, -2}> {
          q = QuantizeLinear (x, s, z)
          last, r = Scan <num_scan_inputs = 1, body = b (int8[2] before, int8[2] row)
              => (int8[2] after, int8[2] out) {
            after = Identity (row)
            out = Max (before, row)
          }> (first, q)
          y = DequantizeLinear (r, s, z)
        }""")
    x = np.array([[0.1, 0.9], [-0.4, 1.2], [0.3, 0.2]], np.float32)
    with pytest.warns(StraightThroughWarning, match="QuantizeLinear"):
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    found = run(graph, {"x": x, "grad_y": np.ones_like(x)})
    np.testing.assert_allclose(found["y"], run(proto, {"x": x})["y"], rtol=1e-6)
    # The larger of each row and the one before; of the first row and a constant.
    np.testing.assert_array_equal(found["grad_x"], [[1, 1], [0, 2], [1, 0]])


def test_a_grid_of_equal_values():
    proto = model(
        [
            node("DynamicQuantizeLinear", ["x"], "q qs qz"),
            node("DequantizeLinear", ["q", "qs", "qz"], "y"),
        ],
        {},
        (3,),
    )
    with pytest.warns(StraightThroughWarning):
        graph = osc.differentiate(proto, of="y", wrt=["x"])
    for number in (0, 2, -3):
        x = np.full(3, number, np.float32)
        found = run(graph, {"x": x, "grad_y": np.ones(3, np.float32)})
        np.testing.assert_array_equal(found["y"], run(proto, {"x": x})["y"])


def test_the_scale_of_a_grid_counts_as_constant():
    proto = model([node("DynamicQuantizeLinear", ["x"], "q y qz")], {}, (3,))
    with pytest.warns(ZeroGradientWarning, match="zero everywhere"):
        osc.differentiate(proto, of="y", wrt=["x"])


def test_integers_that_nothing_real_is_behind_stay_integers():
    nodes = [
        node("MatMulInteger", ["a", "w"], "i"),
        node("Cast", ["i"], "c", to=1),
        node("Mul", ["c", "x"], "y"),
    ]
    large = np.full((1, 6), 255, np.uint8)
    # Of larger ones ONNX Runtime's sums of two products end at 32767 where a CPU has AVX2 alone.
    weights = np.full((6, 5), 64, np.int8)
    proto = model(nodes, {"w": weights}, (1, 5))
    proto.graph.input.append(helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [1, 6]))
    graph = osc.differentiate(proto, of="y", wrt=["x"])
    assert "MatMulInteger" in operators(graph)
    x = np.ones((1, 5), np.float32)
    found = run(graph, {"x": x, "a": large, "grad_y": x})
    np.testing.assert_array_equal(found["grad_x"], np.full((1, 5), 255 * 64 * 6, np.float32))


@pytest.mark.parametrize(
    ("op", "name"), [("QLinearAveragePool", "kernel_shape"), ("QLinearConcat", "axis")]
)
def test_attributes_that_are_missing(op, name):
    inputs = [*TO, *PAIR] if op == "QLinearConcat" else [*PAIR, *TO]
    proto = model([QUANTIZE, contrib(op, inputs), DEQUANTIZE], STEP, (1, 3, 6, 6))
    with pytest.raises(OperatorError, match=f"{op} .* lacks its attribute '{name}'"):
        osc.differentiate(proto, of="y", wrt=["x"])


@pytest.mark.parametrize(
    ("op", "attributes"),
    [("QLinearConv", {"channels_last": 1}), ("QLinearAveragePool", {"channels_last": 1}),
     ("QLinearAveragePool", {"ceil_mode": 1})],
)  # fmt: skip
def test_forms_that_are_refused(op, attributes):
    conv = op == "QLinearConv"
    inputs = [*PAIR, "w", "ws", "wz", *TO] if conv else [*PAIR, *TO]
    more = {} if conv else {"kernel_shape": [2, 2]}
    proto = model(
        [QUANTIZE, contrib(op, inputs, **attributes, **more), DEQUANTIZE],
        STEP | {"w": KERNEL, "ws": SCALES[:4], "wz": np.zeros(4, np.int8)},
        (1, 3, 6, 6),
    )
    with pytest.raises(OperatorError, match=f"{op} .* {next(iter(attributes))}|channels last"):
        osc.differentiate(proto, of="y", wrt=["x"])
