"""Walks along a graph: what values are computed from, and what is computed from them.

Loops, scans and branches also read what their bodies take from the graph around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Reversible
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


def read_by(node: ir.Node) -> Iterator[ir.Value]:
    """Yield the values that a node reads, its bodies' own among them."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        # By name: layers are known from the cache without the library that reads graphs.
        kind = "" if attribute.is_ref() else attribute.type.name
        bodies = [attribute.as_graph()] if kind == "GRAPH" else []
        bodies += attribute.as_graphs() if kind == "GRAPHS" else []
        for body in bodies:
            for inner in body:
                yield from read_by(inner)
            yield from body.outputs


def computed_from(graph: ir.Graph, *inputs: ir.Value) -> list[ir.Node]:
    """Return the nodes that the inputs' numbers, not shapes alone, go through, in order."""
    reached = set(inputs)
    nodes = []
    for node in graph:
        if node.op_type != "Shape" and any(value in reached for value in read_by(node)):
            reached.update(node.outputs)
            nodes.append(node)
    return nodes


def ancestors(nodes: Reversible[ir.Node], values: Iterable[ir.Value]) -> list[ir.Node]:
    """Return those of some nodes, in topological order, that values are computed from."""
    needed = set(values)
    found: list[ir.Node] = []
    for node in reversed(nodes):
        if any(value in needed for value in node.outputs):
            needed.update(read_by(node))
            found.append(node)
    found.reverse()
    return found


def with_defaults(graph: ir.Graph) -> dict[str, ir.Value]:
    """Return the inputs that have a value in the file, by name."""
    return {v.name: v for v in graph.inputs if v.name and v.name in graph.initializers}
