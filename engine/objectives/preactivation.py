"""A layer's values before its activation function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.tensor import Tensor
from ..graph.traits import Trait, has

if TYPE_CHECKING:
    import onnx_ir as ir


def without_activation(tensor: Tensor) -> Tensor:
    """Return what the last activation functions before a value are given.

    Args:
        tensor: A layer, in the graph under construction.

    Returns:
        The input of its activation function; of a concatenation, that of each part; the layer
        itself where it is not the result of one.
    """
    node = tensor.value.producer()
    if node is None or node.domain != "" or node.inputs[0] is None:
        return tensor
    if has(node, Trait.ACTIVATION):
        return Tensor(tensor.builder, node.inputs[0])
    gated = _gated_by_itself(node)
    if gated is not None:
        return Tensor(tensor.builder, gated)
    if node.op_type == "Concat":
        parts = [Tensor(tensor.builder, value) for value in node.inputs if value is not None]
        axis = node.attributes["axis"].as_int()
        return tensor.op.Concat(*(without_activation(part) for part in parts), axis=axis)
    if node.op_type == "Transpose":
        before = without_activation(Tensor(tensor.builder, node.inputs[0]))
        if before.value is node.inputs[0]:
            return tensor
        return tensor.builder.append("Transpose", [before], dict(node.attributes))[0]
    if has(node, Trait.COPYING):
        return without_activation(Tensor(tensor.builder, node.inputs[0]))
    return tensor


def _gated_by_itself(node: ir.Node) -> ir.Value | None:
    """The x of x · sigmoid(αx), as Swish is written before opset 24, and when it is expanded."""
    if node.op_type != "Mul":
        return None
    for x, gate in (node.inputs, node.inputs[::-1]):
        sigmoid = None if gate is None else gate.producer()
        if x is None or sigmoid is None or sigmoid.op_type != "Sigmoid" or sigmoid.domain != "":
            continue
        inner = sigmoid.inputs[0]
        scaling = None if inner is None else inner.producer()
        if inner is x:
            return x
        if scaling is not None and scaling.op_type == "Mul" and scaling.domain == "":
            factors = [value for value in scaling.inputs if value is not x and value is not None]
            if len(factors) == 1 and _is_number(factors[0]):
                return x
    return None


def _is_number(value: ir.Value) -> bool:
    """Whether a value is one number that no picture changes."""
    # Imported here: a start from the cache knows objectives, and builds no graph.
    from ..graph.passes.branches import is_constant

    shape = () if value.shape is None else tuple(value.shape)
    return value.shape is not None and all(size == 1 for size in shape) and is_constant(value)
