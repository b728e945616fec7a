"""ONNX Runtime's Attention and MultiHeadAttention (com.microsoft), with masks and caches.

A key that a mask hides is no less there than others: a large negative number is added to its score.
So in ONNX Runtime, and here, a row whose every key is hidden is one whose keys all are seen. What
comes later in a sequence is really hidden. Sources: the operator documentation of ONNX Runtime,
"ContribOperators"; the details from its CPU kernels' results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...errors import OperatorError
from ...graph.tensor import Size, Tensor
from ..heads import (
    hide,
    joined_heads,
    keys_from,
    keys_up_to,
    scaled_products,
    seen_by_place,
    split_heads,
)
from ..table import Call, Expansion


@dataclass(frozen=True)
class _Parts:
    """Queries, keys and values (N, heads, L, D), the keys and values from before included.

    Attributes:
        query: What asks.
        key: What is asked.
        value: What is mixed.
        before: How many keys there are from before.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    before: Size = 0

    def behind(self, past_key: Tensor, past_value: Tensor) -> _Parts:
        """With keys and values from before."""
        op = self.query.op
        key = op.Concat(past_key, self.key, axis=2)
        value = op.Concat(past_value, self.value, axis=2)
        return _Parts(self.query, key, value, past_key.sizes[2])


def _multi_head_attention(call: Call) -> Sequence[Tensor | None]:
    _refuse(call, 8, "a past_sequence_length", "its past and present caches share their memory")
    _refuse(call, 9, "a cache_indirection", "it follows the beams of a beam search")
    parts = _separated(call)
    past_key, past_value = call.input(6), call.input(7)
    if (past_key is None) != (past_value is None):
        raise OperatorError(f"{call.where} has only one of past_key and past_value")
    if past_key is not None and past_value is not None:
        if _rank_of(call, 1) == 4:
            raise OperatorError(f"{call.where} has past keys and keys that are cached themselves")
        parts = parts.behind(past_key, past_value)
    mixed, scores = _attended(call, parts, _visible(call, parts, call.input(4)), call.input(5))
    return [mixed, parts.key, parts.value, scores][: len(call.node.outputs)]


def _separated(call: Call) -> _Parts:
    """Queries, keys and values from any of the layouts of MultiHeadAttention."""
    query, key, value, bias = call.required(0), call.input(1), call.input(2), call.input(3)
    heads = call.integer("num_heads")
    if key is None and query.rank == 5 and value is None:
        # (N, L, heads, 3, D)
        parts = [query[:, :, :, index].transpose(0, 2, 1, 3) for index in range(3)]
    elif key is not None and query.rank == 3 and key.rank == 5 and value is None:
        # (N, L', heads, 2, D)
        if bias is not None:
            raise OperatorError(f"{call.where} has packed keys and values and a bias")
        packed = [key[:, :, :, index].transpose(0, 2, 1, 3) for index in range(2)]
        parts = [split_heads(query, heads), *packed]
    elif key is not None and value is not None and query.rank == 3 and key.rank == value.rank:
        if key.rank not in (3, 4):
            raise OperatorError(f"{call.where} has keys of {key.rank} axes, not 3, 4 or 5")
        pair = [key, value] if key.rank == 4 else [split_heads(x, heads) for x in (key, value)]
        parts = [split_heads(query, heads), *pair]
    else:
        ranks = ", ".join("none" if x is None else str(x.rank) for x in (query, key, value))
        raise OperatorError(
            f"{call.where} has a query, a key and a value of {ranks} axes; separate ones have "
            "(3, 3, 3) or (3, 4, 4), packed ones (5, none, none) or (3, 5, none)"
        )
    if bias is not None:
        # Keys and values of four axes are cached ones, whose bias has been added.
        cached = key is not None and key.rank == 4
        parts = _biased(parts[:1], bias) + parts[1:] if cached else _biased(parts, bias)
    return _Parts(*parts)


def _biased(parts: Sequence[Tensor], bias: Tensor) -> list[Tensor]:
    """A bias for each column of (N, L, heads · D), added to (N, heads, L, D)."""
    sums, first = [], 0
    for x in parts:
        heads, depth = x.number(1), x.number(3)
        last = first + heads * depth
        sums.append(x + bias[first:last].reshape(heads, 1, depth))
        first = last
    return sums


def _attention(call: Call) -> Sequence[Tensor | None]:
    """One product for queries, keys and values."""
    attributes = call.node.attributes
    if attributes.get_int("do_rotary", 0):
        raise OperatorError(
            f"{call.where} rotates queries and keys itself (do_rotary=1), which ONNX Runtime's CPU "
            "provider does not run; fuse the model with MultiHeadAttention and RotaryEmbedding"
        )
    shared = "its past and present caches share their memory"
    if attributes.get_int("past_present_share_buffer", 0):
        raise OperatorError(f"{call.where} has past_present_share_buffer=1: {shared}")
    x, weights, bias, past = call.required(0), call.required(1), call.input(2), call.input(4)
    projected = x @ weights
    projected = projected if bias is None else projected + bias
    query, key, value = attributes.get_ints("qkv_hidden_sizes", None) or (
        [weights.number(-1) // 3] * 3
    )
    heads = call.integer("num_heads")
    ends = (0, query, query + key, query + key + value)
    parts = _Parts(*(split_heads(projected[..., a:b], heads) for a, b in pairwise(ends)))
    if past is not None:
        parts = parts.behind(past[0], past[1])
    mixed, _ = _attended(call, parts, _visible(call, parts, call.input(3)), call.input(5))
    outputs = [mixed]
    if len(call.node.outputs) > 1 and call.node.outputs[1].name:
        if key != value:
            raise OperatorError(
                f"{call.where} gives keys of {key} and values of {value} columns as one tensor"
            )
        pair = [x.op.Unsqueeze(y, x.op.constant([0], np.int64)) for y in (parts.key, parts.value)]
        outputs.append(x.op.Concat(*pair, axis=0))
    return [*outputs, None][: len(call.node.outputs)]


def _attended(
    call: Call, parts: _Parts, visible: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What comes out, (N, L, heads · D), and the scores in front of the softmax."""
    op, attributes = call.op, call.node.attributes
    scores = scaled_products(parts.query, parts.key, attributes.get_float("scale", 0.0))
    if visible is not None:
        filtered = attributes.get_float("mask_filter_value", -10000.0)
        zero, low = (op.constant(number, scores.dtype) for number in (0.0, filtered))
        padding = op.Where(visible, zero, low)
        bias = padding if bias is None else bias + padding
    if bias is not None:
        scores = scores + bias
    if attributes.get_int("unidirectional", 0):
        scores = hide(scores, seen_by_place(parts.query, parts.key, parts.before))
    return joined_heads(op.Softmax(scores, axis=-1) @ parts.value), scores


def _visible(call: Call, parts: _Parts, mask: Tensor | None) -> Tensor | None:
    """Which keys a mask shows, broadcast to (N, heads, L, L'); `None` for all.

    A mask has the lengths of the sequences, N (or 3N + 2, which begin with them); their ends and
    then their starts, 2N; or what is greater than 0 for keys that are shown, (N, L') or (N, L, L').
    """
    if mask is None:
        return None
    batch, first = parts.query.dims[0], mask.dims[0]
    if mask.rank == 1:
        if first == batch:
            return keys_up_to(parts.key, mask)
        if call.node.op_type == "MultiHeadAttention":
            return keys_up_to(parts.key, mask[: parts.query.sizes[0]])
        if not (isinstance(batch, int) and isinstance(first, int)):
            raise OperatorError(
                f"{call.where} has a mask of {first} numbers for {batch} sequences, which are "
                f"lengths, or ends and starts{call.shapes_to_give}"
            )
        shown = keys_up_to(parts.key, mask[:batch])
        if first == 2 * batch:
            return call.op.And(shown, keys_from(parts.key, mask[batch:]))
        return shown
    if mask.rank > 3:
        raise OperatorError(
            f"{call.where} has a mask of {mask.rank} axes, which ONNX Runtime's CPU provider does "
            "not run; masks have 1, 2 or 3 axes"
        )
    if mask.rank == 2 and mask.dims[1] == 1:
        # The same for all keys, which changes nothing.
        return None
    axes = [1, 2] if mask.rank == 2 else [1]
    return call.op.Unsqueeze(mask, call.op.constant(axes, np.int64)).greater(0)


def _rank_of(call: Call, index: int) -> int:
    tensor = call.input(index)
    return 0 if tensor is None else tensor.rank


def _refuse(call: Call, index: int, what: str, reason: str) -> None:
    if call.input(index) is not None:
        raise OperatorError(f"{call.where} has {what}, which is not supported: {reason}")


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "Attention"): _attention,
    ("com.microsoft", "MultiHeadAttention"): _multi_head_attention,
}
