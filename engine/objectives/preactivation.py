"""A layer's values before its activation function."""

from __future__ import annotations

from ..graph.tensor import Tensor
from ..graph.traits import Trait, has


def without_activation(tensor: Tensor) -> Tensor:
    """What the last activation functions before a value are given.

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
