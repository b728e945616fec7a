"""Walks along a graph: what values are computed from, and what is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Reversible
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


def computed_from(graph: ir.Graph, *inputs: ir.Value) -> list[ir.Node]:
    """The nodes that the inputs' numbers, not their shapes alone, go through, in graph order."""
    reached = set(inputs)
    nodes = []
    for node in graph:
        if node.op_type != "Shape" and any(value in reached for value in node.inputs):
            reached.update(node.outputs)
            nodes.append(node)
    return nodes


def ancestors(nodes: Reversible[ir.Node], values: Iterable[ir.Value]) -> list[ir.Node]:
    """Those of some nodes, in topological order as they are, that values are computed from."""
    needed = set(values)
    found: list[ir.Node] = []
    for node in reversed(nodes):
        if any(value in needed for value in node.outputs):
            needed.update(value for value in node.inputs if value is not None)
            found.append(node)
    found.reverse()
    return found
