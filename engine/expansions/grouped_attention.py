"""ONNX Runtime's GroupQueryAttention (com.microsoft): several heads of queries share one of keys.

New keys and values go into a cache behind those that each sequence has there already; how many
these are, and how large the cache is, are values that are only known at run time. So the cache is
gathered: from what was in it and what is new. Sources: the operator documentation of ONNX Runtime,
"ContribOperators"; the details from its CPU kernel's results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OperatorError
from ..graph.tensor import Size, Tensor
from ..graph.words import count_up
from .heads import hide, joined_heads, repeated_heads, scaled_products, split_heads
from .rotary import rotated
from .table import Call, Expansion

_WHOLE = np.dtype(np.int64)


@dataclass(frozen=True)
class _Places:
    """Where the tokens of each sequence are.

    Attributes:
        before: How many tokens are in the cache before the new ones, (N, 1).
        first: Whether this is the first prompt, a truth value; `None` where it is known to be.
        queries: Positions of the new tokens, (N, L).
        cached: Positions in the cache, (T).
        total: How many tokens there are then, (N, 1).
    """

    before: Tensor
    first: Tensor | None
    queries: Tensor
    cached: Tensor
    total: Tensor


def _group_query_attention(call: Call) -> Sequence[Tensor | None]:
    _check(call)
    op, attributes = call.op, call.node.attributes
    query, key, value = _separated(call)
    past = (call.input(3), call.input(4))
    places = _places(call, query, past[0])
    if attributes.get_int("do_rotary", 0):
        angles = (call.required(7), call.required(8))
        positions = _positions(call, query, places)
        paired = attributes.get_int("rotary_interleaved", 0) == 1
        query, key = (rotated(x, positions, angles, paired) for x in (query, key))
    keys, values = (
        new if old is None else _cached(old, new, places)
        for old, new in zip(past, (key, value), strict=True)
    )
    times = call.integer("num_heads") // call.integer("kv_num_heads")
    scores = scaled_products(query, repeated_heads(keys, times), attributes.get_float("scale", 0.0))
    cap = attributes.get_float("softcap", 0.0)
    scores = op.Tanh(scores / cap) * cap if cap else scores
    bias = call.input(10)
    scores = scores if bias is None else scores + bias
    seen = _seen(call, places)
    weights = _softmax(call, hide(scores, seen))
    if attributes.get_int("local_window_size", -1) > 0:
        # Behind the end of a short sequence a window may show nothing, and gives zeros.
        weights = weights * seen.astype(weights.dtype)
    mixed = weights @ repeated_heads(values, times)
    return [joined_heads(mixed), keys, values][: len(call.node.outputs)]


def _check(call: Call) -> None:
    """Refuse what ONNX Runtime's CPU kernel does not run, and caches that are no floats.

    Raises:
        OperatorError: the node asks for such a thing.
    """
    attributes = call.node.attributes
    reason = ""
    if any(call.input(index) is not None for index in (12, 13)):
        reason = "a quantised cache, which has no gradient"
    elif any(call.input(index) is not None for index in (14, 15)):
        reason = "q_norm_weight and k_norm_weight, which ONNX Runtime's CPU provider does not run"
    elif attributes.get_int("sliding_window_cache", 0):
        reason = "sliding_window_cache=1, a cache that drops tokens"
    elif attributes.get_int("qk_output", 0):
        reason = "qk_output: scores as an output"
    elif (call.input(3) is None) != (call.input(4) is None):
        reason = "only one of past_key and past_value"
    if reason:
        raise OperatorError(f"{call.where} has {reason}; this is not supported")


def _separated(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (N, heads, L, D)."""
    heads, shared = (call.integer(name) for name in ("num_heads", "kv_num_heads"))
    query, key, value = call.required(0), call.input(1), call.input(2)
    if key is not None and value is not None:
        return split_heads(query, heads), split_heads(key, shared), split_heads(value, shared)
    packed = split_heads(query, heads + 2 * shared)
    ends = (0, heads, heads + shared, heads + 2 * shared)
    first, second, third = (packed[:, ends[i] : ends[i + 1]] for i in range(3))
    return first, second, third


def _places(call: Call, query: Tensor, past: Tensor | None) -> _Places:
    op = call.op
    batch, _, length, _ = query.sizes
    total = call.builder.named(call.required(5).astype(_WHOLE).reshape(-1, 1), [batch, 1]) + 1
    longest = call.required(6)
    known = longest.array
    size: Size = length
    before, first = total * 0, None
    if past is not None:
        if known is not None:
            longest = op.constant(known.reshape(1), _WHOLE)
        longest = longest.astype(_WHOLE).reshape(1)
        if known is not None and isinstance(past.dims[2], int):
            size = max(int(known.reshape(())), past.dims[2])
        else:
            size = op.Max(longest, op.vector([past.sizes[2]]))
        # A first prompt passes by what is in the cache.
        first = op.Equal(longest, op.vector([length]))
        before = op.Where(first, before, total - length)
    queries = before + count_up(op, length)
    return _Places(before, first, queries, count_up(op, size), total)


def _positions(call: Call, query: Tensor, places: _Places) -> Tensor:
    """By which the new tokens are rotated, (N, L) or, where all are alike, (L)."""
    op, given = call.op, call.input(9)
    if given is None:
        return places.queries
    # Of a first prompt only the first position is read, for all sequences.
    start = given[:1, :1] + count_up(op, query.sizes[2])
    if places.first is None:
        return start.reshape(-1)
    return op.Where(places.first, start, given)


def _cached(old: Tensor, new: Tensor, places: _Places) -> Tensor:
    """The cache with the new tokens in it, (N, heads, T, D); zeros behind them."""
    op = new.op
    batch, heads, length, depth = new.sizes
    place = places.cached - places.before
    last = op.vector([length]) - 1
    behind = op.Min(op.Max(place, op.constant([0], np.int64)), last) + op.vector([old.sizes[2]])
    index = op.Where(op.Less(place, op.constant([0], np.int64)), places.cached, behind)
    apart = op.constant([1, 3], np.int64)
    spread = op.Expand(op.Unsqueeze(index, apart), op.vector([batch, heads, 1, depth]))
    # Said here, for what follows need not find out when it runs.
    new.builder.named(spread, [batch, heads, *places.cached.sizes, depth])
    gathered = op.GatherElements(op.Concat(old, new, axis=2), spread, axis=2)
    filled = op.Unsqueeze(op.LessOrEqual(place, last), apart)
    return op.Where(filled, gathered, op.constant(0, new.dtype))


def _seen(call: Call, places: _Places) -> Tensor:
    """Which keys a query sees, (N, 1, L, T)."""
    op, attributes = call.op, call.node.attributes
    window = attributes.get_int("local_window_size", -1)
    seen = op.Less(places.cached, places.total.reshape(-1, 1, 1, 1))
    if attributes.get_int("causal", 1) == 0:
        return seen
    place = op.Unsqueeze(places.queries, op.constant([1, 3], np.int64))
    seen = op.And(seen, op.LessOrEqual(places.cached, place))
    if window <= 0:
        return seen
    return op.And(seen, op.Greater(places.cached, place - window))


def _softmax(call: Call, scores: Tensor) -> Tensor:
    """Weights of the keys; part of them goes to a sink that has no value, where there is one."""
    op, sink = call.op, call.input(11)
    if sink is None and call.node.attributes.get_int("smooth_softmax", 0) == 1:
        sink = op.constant([0], scores.dtype)
    if sink is None:
        return op.Softmax(scores, axis=-1)
    batch, heads, length, keys = scores.sizes
    column = op.Expand(sink.reshape(1, -1, 1, 1), op.vector([batch, heads, length, 1]))
    weights = op.Softmax(op.Concat(scores, column.astype(scores.dtype), axis=3), axis=-1)
    return weights[..., :keys]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "GroupQueryAttention"): _group_query_attention
}
