"""ONNX Runtime's attention with masks and caches: equal to its own kernels, and differentiable."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from drawing import generator
from expansion_checks import check, node_model
from graphs import session
from onnxscope.errors import OperatorError

RNG = generator(11)

N, L, KEYS, HEADS, WIDTH, PAST = 2, 4, 6, 2, 8, 3


def values(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def whole(numbers) -> np.ndarray:
    return np.array(numbers, np.int32)


def contrib(op_type, arrays, outputs=1, **options):
    return check(op_type, arrays, outputs, domain="com.microsoft", **options)


# MultiHeadAttention ------------------------------------------------------------------------------

SEPARATE = [values(N, L, WIDTH), values(N, KEYS, WIDTH), values(N, KEYS, WIDTH), values(3 * WIDTH)]
CACHE = [values(N, HEADS, PAST, WIDTH // HEADS) for _ in range(2)]
TOTAL = PAST + KEYS

SOME = RNG.integers(0, 2, (N, TOTAL)).astype(np.int32)
SOME[:, :2] = 1, 0
ROWS = RNG.integers(0, 2, (N, L, KEYS)).astype(np.int32)
ROWS[:, :, 2] = 1


def masks(keys: int) -> dict[str, np.ndarray | None]:
    """Masks in which every query sees a key."""
    return {
        "none": None,
        "lengths": whole([keys, 2]),
        "lengths and starts of sequences": whole([keys, 2, 0, L, 2 * L, 0, keys, 2 * keys]),
        "keys": SOME[:, :keys],
        "queries": np.resize(ROWS, (N, L, keys)),
    }


@pytest.mark.sample(5)
@pytest.mark.parametrize("unidirectional", [0, 1])
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("kind", list(masks(KEYS)))
def test_multi_head_attention(kind, cache, unidirectional):
    mask = masks(TOTAL if cache else KEYS)[kind]
    arrays = [*SEPARATE, mask, values(1, HEADS, L, TOTAL if cache else KEYS)]
    # −30 hides a key well enough, and unlike −10000 leaves a score its digits where a query sees
    # nothing but hidden keys.
    options = {"num_heads": HEADS, "unidirectional": unidirectional, "mask_filter_value": -30.0}
    # Without outputs for them, ONNX Runtime's CPU kernel passes by the keys of a cache.
    contrib("MultiHeadAttention", arrays + (CACHE if cache else []), 3 if cache else 1, **options)
    contrib("MultiHeadAttention", [*SEPARATE[:3], None, masks(KEYS)[kind]], **options)


@pytest.mark.parametrize("shape", [(N, HEADS), (1, HEADS), (N, 1), (1, 1)])
def test_attention_bias_is_broadcast(shape):
    contrib("MultiHeadAttention", [*SEPARATE, None, values(*shape, L, KEYS)], num_heads=HEADS)
    arrays = [*SEPARATE, whole([5, 3]), values(*shape, L, KEYS)]
    contrib("MultiHeadAttention", arrays, num_heads=HEADS, scale=0.3)


@pytest.mark.parametrize("of", ["o1", "o2"])
def test_keys_and_values_for_the_next_step(of):
    options = {"num_heads": HEADS, "of": of}
    contrib("MultiHeadAttention", SEPARATE, 3, **options)
    contrib("MultiHeadAttention", [*SEPARATE, None, None, *CACHE], 3, **options)


def test_keys_and_values_of_a_cache():
    query, bias = SEPARATE[0], SEPARATE[3]
    cached = [values(N, HEADS, KEYS, WIDTH // HEADS) for _ in range(2)]
    contrib("MultiHeadAttention", [query, *cached], num_heads=HEADS)
    contrib("MultiHeadAttention", [query, *cached, None, whole([5, 3])], num_heads=HEADS)
    contrib("MultiHeadAttention", [query, *cached, bias], num_heads=HEADS)


def test_values_wider_than_keys():
    arrays = [*SEPARATE[:2], values(N, KEYS, 12), values(2 * WIDTH + 12), whole([5, 3])]
    contrib("MultiHeadAttention", arrays, num_heads=HEADS)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mask", [None, whole([4, 2])])
def test_packed_queries_keys_and_values(mask, bias):
    # ONNX Runtime has no CPU kernel for packed ones: the separate ones are the oracle.
    packed = values(N, L, HEADS, 3, WIDTH // HEADS)
    given = SEPARATE[3] if bias else None
    parts = [packed[:, :, :, index].reshape(N, L, WIDTH) for index in range(3)]
    kernel = session(
        node_model(
            "MultiHeadAttention",
            [*parts, given, mask],
            domain="com.microsoft",
            num_heads=HEADS,
        )
    )

    def oracle(packed, *others):
        feeds = {f"i{i}": packed[:, :, :, i].reshape(N, L, WIDTH) for i in range(3)}
        rest = {f"i{3 + i}": a for i, a in enumerate([given, mask]) if a is not None}
        return kernel.run(None, feeds | dict(zip(rest, others, strict=True)))[0]

    arrays = [packed, None, None, given, mask]
    contrib("MultiHeadAttention", arrays, oracle=oracle, num_heads=HEADS)


def test_packed_keys_and_values():
    arrays = [*SEPARATE[:3], None, whole([5, 3])]
    kernel = session(
        node_model("MultiHeadAttention", arrays, domain="com.microsoft", num_heads=HEADS)
    )

    def oracle(query, packed, mask):
        parts = [packed[:, :, :, index].reshape(N, KEYS, WIDTH) for index in range(2)]
        return kernel.run(None, {"i0": query, "i1": parts[0], "i2": parts[1], "i4": mask})[0]

    packed = values(N, KEYS, HEADS, 2, WIDTH // HEADS)
    arrays = [SEPARATE[0], packed, None, None, whole([5, 3])]
    contrib("MultiHeadAttention", arrays, oracle=oracle, num_heads=HEADS)


NOTHING = {
    "lengths": whole([KEYS, 0]),
    "keys": whole([[1] * KEYS, [0] * KEYS]),
    "queries": np.where(np.arange(L)[None, :, None] == 1, 0, ROWS).astype(np.int32),
}


@pytest.mark.parametrize("unidirectional", [0, 1])
@pytest.mark.parametrize("kind", list(NOTHING))
def test_queries_that_see_nothing(kind, unidirectional):
    arrays = [*SEPARATE, NOTHING[kind], values(1, 1, L, KEYS)]
    options = {"num_heads": HEADS, "unidirectional": unidirectional}
    contrib("MultiHeadAttention", arrays, mask_filter_value=-30.0, **options)
    # Beside −10000 a score in single precision has its digits down to a thousandth.
    proto = node_model("MultiHeadAttention", arrays, domain="com.microsoft", **options)
    feeds = {f"i{i}": a for i, a in enumerate(arrays)}
    graph = session(osc.differentiate(proto, of="o0", wrt=["i0"]))
    y = session(proto).run(None, feeds)[0]
    ours, gradient = graph.run(["o0", "grad_i0"], feeds | {"grad_o0": np.ones_like(y)})
    np.testing.assert_allclose(ours, y, atol=5e-3)
    assert np.isfinite(gradient).all()


def scores_model(arrays, **options):
    proto = node_model("MultiHeadAttention", arrays, 4, domain="com.microsoft", **options)
    # ONNX Runtime does not infer the type of the scores.
    for output in proto.graph.output:
        output.type.tensor_type.elem_type = 1
    return proto


@pytest.mark.parametrize("unidirectional", [0, 1])
def test_scores_in_front_of_the_softmax(unidirectional):
    arrays = [*SEPARATE, whole([KEYS, 3]), values(1, 1, L, KEYS)]
    proto = scores_model(arrays, num_heads=HEADS, unidirectional=unidirectional)
    feeds = {f"i{i}": a for i, a in enumerate(arrays)}
    scores = session(proto).run(["o3"], feeds)[0]
    graph = session(osc.differentiate(proto, of="o3", wrt=["i0"]))
    ours = graph.run(["o3"], feeds | {"grad_o3": np.ones_like(scores)})[0]
    np.testing.assert_allclose(ours, scores, rtol=1e-5, atol=2e-3)


# Attention ---------------------------------------------------------------------------------------

PROJECTED = [values(N, L, WIDTH), values(WIDTH, 3 * WIDTH) * 0.3, values(3 * WIDTH)]


@pytest.mark.sample(6)
@pytest.mark.parametrize("unidirectional", [0, 1])
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("kind", [*masks(L), "ends and starts", "nobody", "one for all"])
def test_attention(kind, cache, unidirectional):
    total = L + PAST * cache
    more = {
        "ends and starts": whole([total, 3, 1, 0]),
        "nobody": whole([[0], [0]]),
        "one for all": whole([[1]]),
    }
    mask = (masks(total) | more)[kind]
    arrays = [*PROJECTED, mask, values(2, N, HEADS, PAST, WIDTH // HEADS) if cache else None]
    options = {"num_heads": HEADS, "unidirectional": unidirectional, "mask_filter_value": -30.0}
    contrib("Attention", arrays, 2 if cache else 1, **options)


@pytest.mark.parametrize("shape", [(N, HEADS), (1, HEADS), (N, 1), (1, 1)])
def test_attention_with_a_bias(shape):
    arrays = [*PROJECTED, whole([4, 2]), None, values(*shape, L, L)]
    contrib("Attention", arrays, num_heads=HEADS, scale=0.7)


def test_attention_with_wider_values():
    arrays = [PROJECTED[0], values(WIDTH, 28) * 0.3, values(28), whole([4, 2])]
    contrib("Attention", arrays, num_heads=HEADS, qkv_hidden_sizes=[8, 8, 12])


@pytest.mark.parametrize("cache", [False, True])
def test_keys_and_values_of_attention(cache):
    past = values(2, N, HEADS, PAST, WIDTH // HEADS)
    arrays = [*PROJECTED, None, *([past] if cache else [])]
    contrib("Attention", arrays, 2, of="o1", num_heads=HEADS)


def test_attention_without_a_bias():
    # ONNX Runtime's CPU kernel needs one: one of zeros is the oracle.
    zeros = np.zeros(3 * WIDTH, np.float32)
    kernel = session(
        node_model("Attention", [*PROJECTED[:2], zeros], domain="com.microsoft", num_heads=HEADS)
    )

    def oracle(x, weights):
        return kernel.run(None, {"i0": x, "i1": weights, "i2": zeros})[0]

    contrib("Attention", PROJECTED[:2], oracle=oracle, num_heads=HEADS)


# What is open, and what is refused ---------------------------------------------------------------


def opened(proto, names):
    """The same model with names for sizes."""
    for value in proto.graph.input:
        for dim, name in zip(
            value.type.tensor_type.shape.dim, names.get(value.name, ()), strict=False
        ):
            if name:
                dim.dim_param = name
    return proto


@pytest.mark.parametrize("unidirectional", [0, 1])
@pytest.mark.parametrize("kind", ["lengths", "keys", "queries"])
def test_open_sizes(kind, unidirectional):
    arrays = [*SEPARATE, masks(TOTAL)[kind], values(1, 1, L, TOTAL), *CACHE]
    options = {"num_heads": HEADS, "unidirectional": unidirectional}
    proto = node_model("MultiHeadAttention", arrays, domain="com.microsoft", **options)
    sizes = {"lengths": "N", "keys": ("N", "total"), "queries": ("N", "L", "total")}
    names = {f"i{i}": ("N", name) for i, name in enumerate(("L", "keys", "keys"))}
    names |= {"i6": ("N", "", "past"), "i7": ("N", "", "past"), "i5": ("", "", "L", "total")}
    feeds = {f"i{i}": a for i, a in enumerate(arrays)}
    known = osc.differentiate(proto, of="o0", wrt=["i0", "i2", "i6"])
    open_one = osc.differentiate(
        opened(proto, names | {"i4": sizes[kind]}), of="o0", wrt=["i0", "i2", "i6"]
    )
    feeds["grad_o0"] = values(N, L, WIDTH)
    expected = session(known).run(None, feeds)
    for ours, other in zip(session(open_one).run(None, feeds), expected, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)


def test_lengths_and_starts_are_told_apart_by_numbers():
    proto = node_model(
        "Attention", [*PROJECTED, whole([4, 3, 1, 0])], domain="com.microsoft", num_heads=HEADS
    )
    opened(proto, {"i0": ("N",), "i3": ("twice",)})
    with pytest.raises(OperatorError, match=r"a mask of twice numbers for N sequences"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


REFUSED = {
    "rotates queries and keys": ("Attention", PROJECTED, {"do_rotary": 1}),
    "past_present_share_buffer=1": ("Attention", PROJECTED, {"past_present_share_buffer": 1}),
    "a mask of 4 axes": ("Attention", [*PROJECTED, np.ones((N, 1, L, L), np.int32)], {}),
    "a past_sequence_length": (
        "MultiHeadAttention", [*SEPARATE, None, None, *CACHE, whole([2])], {}),
    "a cache_indirection": (
        "MultiHeadAttention", [*SEPARATE, None, None, *CACHE, None, whole([[[0]]])], {}),
    "only one of past_key and past_value": (
        "MultiHeadAttention", [*SEPARATE, None, None, CACHE[0]], {}),
    r"3, none, none axes": ("MultiHeadAttention", [values(N, L, 3 * WIDTH)], {}),
}  # fmt: skip


@pytest.mark.parametrize("reason", list(REFUSED))
def test_what_attention_cannot_do_is_said(reason):
    op_type, arrays, options = REFUSED[reason]
    proto = node_model(op_type, arrays, domain="com.microsoft", num_heads=HEADS, **options)
    with pytest.raises(OperatorError, match=rf"{op_type} \(node 'o0'\) .*{reason}"):
        osc.differentiate(proto, of="o0", wrt=["i0"])
