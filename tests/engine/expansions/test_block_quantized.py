"""Products with weights of few bits: equal to ONNX Runtime's kernels, and differentiable."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import onnxscope as osc
import pytest
from drawing import generator
from expansion_checks import check, node_model
from graphs import session
from onnx import TensorProto, helper
from onnxscope.errors import OperatorError

pytestmark = pytest.mark.skipif(
    tuple(int(part) for part in ort.__version__.split(".")[:2]) < (1, 31),
    reason="earlier kernels lack widths of weights",
)

RNG = generator(14)

COLUMNS = 6


def values(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def packed(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape).astype(np.uint8)


def weights(width: int, bits: int, size: int) -> list[np.ndarray]:
    """Packed weights and their scales."""
    blocks = -(-width // size)
    scales = np.abs(values(COLUMNS, blocks)) / 2**bits
    return [packed(COLUMNS, blocks, size * bits // 8), scales]


def real_zeros_of_eight_bits(x, codes, scales, zeros):
    """What ONNX Runtime has no CPU kernel for."""
    grid = (codes - zeros[:, :, None]) * scales[:, :, None]
    return x @ grid.reshape(COLUMNS, -1)[:, : x.shape[-1]].T


@pytest.mark.parametrize("zero", ["none", "packed", "real"])
@pytest.mark.parametrize("width", [64, 40])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_products_with_weights_of_few_bits(bits, width, zero):
    blocks = -(-width // 16)
    zeros = {
        "none": None,
        "packed": packed(COLUMNS, -(-blocks * bits // 8)),
        "real": RNG.uniform(0, 2**bits, (COLUMNS, blocks)).astype(np.float32),
    }
    given = [values(2, 3, width), *weights(width, bits, 16), zeros[zero]]
    options = {"K": width, "N": COLUMNS, "bits": bits, "block_size": 16}
    oracle = real_zeros_of_eight_bits if (bits, zero) == (8, "real") else None
    # ONNX Runtime packs weights that are constant anew, and computes otherwise for others.
    for constants in ((), tuple(f"i{i}" for i in (1, 2, 3) if given[i] is not None)):
        if oracle is None or not constants:
            options |= {"constants": constants, "oracle": oracle}
            check("MatMulNBits", given, domain="com.microsoft", **options)


def test_a_bias_behind_weights_of_few_bits():
    arrays = [values(4, 32), *weights(32, 4, 32), None, None, values(COLUMNS)]
    options = {"K": 32, "N": COLUMNS, "block_size": 32, "constants": ("i1", "i2")}
    check("MatMulNBits", arrays, domain="com.microsoft", **options)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("width", [32, 20])
def test_products_with_floats_of_four_bits(width, kind):
    count = width * COLUMNS
    given = [packed(count // 2), np.abs(values(-(-count // 16)))]
    options = {"K": width, "N": COLUMNS, "block_size": 16, "quant_type": kind}
    check("MatMulBnb4", [values(3, width), *given], domain="com.microsoft", **options)


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rows_of_a_table_of_few_bits(bits, zero):
    table, scales = packed(9, 48 * bits // 8), values(9, 3)
    zeros = packed(9, -(-3 * bits // 8)) if zero else None
    arrays = [table, RNG.integers(0, 9, (2, 5)), scales, zeros]
    options = {"bits": bits, "block_size": 16}
    check("GatherBlockQuantized", arrays, domain="com.microsoft", **options)


@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (0, 2), (2, 0), (1, 1)])
@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
def test_rows_of_a_table_of_integers_of_four_bits(kind, axes):
    gathered, blocked = axes
    shape = [5, 4, 6]
    shape[blocked] = 40
    low = -8 if kind == TensorProto.INT4 else 0
    blocks = [*shape[:blocked], 3, *shape[blocked + 1 :]]
    tensors = [
        helper.make_tensor(name, kind, dims, RNG.integers(low, low + 16, dims).ravel().tolist())
        for name, dims in (("table", shape), ("zeros", blocks))
    ]
    node = helper.make_node(
        "GatherBlockQuantized", ["table", "i", "s", "zeros"], ["y"], domain="com.microsoft",
        gather_axis=gathered, quantize_axis=blocked, block_size=16,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "test",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, [3]),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, blocks),
        ],
        [helper.make_empty_tensor_value_info("y")],
        tensors,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    feeds = {"i": RNG.integers(0, shape[gathered], 3), "s": values(*blocks)}
    y = session(proto).run(None, feeds)[0]
    cotangent = values(*y.shape)
    graph = session(osc.differentiate(proto, of="y", wrt=["s"]))
    ours, gradient = graph.run(["y", "grad_s"], feeds | {"grad_y": cotangent})
    np.testing.assert_allclose(ours, y, rtol=1e-6)
    # It is linear in the scales.
    moved = values(*blocks)
    slope = (session(proto).run(None, feeds | {"s": moved})[0] * cotangent).sum()
    assert (gradient * moved).sum() == pytest.approx(slope, rel=1e-4, abs=1e-3)


REFUSED = {
    "a g_idx": ([values(2, 32), *weights(32, 4, 16), None, np.zeros(32, np.int32)], {}),
    "weights of 3 bits": ([values(2, 32), packed(COLUMNS, 2, 6), values(COLUMNS, 2)], {"bits": 3}),
    "the layout of one kind of processor": (
        [values(2, 32), *weights(32, 4, 16)], {"weight_prepacked": 1}),
}  # fmt: skip


@pytest.mark.parametrize("reason", list(REFUSED))
def test_what_weights_of_few_bits_cannot_do_is_said(reason):
    arrays, options = REFUSED[reason]
    options = {"K": 32, "N": COLUMNS, "block_size": 16} | options
    proto = node_model("MatMulNBits", arrays, domain="com.microsoft", **options)
    with pytest.raises(OperatorError, match=rf"MatMulNBits \(node 'o0'\) has .*{reason}"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


def test_the_product_of_a_backward_pass_is_refused():
    arrays = [values(2, COLUMNS), packed(32 * COLUMNS // 2), values(2 * COLUMNS)]
    options = {"K": 32, "N": COLUMNS, "block_size": 16, "quant_type": 1, "transB": 0}
    proto = node_model("MatMulBnb4", arrays, domain="com.microsoft", **options)
    with pytest.raises(OperatorError, match=r"MatMulBnb4 \(node 'o0'\) has transB=0"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


def test_a_table_of_floats_of_eight_bits_is_refused():
    node = helper.make_node(
        "GatherBlockQuantized", ["t", "i", "s"], ["y"], domain="com.microsoft", block_size=16
    )
    inputs = [
        helper.make_tensor_value_info("t", TensorProto.FLOAT8E4M3FN, [4, 16]),
        helper.make_tensor_value_info("i", TensorProto.INT64, [3]),
        helper.make_tensor_value_info("s", TensorProto.FLOAT, [4, 1]),
    ]
    graph = helper.make_graph([node], "test", inputs, [helper.make_empty_tensor_value_info("y")])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    with pytest.raises(OperatorError, match=r"has a table of FLOAT8E4M3FN"):
        osc.differentiate(proto, of="y", wrt=["s"])
