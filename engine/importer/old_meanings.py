"""Operators that meant something else in earlier opsets, where the converter does not tell.

ONNX's version converter writes Softmax and LogSoftmax of opsets before 13 as what they were, and
takes some others for what they are called now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import onnx
from onnx import helper

from ..graph.names import Names
from .checking import all_graphs, all_nodes


def keep_old_meanings(graph: onnx.GraphProto, written: int) -> None:
    """Write operators of a converted graph as what they were in the opset of the file.

    Args:
        graph: The converted graph, changed in place, its subgraphs included.
        written: The opset of the file.
    """
    names = Names(name for node in all_nodes(graph) for name in (*node.input, *node.output))
    for inner in all_graphs(graph):
        nodes = list(inner.node)
        del inner.node[:]
        for node in nodes:
            until, rewrite = _CHANGED.get(node.op_type, (0, None))
            is_old = node.domain in ("", "ai.onnx") and written < until
            inner.node.extend(rewrite(node, names) if rewrite and is_old else [node])


def _coerced(node: onnx.NodeProto, names: Names) -> Iterable[onnx.NodeProto]:
    """Write an operator along one axis of two: all axes before `axis`, and all from there on."""
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    (x,), (y,) = node.input, node.output
    flat, chosen, shape = (names.take(f"{y}_{part}") for part in ("flat", "flat_result", "shape"))
    yield helper.make_node("Flatten", [x], [flat], name=_named(node, "flat"), axis=axis)
    yield helper.make_node(node.op_type, [flat], [chosen], name=_named(node, "result"), axis=-1)
    yield helper.make_node("Shape", [x], [shape], name=_named(node, "shape"))
    yield helper.make_node("Reshape", [chosen, shape], [y], name=node.name)


def _named(node: onnx.NodeProto, part: str) -> str:
    return f"{node.name}_{part}" if node.name else ""


_Rewrite = Callable[[onnx.NodeProto, Names], Iterable[onnx.NodeProto]]

# The first opset of the new meaning, and how the old one is written.
_CHANGED: Mapping[str, tuple[int, _Rewrite]] = {
    "Hardmax": (13, _coerced),
}
