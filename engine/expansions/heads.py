"""Scaled dot-product attention of several heads in standard operators."""

from __future__ import annotations

import math

import numpy as np

from ..graph.tensor import Tensor


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(N, L, heads · D) as (N, heads, L, D)."""
    batch, length, width = x.sizes
    depth = width // heads if isinstance(width, int) else -1
    return x.reshape(batch, length, heads, depth).transpose(0, 2, 1, 3)


def joined_heads(x: Tensor) -> Tensor:
    """(N, heads, L, D) as (N, L, heads · D)."""
    batch, heads, length, depth = x.sizes
    return x.transpose(0, 2, 1, 3).reshape(batch, length, heads * depth)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float = 0.0,
    bias: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """softmax(query · keyᵀ · scale + bias) · value, of (N, heads, L, D) each.

    Args:
        query: What asks.
        key: What is asked.
        value: What is mixed.
        scale: Of the products; 0 for 1/√D.
        bias: Added to the scaled products, broadcast to (N, heads, L, L').
        causal: Whether a token sees itself and the ones before it alone.
    """
    op = query.op
    factor = scale or 1 / math.sqrt(query.shape[-1])
    scores = (query * factor) @ key.transpose(0, 1, 3, 2)
    if bias is not None:
        scores = scores + bias
    if causal:
        rows, columns = query.shape[2], key.shape[2]
        seen = np.tril(np.ones((rows, columns), np.bool_), columns - rows)
        # -1e4 is minus infinity to a softmax, also in float16.
        scores = op.Where(op.constant(seen), scores, op.constant(-1e4, scores.dtype))
    return op.Softmax(scores, axis=-1) @ value
