"""Scaled dot-product attention of several heads in standard operators."""

from __future__ import annotations

import math

import numpy as np

from ..graph.tensor import Size, Tensor
from ..graph.words import count_up


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return (N, L, heads · D) as (N, heads, L, D)."""
    batch, length, width = x.sizes
    depth = width // heads if isinstance(width, int) else -1
    return x.reshape(batch, length, heads, depth).transpose(0, 2, 1, 3)


def joined_heads(x: Tensor) -> Tensor:
    """Return (N, heads, L, D) as (N, L, heads · D)."""
    batch, heads, length, depth = x.sizes
    return x.transpose(0, 2, 1, 3).reshape(batch, length, heads * depth)


def repeated_heads(x: Tensor, times: int) -> Tensor:
    """Repeat keys or values (N, heads, L, D) once for each head of the queries that shares them."""
    if times == 1:
        return x
    batch, heads, length, depth = x.sizes
    spread = x.reshape(batch, heads, 1, length, depth)
    sizes = x.op.vector([batch, heads, times, length, depth])
    return x.op.Expand(spread, sizes).reshape(batch, heads * times, length, depth)


def scaled_products(query: Tensor, key: Tensor, scale: float = 0.0) -> Tensor:
    """Append queries · keysᵀ · scale: (N, heads, L, L') of (N, heads, L, D) and (N, heads, L', D).

    Args:
        query: What asks.
        key: What is asked.
        scale: Of the products; 0 for 1/√D.
    """
    factor = scale or 1 / math.sqrt(query.number(-1))
    return (query * factor) @ key.transpose(0, 1, 3, 2)


def hide(scores: Tensor, seen: Tensor | None) -> Tensor:
    """Return the lowest number instead of scores that are not seen: exactly zero behind a softmax.

    Minus infinity would do as well, but for a row that sees nothing, whose gradient is NaN then.
    """
    if seen is None:
        return scores
    lowest = float(np.finfo(np.float16 if scores.dtype == np.float16 else np.float32).min)
    return scores.op.Where(seen, scores, scores.op.constant(lowest, scores.dtype))


def keys_up_to(key: Tensor, ends: Tensor) -> Tensor:
    """Return which keys of (N, heads, L', D) lie before their sequence's end: (N, 1, 1, L').

    Args:
        key: What is asked.
        ends: How many keys each sequence has, N integers.
    """
    column = count_up(key.op, key.sizes[2])
    return key.op.Less(column, ends.astype(np.dtype(np.int64)).reshape(-1, 1, 1, 1))


def keys_from(key: Tensor, starts: Tensor) -> Tensor:
    """Mark the keys of (N, heads, L', D) at or behind their sequence's start: (N, 1, 1, L')."""
    column = count_up(key.op, key.sizes[2])
    return key.op.GreaterOrEqual(column, starts.astype(np.dtype(np.int64)).reshape(-1, 1, 1, 1))


def seen_by_place(query: Tensor, key: Tensor, before: Size) -> Tensor | None:
    """Return which keys (L, L') a token sees that looks at itself and at what is before it.

    As ONNX Runtime's kernels have it, the last query sees all keys; that makes a difference only
    where there are more keys than queries and keys before them. `None`: all keys are seen.

    Args:
        query: (N, heads, L, D).
        key: (N, heads, L', D).
        before: How many keys there are from before the queries.
    """
    op, queries, keys = query.op, query.sizes[2], key.sizes[2]
    if isinstance(queries, int) and isinstance(keys, int) and isinstance(before, int):
        seen = np.tril(np.ones((queries, keys), np.bool_), before)
        seen[-1] = True
        return None if seen.all() else op.constant(seen)
    row = op.Unsqueeze(count_up(op, queries), op.constant([1], np.int64))
    last = op.Equal(row, op.vector([queries]) - 1)
    return op.Or(op.LessOrEqual(count_up(op, keys), row + before), last)
