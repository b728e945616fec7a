"""When two nodes are alike in all that ONNX's inference looks at, so that it need look once.

Networks repeat themselves, gradients do so more, and a graph for each of a thousand units most of
all: of ten nodes some eight are like one before.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from .known import LIMIT

_PLAIN = frozenset(
    {
        ir.AttributeType.INT,
        ir.AttributeType.INTS,
        ir.AttributeType.FLOAT,
        ir.AttributeType.FLOATS,
        ir.AttributeType.STRING,
        ir.AttributeType.STRINGS,
    }
)

_MOST = 1 << 14
"""How many kinds of nodes are remembered: some 20 MB."""


@dataclass(frozen=True, slots=True)
class Found:
    """What inference found for one output.

    Attributes:
        proto: The type, which many values share: nobody may change it.
        dtype: Of a plain tensor; `None` for all else.
        shape: Of a plain tensor, frozen; `None` where not even the rank is known.
    """

    proto: onnx.TypeProto
    dtype: ir.DataType | None
    shape: ir.Shape | None


_FOUND: dict[Hashable, tuple[Found | None, ...]] = {}


def remembered(kind: Hashable | None) -> tuple[Found | None, ...] | None:
    """Return what was found for a node of this kind (see `kind_of`), if there was one."""
    return None if kind is None else _FOUND.get(kind)


def remember(
    kind: Hashable | None, node: ir.Node, inferred: Mapping[str, onnx.TypeProto]
) -> tuple[Found | None, ...]:
    """Keep what inference found for a node, and return it by output.

    Args:
        kind: Of the node; `None` where there will be no other like it.
        node: The node.
        inferred: The types by the outputs' names, without those that stay unknown.
    """
    found = tuple(_found(inferred.get(value.name or "")) for value in node.outputs)
    if kind is not None:
        if len(_FOUND) >= _MOST:
            _FOUND.clear()
        _FOUND[kind] = found
    return found


def _found(proto: onnx.TypeProto | None) -> Found | None:
    which = None if proto is None else proto.WhichOneof("value")
    if proto is None or which is None:
        return None
    if which != "tensor_type" or proto.denotation:
        return Found(proto, None, None)
    dtype = ir.DataType(proto.tensor_type.elem_type)
    return Found(proto, dtype, ir.serde.deserialize_type_proto_for_shape(proto))


def takes_data(node: ir.Node, index: int, value: ir.Value) -> bool:
    """Return whether inference is given the elements of a node's input, and not its type alone."""
    if value.const_value is None:
        return False
    # Of a Split there may be as many sizes as parts, such as the steps of a recurrence.
    return value.const_value.size <= LIMIT or (node.op_type == "Split" and index > 0)


def kind_of(node: ir.Node, opset: int) -> Hashable | None:
    """Return what inference looks at of a node; `None` where that is more than is compared here.

    That are graphs and tensors among the attributes, and inputs that are no plain tensors.
    """
    attributes: list[Hashable] = []
    for attribute in node.attributes.values():
        if attribute.type not in _PLAIN or attribute.is_ref():
            return None
        attributes.append((attribute.name, attribute.type, attribute.value))
    inputs: list[Hashable] = []
    for index, value in enumerate(node.inputs):
        if value is None:
            inputs.append(None)
            continue
        kind, shape = value.type, value.shape
        if type(kind) is not ir.TensorType or kind.denotation:
            return None
        inputs.append(kind.dtype)
        inputs.append(None if shape is None else _dims(shape.dims))
        constant = value.const_value
        if constant is not None and takes_data(node, index, value):
            if constant.dtype == ir.DataType.STRING:
                return None
            inputs.append(constant.tobytes())
    outputs = len(node.outputs)
    return (node.op_type, node.domain, node.version, opset, outputs, *attributes, *inputs)


def _dims(dims: Sequence[int | ir.SymbolicDim]) -> Hashable:
    return tuple(dim if isinstance(dim, int) else dim.value for dim in dims)
