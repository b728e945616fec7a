"""A model without its weights, for tools that look at everything else."""

from __future__ import annotations

import onnx
from google.protobuf.message import Message

# Tensors up to this size may tell a tool something (axes, a shape); larger ones are weights.
_SMALL = 1024


def without_weights(
    proto: onnx.ModelProto,
) -> tuple[onnx.ModelProto, dict[str, onnx.TensorProto]]:
    """Return a copy for ONNX's own tools, which copy everything several times and end at 2 GB.

    Returns:
        The copy, in which large tensors have types and shapes but no data, and these tensors by
        name.
    """
    weights = {t.name: t for t in proto.graph.initializer if t.ByteSize() > _SMALL}
    light = onnx.ModelProto()
    for field, value in proto.ListFields():
        if field.name != "graph":
            _copy_field(light, field.name, value)
    for field, value in proto.graph.ListFields():
        if field.name != "initializer":
            _copy_field(light.graph, field.name, value)
    for tensor in proto.graph.initializer:
        kept = light.graph.initializer.add()
        if tensor.name in weights:
            kept.name, kept.data_type = tensor.name, tensor.data_type
            kept.dims.extend(tensor.dims)
            # The data of one zero: never read, since only small tensors are.
            kept.raw_data = b""
        else:
            kept.CopyFrom(tensor)
    return light, weights


def _copy_field(target: Message, name: str, value: object) -> None:
    if isinstance(value, Message):
        getattr(target, name).CopyFrom(value)
    elif isinstance(value, str | bytes | int | float):
        setattr(target, name, value)
    else:
        getattr(target, name).extend(value)
