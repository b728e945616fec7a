"""Casts that change nothing: exporters write them behind everything, and they are no layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


def is_idle(node: ir.Node) -> bool:
    """Return whether a node casts a value to the type that it has already."""
    source = node.inputs[0] if node.op_type == "Cast" and node.domain == "" else None
    return source is not None and source.dtype is not None and source.dtype == node.outputs[0].dtype


def bypass_idle(graph: ir.Graph) -> None:
    """Let whoever reads an idle cast read what goes into it; what is an output stays one.

    The casts themselves stay, so that their names still mean something.
    """
    for node in graph:
        source = node.inputs[0] if is_idle(node) else None
        if source is None:
            continue
        for reader, position in list(node.outputs[0].uses()):
            reader.replace_input_with(position, source)
