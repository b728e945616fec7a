"""Einsum whose operands have 1 and n along the same letter, which runtimes broadcast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..graph.builder import Builder
from ..graph.tensor import Tensor


def without_single_axes(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> tuple[list[Tensor | None], str] | None:
    """Return operands without the axes that are broadcast, and the equation for these.

    What does not vary along an axis is the same factor in all of its elements, and its letter can
    be left out of that operand.

    Returns:
        `None` where no operand has such an axis, as far as sizes are known.
    """
    text = node.attributes.get_string("equation", "") or ""
    left, arrow, result = text.replace(" ", "").partition("->")
    terms = left.split(",")
    operands = [tensor for tensor in arguments if tensor is not None]
    if len(terms) != len(operands) or any(x.value.shape is None for x in operands):
        return None
    axes = [_axes_of(term, x.rank) for term, x in zip(terms, operands, strict=True)]
    if any(found is None for found in axes):
        return None  # refused where the Einsum itself is written
    sizes: dict[str, set[int | str | None]] = {}
    for found, x in zip(axes, operands, strict=True):
        for axis, letter in (found or {}).items():
            sizes.setdefault(letter, set()).add(x.dims[axis])
    broadcast = {
        letter
        for letter, known in sizes.items()
        if 1 in known and any(isinstance(size, int) and size > 1 for size in known)
    }
    if not broadcast:
        return None
    if not arrow:
        counts = Counter(left.replace("...", "").replace(",", ""))
        once = "".join(sorted(letter for letter, count in counts.items() if count == 1))
        result = ("..." if "..." in left else "") + once
    given: list[Tensor | None] = []
    written: list[str] = []
    for term, found, x in zip(terms, axes, operands, strict=True):
        single = {a: c for a, c in (found or {}).items() if c in broadcast and x.dims[a] == 1}
        written.append("".join(c for c in term if c not in single.values()))
        given.append(
            builder.op.Squeeze(x, builder.constant(sorted(single), np.int64)) if single else x
        )
    return given, f"{','.join(written)}->{result}"


def _axes_of(term: str, rank: int) -> dict[int, str] | None:
    """Return the letters of a term by axis, `None` where it does not fit the rank."""
    before, ellipsis, after = term.partition("...")
    if len(before) + len(after) > rank or (not ellipsis and len(before) < rank):
        return None
    start = rank - len(after)
    return dict(enumerate(before)) | {start + i: letter for i, letter in enumerate(after)}
