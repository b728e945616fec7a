"""ONNX Runtime's own normalisations: equal to its own kernels, and differentiable."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from drawing import generator
from expansion_checks import check, node_model
from graphs import session
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

RNG = generator(12)


def values(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def whole(*shape: int, below: int) -> np.ndarray:
    return RNG.integers(0, below, shape).astype(np.int32)


# Embeddings --------------------------------------------------------------------------------------

N, L, WIDTH, WORDS, PLACES, KINDS = 2, 5, 8, 7, 9, 3

IDS, SEGMENTS = whole(N, L, below=WORDS), whole(N, L, below=KINDS)
TABLES = [values(WORDS, WIDTH), values(PLACES, WIDTH), values(KINDS, WIDTH)]
SCALE = [values(WIDTH), values(WIDTH)]
MASK = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 2, 1]], np.int32)

EMBEDDINGS = {
    "segments": [IDS, SEGMENTS, *TABLES, *SCALE],
    "no segments": [IDS, None, *TABLES[:2], None, *SCALE],
    "places of all": [IDS, SEGMENTS, *TABLES, *SCALE, None, whole(1, L, below=PLACES)],
    "places of each": [IDS, SEGMENTS, *TABLES, *SCALE, MASK, whole(N, L, below=PLACES)],
}


@pytest.mark.parametrize("of", ["o0", "o2"])
@pytest.mark.parametrize("kind", list(EMBEDDINGS))
def test_embeddings(kind, of):
    options = {"domain": "com.microsoft", "epsilon": 0.01}
    check("EmbedLayerNormalization", EMBEDDINGS[kind], 3, of=of, **options)


def test_embeddings_without_a_count_of_the_mask():
    arrays = EMBEDDINGS["segments"]
    check("EmbedLayerNormalization", arrays, 1, domain="com.microsoft", mask_index_type=0)


def attended_embeddings(mask: np.ndarray | None):
    """Embeddings whose mask's count is the mask of an attention, which is added and normalised."""
    arrays = {
        "ids": IDS, "segments": SEGMENTS, "words": TABLES[0], "places": TABLES[1],
        "kinds": TABLES[2], "gamma": SCALE[0], "beta": SCALE[1], "mask": mask,
        "weights": values(WIDTH, 3 * WIDTH) * 0.3, "bias": values(3 * WIDTH),
    }  # fmt: skip
    given = {name: array for name, array in arrays.items() if array is not None}
    names = ["" if array is None else name for name, array in arrays.items()]
    nodes = [
        helper.make_node(
            "EmbedLayerNormalization", names[:8], ["e", "count"], domain="com.microsoft"
        ),
        helper.make_node(
            "Attention", ["e", "weights", "bias", "count" if mask is not None else ""], ["a"],
            domain="com.microsoft", num_heads=2, mask_filter_value=-30.0,
        ),
        helper.make_node(
            "SkipLayerNormalization", ["a", "e", "gamma", "beta"], ["s"], domain="com.microsoft"
        ),
        helper.make_node("BiasGelu", ["s", "gamma"], ["g"], domain="com.microsoft"),
        helper.make_node("FastGelu", ["g"], ["y"], domain="com.microsoft"),
    ]  # fmt: skip
    integers = [name for name, array in given.items() if array.dtype == np.int32]
    graph = helper.make_graph(
        nodes,
        "test",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in given.items()
            if name in (*integers, "words")
        ],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(a, n) for n, a in given.items() if n not in (*integers, "words")],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    feeds = {name: given[name] for name in (*integers, "words")}
    return helper.make_model(graph, opset_imports=opsets, ir_version=9), feeds


@pytest.mark.parametrize("mask", [None, MASK])
def test_embeddings_and_their_successors(mask):
    proto, feeds = attended_embeddings(mask)
    graph = osc.differentiate(proto, of="y", wrt=["words"])
    assert {node.domain for node in graph.graph.node} == {""}
    plain = session(proto)
    y = plain.run(["y"], feeds)[0]
    cotangent, direction = values(*y.shape), values(WORDS, WIDTH)
    ours, gradient = session(graph).run(["y", "grad_words"], feeds | {"grad_y": cotangent})
    np.testing.assert_allclose(ours, y, rtol=1e-4, atol=1e-5)

    def along(t):
        moved = feeds | {"words": feeds["words"] + np.float32(t) * direction}
        return float((plain.run(["y"], moved)[0].astype(np.float64) * cotangent).sum())

    difference = (8 * (along(0.01) - along(-0.01)) - along(0.02) + along(-0.02)) / 0.12
    assert (gradient * direction).sum() == pytest.approx(difference, rel=5e-3, abs=5e-2)


@pytest.mark.parametrize("mask", [None, MASK])
def test_ones_of_a_mask_are_counted(mask):
    arrays = [IDS, SEGMENTS, *TABLES, *SCALE, mask]
    proto = node_model("EmbedLayerNormalization", arrays, 2, domain="com.microsoft")
    feeds = {f"i{i}": a for i, a in enumerate(arrays) if a is not None}
    y, count = session(proto).run(None, feeds)
    graph = osc.differentiate(proto, of="o0", wrt=["i2"])
    ours = session(graph).run(["o1"], feeds | {"grad_o0": y})[0]
    np.testing.assert_array_equal(ours, count)
    assert ours.dtype == count.dtype


# Layers ------------------------------------------------------------------------------------------

SKIPPED = [values(2, 3, 8), values(2, 3, 8), values(8), values(8), values(8)]


@pytest.mark.parametrize("of", ["o0", "o3"])
def test_skip_layer_normalization(of):
    options = {"domain": "com.microsoft", "of": of}
    check("SkipLayerNormalization", SKIPPED, 4, **options)
    check("SkipLayerNormalization", [*SKIPPED[:3], None, SKIPPED[4]], 4, **options)
    for shape in ((1, 3, 8), (3, 8)):
        check("SkipLayerNormalization", [SKIPPED[0], values(*shape), *SKIPPED[2:4]], 4, **options)


def test_skip_simplified_layer_normalization():
    check("SkipSimplifiedLayerNormalization", SKIPPED[:4], domain="com.microsoft")


def test_sums_in_front_of_a_simplified_layer_normalization():
    options = {"domain": "com.microsoft", "of": "o3"}
    check("SkipSimplifiedLayerNormalization", SKIPPED[:4], (0, 3), **options)


def test_simplified_layer_normalization():
    check("SimplifiedLayerNormalization", [values(2, 3, 8), values(8)])


def test_squares_in_half_precision_do_not_overflow():
    x = (400 * np.random.default_rng(0).normal(size=(2, 8))).astype(np.float16)
    proto = node_model("SimplifiedLayerNormalization", [x, np.ones(8, np.float16)])
    # ONNX's own evaluator computes in half precision; ONNX Runtime has it in single on the CPU.
    half = ReferenceEvaluator(osc.differentiate(proto, of="o0", wrt=["i0"]))
    feeds = {"i0": x, "i1": np.ones(8, np.float16), "grad_o0": np.ones((2, 8), np.float16)}
    y, gradient = half.run(["o0", "grad_i0"], feeds)
    wide = x.astype(np.float64)
    expected = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, expected, rtol=2e-3)
    assert np.isfinite(gradient).all()


# Groups of channels: ONNX Runtime has no CPU kernels for them ------------------------------------


def group_norm(total, gamma, beta):
    """Of (2, 4, 4, 8) in two groups, and a Swish."""
    split = total.astype(np.float64).reshape(2, 4, 4, 2, 4)
    mean, variance = split.mean((1, 2, 4), keepdims=True), split.var((1, 2, 4), keepdims=True)
    normal = ((split - mean) / np.sqrt(variance + 1e-5)).reshape(total.shape) * gamma + beta
    return normal / (1 + np.exp(-normal))


GROUPS = {"domain": "com.microsoft", "groups": 2, "activation": 1}


def turned(x: np.ndarray, forwards: bool = True) -> np.ndarray:
    """Channels first, or last again."""
    return np.ascontiguousarray(np.moveaxis(x, *((-1, 1) if forwards else (1, -1))))


def test_group_norm_of_channels_last():
    arrays = [values(2, 4, 4, 8), values(8), values(8)]
    check("GroupNorm", arrays, oracle=group_norm, **GROUPS)


def test_group_norm_of_channels_first():
    def oracle(x, gamma, beta):
        return turned(group_norm(turned(x, False), gamma, beta))

    arrays = [values(2, 8, 4, 4), values(8), values(8)]
    check("GroupNorm", arrays, oracle=oracle, channels_last=0, **GROUPS)


@pytest.mark.parametrize("shape", [(2, 4, 4, 8), (2, 1, 1, 8), (2, 8)])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("of", ["o0", "o1"])
def test_skip_group_norm(shape, last, of):
    def oracle(x, gamma, beta, skip, bias):
        if not last:
            x, skip = (y if y.ndim == 2 else turned(y, False) for y in (x, skip))
        total = x + (skip if skip.ndim == 4 else skip[:, None, None]) + bias
        y = total if of == "o1" else group_norm(total, gamma, beta)
        return y if last else turned(y)

    x, skip = values(2, 4, 4, 8), values(*shape)
    if not last:
        x, skip = turned(x), turned(skip) if len(shape) == 4 else skip
    arrays = [x, values(8), values(8), skip, values(8)]
    check("SkipGroupNorm", arrays, 2, of=of, oracle=oracle, channels_last=int(last), **GROUPS)
