"""Files that begin or end with operators of traditional machine learning, as scikit-learn's do."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from ..errors import ModelError
from ..graph.domains import ML, holds_map
from ..graph.names import node_name


def without_map_types(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Leave out the types of values that are maps, which onnx-ir cannot hold.

    Returns:
        The model itself where it has no such values, otherwise a copy.
    """
    if not any(holds_map(value.type) for value in _declared(proto)):
        return proto
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for value in _declared(copy):
        if holds_map(value.type):
            value.ClearField("type")
    return copy


def note_versions(model: ir.Model, origin: str) -> None:
    """Let each node of traditional machine learning know the version of its domain.

    Raises:
        ModelError: the file has such nodes, and names no version.
    """
    version = model.opset_imports.get(ML)
    for node in model.graph.all_nodes():
        if node.domain != ML:
            continue
        if version is None:
            raise ModelError(
                f"{origin} has the node {node_name(node)!r} of {ML}, and names "
                "no version of that operator set"
            )
        node.version = version


def _declared(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    return [*proto.graph.input, *proto.graph.output, *proto.graph.value_info]
