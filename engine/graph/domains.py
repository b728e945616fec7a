"""What is not in the standard domain: traditional machine learning, whose operators give maps."""

from __future__ import annotations

import onnx
import onnx_ir as ir

ML = "ai.onnx.ml"
"""The domain of traditional machine learning, as ONNX calls it."""


def holds_map(type_: onnx.TypeProto) -> bool:
    """Tell whether a type is a map, or a sequence or optional of maps."""
    kind = type_.WhichOneof("value")
    if kind == "sequence_type":
        return holds_map(type_.sequence_type.elem_type)
    if kind == "optional_type":
        return holds_map(type_.optional_type.elem_type)
    return bool(kind == "map_type")


def version_of(node: ir.Node) -> int | None:
    """Return the version of a node's own domain in its graph; `None` for the standard one."""
    if not node.domain or node.graph is None:
        return None
    return node.graph.opset_imports.get(node.domain)


def numbers_of(value: ir.Value) -> ir.Value | None:
    """Return the numbers that a sequence of maps is made of; `None` for anything else."""
    node = value.producer()
    if node is None or (node.domain, node.op_type) != (ML, "ZipMap"):
        return None
    return node.inputs[0]
