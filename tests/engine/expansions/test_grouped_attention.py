"""GroupQueryAttention and RotaryEmbedding: equal to ONNX Runtime's kernels, and differentiable."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import onnxscope as osc
import pytest
from drawing import generator
from expansion_checks import check, node_model
from graphs import operators, session
from onnxscope.errors import OperatorError

pytestmark = pytest.mark.skipif(
    tuple(int(part) for part in ort.__version__.split(".")[:2]) < (1, 31),
    reason="earlier kernels of GroupQueryAttention hide other keys, or lack inputs",
)

RNG = generator(13)

N, L, HEADS, SHARED, DEPTH, PAST = 2, 5, 4, 2, 16, 6


def values(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def whole(numbers) -> np.ndarray:
    return np.array(numbers, np.int32)


ANGLES = [np.cos(values(20, DEPTH // 2)), np.sin(values(20, DEPTH // 2))]

# RotaryEmbedding ---------------------------------------------------------------------------------

SMALL = [angles[:, :4] for angles in ANGLES]
POSITIONS = RNG.integers(0, 20, (N, L))


@pytest.mark.sample(6)
@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("positions", [POSITIONS, np.array([3]), np.array(3)])
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((N, 3, L, 8), {}),
        ((N, L, 24), {}),
        ((N, L, 24), {"num_heads": 3}),
        ((N, L, 48), {"num_heads": 3, "rotary_embedding_dim": 8}),
        ((N, 3, L, 16), {"num_heads": 3, "rotary_embedding_dim": 8}),
        ((N, 3, L, 8), {"scale": 0.5}),
    ],
)
def test_rotary_embedding(shape, options, positions, interleaved):
    arrays = [values(*shape), positions, *SMALL]
    options = options | {"domain": "com.microsoft", "interleaved": interleaved}
    check("RotaryEmbedding", arrays, **options)


def test_part_of_a_head_is_turned_of_known_heads_only():
    arrays = [values(N, L, 48), POSITIONS, *SMALL]
    proto = node_model("RotaryEmbedding", arrays, domain="com.microsoft", rotary_embedding_dim=8)
    with pytest.raises(OperatorError, match="a rotary_embedding_dim and no num_heads"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


# GroupQueryAttention -----------------------------------------------------------------------------

NEW = [values(N, L, HEADS * DEPTH), values(N, L, SHARED * DEPTH), values(N, L, SHARED * DEPTH)]
STEP = [x[:, :1] for x in NEW]
MORE = [x[:1] for x in NEW]
CACHE = [values(N, SHARED, PAST, DEPTH) for _ in range(2)]
ROOM = [values(1, SHARED, 12, DEPTH) for _ in range(2)]

PROMPT = [*NEW, None, None, whole([L - 1] * N), whole(L)]
SHORT = [*NEW, None, None, whole([L - 1, 2]), whole(L)]
NEXT = [*STEP, *CACHE, whole([PAST, 3]), whole(PAST + 1)]
LATER = [*MORE, *(x[:1] for x in CACHE), whole([PAST + L - 1]), whole(PAST + L)]

CASES = {
    "a prompt": (PROMPT, {}),
    "its length as a vector": ([*PROMPT[:6], whole([L])], {}),
    "packed": ([np.concatenate(NEW, axis=-1), *[None] * 4, *PROMPT[5:]], {}),
    "short sequences": (SHORT, {}),
    "one that ends before a window": ([*SHORT[:5], whole([L - 1, 0]), whole(L)],
                                      {"local_window_size": 2}),
    "a window": (PROMPT, {"local_window_size": 2}),
    "all see all": (PROMPT, {"causal": 0}),
    "all see all of short sequences": (SHORT, {"causal": 0}),
    "a scale and a cap": (PROMPT, {"scale": 0.2, "softcap": 2.0}),
    "a bias": ([*PROMPT, *[None] * 3, values(1, HEADS, L, L)], {"softcap": 2.0}),
    "a bias for all heads": ([*SHORT, *[None] * 3, values(N, 1, L, L)], {}),
    "a smooth softmax": (PROMPT, {"smooth_softmax": 1}),
    "a sink": ([*SHORT, *[None] * 4, values(HEADS)], {}),
    "a sink and a window": ([*PROMPT, *[None] * 4, values(HEADS)], {"local_window_size": 2}),
    "a cache that a prompt passes by": ([*NEW, *CACHE, *SHORT[5:]], {}),
    "a step": (NEXT, {}),
    "a step in a larger cache": ([*STEP, *CACHE, whole([4, 2]), whole(5)], {}),
    "a step with a bias": ([*NEXT, *[None] * 3, values(N, 1, 1, PAST + 1)],
                           {"local_window_size": 3}),
    "several tokens": (LATER, {"local_window_size": 4}),
    "several tokens in a larger cache": ([*MORE, *ROOM, whole([7]), whole(8)], {}),
}  # fmt: skip


def group_query(arrays, outputs=3, **options):
    options = {"num_heads": HEADS, "kv_num_heads": SHARED} | options
    return check("GroupQueryAttention", arrays, outputs, domain="com.microsoft", **options)


@pytest.mark.sample(8)
@pytest.mark.parametrize("of", ["o0", "o1", "o2"])
@pytest.mark.parametrize("case", list(CASES))
def test_group_query_attention(case, of):
    arrays, options = CASES[case]
    group_query(arrays, of=of, **options)


ROTATED = {
    "a prompt": (PROMPT, None),
    "short sequences": (SHORT, None),
    "a prompt with positions": (PROMPT, RNG.integers(0, 9, (N, L))),
    "a step": (NEXT, None),
    "a step with positions": (NEXT, np.array([[2], [9]])),
    "several tokens": (LATER, None),
    "several tokens with positions": (LATER, np.array([[3, 1, 4, 1, 5]])),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("case", list(ROTATED))
def test_rotated_queries_and_keys(case, interleaved):
    arrays, positions = ROTATED[case]
    options = {"do_rotary": 1, "rotary_interleaved": interleaved}
    group_query([*arrays, *ANGLES, positions], **options)


@pytest.mark.parametrize("arrays", [NEXT, LATER, [*NEW, *CACHE, *SHORT[5:]]])
def test_a_total_length_that_is_known(arrays):
    graph = group_query(arrays, constants=("i6",))
    assert "Range" not in operators(graph)


@pytest.mark.slow
def test_open_sizes():
    arrays = [*NEXT, *ANGLES]
    options = {"num_heads": HEADS, "kv_num_heads": SHARED, "do_rotary": 1}
    proto = node_model("GroupQueryAttention", arrays, 3, domain="com.microsoft", **options)
    names = {"i0": ("N", "L"), "i1": ("N", "L"), "i2": ("N", "L"), "i3": ("N", "", "past")}
    names |= {"i4": ("N", "", "past"), "i5": ("N",)}
    for value in proto.graph.input:
        dims = value.type.tensor_type.shape.dim
        for dim, name in zip(dims, names.get(value.name, ()), strict=False):
            if name:
                dim.dim_param = name
    graph = session(osc.differentiate(proto, of="o0", wrt=["i0", "i2", "i4"]))
    empty = [x[:, :, :0] for x in CACHE]
    for given in (NEXT, [*NEW, *empty, *SHORT[5:]], LATER):
        feeds = {f"i{i}": a for i, a in enumerate([*given, *ANGLES])}
        feeds["grad_o0"] = values(*given[0].shape)
        known = node_model(
            "GroupQueryAttention", [*given, *ANGLES], 3, domain="com.microsoft", **options
        )
        expected = session(osc.differentiate(known, of="o0", wrt=["i0", "i2", "i4"]))
        for ours, other in zip(graph.run(None, feeds), expected.run(None, feeds), strict=True):
            np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)


REFUSED = {
    "a quantised cache": ([*NEXT, *[None] * 5, values(1), values(1)], {}),
    "q_norm_weight and k_norm_weight": ([*PROMPT, *[None] * 7, values(DEPTH), values(DEPTH)], {}),
    "sliding_window_cache=1": (NEXT, {"sliding_window_cache": 1}),
    "qk_output": (PROMPT, {"qk_output": 1}),
    "only one of past_key and past_value": ([*STEP, CACHE[0], None, *NEXT[5:]], {}),
}


@pytest.mark.parametrize("reason", list(REFUSED))
def test_what_group_query_attention_cannot_do_is_said(reason):
    arrays, options = REFUSED[reason]
    options = {"num_heads": HEADS, "kv_num_heads": SHARED} | options
    proto = node_model("GroupQueryAttention", arrays, domain="com.microsoft", **options)
    with pytest.raises(OperatorError, match=rf"GroupQueryAttention \(node 'o0'\) has {reason}"):
        osc.differentiate(proto, of="o0", wrt=["i0"])
