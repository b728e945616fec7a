"""Networks in bfloat16, for which ONNX Runtime has hardly an operator on the CPU, in float32."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

# Attributes that hold an element type.
_TYPES = frozenset({"to", "dtype", "output_dtype"})


def widen(graph: ir.Graph) -> bool:
    """Make all that is bfloat16 in a graph float32, in place; returns whether anything was.

    Its weights are the same numbers, and the rules of its gradient are the same; what it computes
    is rounded less.
    """
    changed = False
    for value in (*graph.inputs, *graph.initializers.values(), *_outputs(graph)):
        changed |= _widen_value(value)
    for node in graph:
        for name, attribute in list(node.attributes.items()):
            if attribute.is_ref():
                continue
            if attribute.type is ir.AttributeType.GRAPH:
                changed |= widen(attribute.as_graph())
            elif attribute.type is ir.AttributeType.GRAPHS:
                for body in attribute.as_graphs():
                    changed |= widen(body)
            elif attribute.type is ir.AttributeType.TENSOR:
                tensor = attribute.as_tensor()
                if tensor.dtype is ir.DataType.BFLOAT16:
                    node.attributes[name] = ir.AttrTensor(name, _wide(tensor))
                    changed = True
            elif name in _TYPES and attribute.value == ir.DataType.BFLOAT16:
                node.attributes[name] = ir.AttrInt64(name, int(ir.DataType.FLOAT))
                changed = True
    return changed


def _outputs(graph: ir.Graph) -> Iterable[ir.Value]:
    return (value for node in graph for value in node.outputs)


def _widen_value(value: ir.Value) -> bool:
    if value.dtype is not ir.DataType.BFLOAT16:
        return False
    value.dtype = ir.DataType.FLOAT
    if value.const_value is not None:
        value.const_value = _wide(value.const_value)
    return True


def _wide(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    return ir.Tensor(np.asarray(tensor.numpy(), np.float32), name=tensor.name)
