"""ONNX's Attention in matrix products and a softmax.

Its own function body adds minus infinity where a key is hidden, and mends the NaN of rows that see
nothing afterwards; the gradient of such a body is NaN. Here hidden keys get a score so low that the
softmax gives exactly zero, and rows that see nothing are multiplied by zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..graph.tensor import Size, Tensor
from ..graph.words import count_up
from .heads import joined_heads, split_heads
from .table import Call, Expansion


@dataclass(frozen=True)
class _Scores:
    """Scores (N, heads, L, L') at the stages that a node may show.

    Attributes:
        raw: Scaled products of queries and keys.
        capped: Behind the soft cap.
        masked: With everything added; finite.
        seen: Truth values, which keys a query sees, broadcast; `None` for all.
        alive: 1 for rows that see a key and 0 for others; `None` where all do.
    """

    raw: Tensor
    capped: Tensor
    masked: Tensor
    seen: Tensor | None
    alive: Tensor | None


def _attention(call: Call) -> Sequence[Tensor | None]:
    attributes = call.node.attributes
    query, key, value = (call.required(index) for index in range(3))
    packed = query.rank == 3
    if packed:
        heads = attributes.get_int("q_num_heads", 0)
        others = attributes.get_int("kv_num_heads", 0)
        query = split_heads(query, heads)
        key, value = split_heads(key, others), split_heads(value, others)
    past_key, past_value = call.input(4), call.input(5)
    before: Size = 0
    if past_key is not None and past_value is not None:
        before = past_key.sizes[2]
        key = call.op.Concat(past_key, key, axis=2)
        value = call.op.Concat(past_value, value, axis=2)
    scores = _scores(call, query, _repeated(key, query), before)
    weights = _softmax(call, scores)
    mixed = weights @ _repeated(value, query)
    shown = (scores.raw, scores.capped, _with_infinities(call, scores), weights)
    mode = attributes.get_int("qk_matmul_output_mode", 0)
    outputs = [joined_heads(mixed) if packed else mixed, key, value, shown[mode]]
    return outputs[: len(call.node.outputs)]


def _repeated(x: Tensor, query: Tensor) -> Tensor:
    """Keys or values (N, heads, L', D) once for each head of the queries that shares them."""
    heads, wanted = x.number(1), query.number(1)
    if heads == wanted:
        return x
    batch, _, length, depth = x.sizes
    spread = x.reshape(batch, heads, 1, length, depth)
    sizes = x.op.vector([batch, heads, wanted // heads, length, depth])
    return x.op.Expand(spread, sizes).reshape(batch, wanted, length, depth)


def _scores(call: Call, query: Tensor, key: Tensor, before: Size) -> _Scores:
    op, attributes = call.op, call.node.attributes
    scale = attributes.get_float("scale", 0.0) or 1 / math.sqrt(query.number(-1))
    # Both sides get their share of the scale, so that no product overflows in float16.
    root = math.sqrt(scale)
    raw = (query * root) @ (key * root).transpose(0, 1, 3, 2)
    cap = attributes.get_float("softcap", 0.0)
    capped = op.Tanh(raw / cap) * cap if cap else raw
    lowest = float(np.finfo(np.float16 if raw.dtype == np.float16 else np.float32).min) / 4
    mask = call.input(3)
    seen = _visible(call, query.sizes[2], key.sizes[2], before)
    masked = capped
    if mask is not None:
        mask = _lengthened(call, mask, key.sizes[2])
        if mask.dtype == np.bool_:
            seen = mask if seen is None else op.And(seen, mask)
        else:
            masked = masked + op.Max(mask, op.constant(lowest, mask.dtype))
    if seen is not None:
        masked = op.Where(seen, masked, op.constant(lowest, masked.dtype))
    lengths, past = call.input(6), call.input(4)
    if mask is None and (seen is None or (lengths is None and past is None)):
        # Without a cache every query sees the key at its own place, if there are as many.
        return _Scores(raw, capped, masked, seen, None)
    highest = op.ReduceMax(masked, op.constant([-1], np.int64), keepdims=1)
    alive = highest.greater(lowest / 2).astype(masked.dtype)
    return _Scores(raw, capped, masked, seen, alive)


def _softmax(call: Call, scores: _Scores) -> Tensor:
    code = call.node.attributes.get_int("softmax_precision", 0)
    masked = scores.masked
    wide = masked.astype(ir.DataType(code).numpy()) if code else masked
    weights = call.op.Softmax(wide, axis=-1).astype(masked.dtype)
    return weights if scores.alive is None else weights * scores.alive


def _visible(call: Call, queries: Size, keys: Size, before: Size) -> Tensor | None:
    """Which keys a query may see by its place: (L, L'), or (N, 1, L, L') with lengths given."""
    op, attributes = call.op, call.node.attributes
    left = attributes.get_int("left_window_size", -1)
    right = attributes.get_int("right_window_size", -1)
    if attributes.get_int("is_causal", 0):
        right = 0 if right < 0 else min(right, 0)
    lengths = call.input(6)
    if left < 0 and right < 0 and lengths is None:
        return None
    row = op.Unsqueeze(count_up(call.op, queries), op.constant([1], np.int64))
    column = count_up(call.op, keys)
    conditions: list[Tensor] = []
    place = row + before
    if lengths is not None:
        ends = lengths.astype(np.dtype(np.int64)).reshape(-1, 1, 1, 1)
        conditions.append(op.Less(column, ends))
        if call.input(4) is None:
            place = row + (ends - queries)
    if right >= 0:
        conditions.append(op.LessOrEqual(column, place + right))
    if left >= 0:
        conditions.append(op.GreaterOrEqual(column, place - left))
    seen = conditions[0]
    for condition in conditions[1:]:
        seen = op.And(seen, condition)
    return seen


def _lengthened(call: Call, mask: Tensor, keys: Size) -> Tensor:
    """A mask that ends early hides the keys behind its end."""
    if mask.sizes[-1] == keys or mask.dims[-1] == 1 or not isinstance(keys, int):
        return mask
    behind = keys - mask.number(-1)
    if behind <= 0:
        return mask
    pads = [0] * mask.rank + [0] * (mask.rank - 1) + [behind]
    if mask.dtype == np.bool_:
        whole = call.op.Pad(mask.astype(np.dtype(np.int32)), call.op.constant(pads, np.int64))
        return whole.astype(mask.dtype)
    hidden = call.op.constant(np.finfo(np.float16).min, mask.dtype)
    return call.op.Pad(mask, call.op.constant(pads, np.int64), hidden)


def _with_infinities(call: Call, scores: _Scores) -> Tensor:
    """The masked scores as ONNX shows them."""
    if scores.seen is None:
        return scores.masked
    return call.op.Where(scores.seen, scores.masked, call.op.constant(-np.inf, scores.masked.dtype))


EXPANSIONS: dict[tuple[str, str], Expansion] = {("", "Attention"): _attention}
