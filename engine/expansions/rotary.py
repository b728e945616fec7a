"""Rotary embeddings of ONNX Runtime (com.microsoft): pairs of numbers turned by their position.

Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, 2021,
arXiv:2104.09864.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import OperatorError
from ..graph.tensor import Tensor
from ..graph.words import count_up
from .heads import joined_heads, split_heads
from .table import Call, Expansion


def rotated(x: Tensor, positions: Tensor, angles: tuple[Tensor, Tensor], paired: bool) -> Tensor:
    """Turn heads (N, heads, L, D) by where their tokens are.

    Args:
        x: Queries or keys.
        positions: Of the tokens, (N, L) or (L).
        angles: Cosines and sines by position, (positions, R / 2) each; the first R of the D numbers
            are turned.
        paired: Whether neighbours make a pair, or a number of the first half of R with one of the
            second.
    """
    op = x.op
    cos, sin = (op.Gather(table, positions, axis=0).astype(x.dtype) for table in angles)
    if positions.rank == 2:
        cos, sin = (op.Unsqueeze(y, op.constant([1], np.int64)) for y in (cos, sin))
    half = angles[0].number(-1)
    if paired:
        first, second = x[..., : 2 * half : 2], x[..., 1 : 2 * half : 2]
    else:
        first, second = x[..., :half], x[..., half : 2 * half]
    turned = (first * cos - second * sin, second * cos + first * sin)
    if paired:
        behind = op.constant([4], np.int64)
        both = op.Concat(*(op.Unsqueeze(y, behind) for y in turned), axis=4)
        together = both.reshape(*x.sizes[:3], 2 * half)
    else:
        together = op.Concat(*turned, axis=3)
    if x.dims[3] == 2 * half:
        return together
    return op.Concat(together, x[..., 2 * half :], axis=3)


def _rotary_embedding(call: Call) -> Sequence[Tensor | None]:
    # ONNX Runtime's kernels read neither `scale` nor, on the CPU, `is_packed_batching`.
    x, positions, cos, sin = (call.required(index) for index in range(4))
    attributes = call.node.attributes
    split = x.rank == 3
    if split:
        heads = attributes.get_int("num_heads", 0)
        if not attributes.get_int("rotary_embedding_dim", 0):
            # All of a head is turned.
            heads = x.number(-1) // (2 * cos.number(-1))
        if heads < 1:
            raise OperatorError(f"{call.where} has a rotary_embedding_dim and no num_heads")
        x = split_heads(x, heads)
    if positions.rank < 2:
        # The position of the first token.
        positions = count_up(call.op, x.sizes[2]) + positions.astype(np.dtype(np.int64))
    paired = attributes.get_int("interleaved", 0) == 1
    result = rotated(x, positions, (cos, sin), paired)
    return [joined_heads(result) if split else result]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "RotaryEmbedding"): _rotary_embedding
}
