"""Where tokens and other indices are looked up in tables."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from ...graph.traits import Trait, operators_with

# What an index goes through unchanged on its way to a table.
_UNCHANGED = operators_with(Trait.COPYING) | operators_with(Trait.RESHAPING) | {"Expand"}


def lookups(indices: ir.Value) -> Iterator[ir.Node]:
    """Yield the Gather nodes that take a value as their indices."""
    for node, position in indices.uses():
        if node.op_type in _UNCHANGED and position == 0:
            yield from lookups(node.outputs[0])
        elif node.op_type == "Gather" and position == 1:
            yield node
