"""What is computed of each distinct element alone, and then put where these came from.

`Gather(Exp(values), inverse)` behind `values, inverse = Unique(x)` is Exp(x), and has its gradient
at every place. `Unique` has none where elements are equal: apart by however little they would be
two.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ..graph.builder import Builder
from ..graph.tensor import Tensor
from ..graph.traits import Trait, has

# Which output of Unique says of each element which of the distinct ones it is.
_INVERSE = 2
# So many nodes are written again at most.
_MOST_NODES = 64


def put_back(builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]) -> Tensor | None:
    """Return a Gather of what was computed of distinct elements, written without them.

    Returns:
        The same numbers, computed of all elements; `None` where the node is another one, or what it
        gathers from is not computed of each distinct element alone.
    """
    if node.op_type not in ("Gather", "GatherElements") or node.domain:
        return None
    data, places = arguments
    if data is None or places is None:
        return None
    unique = _unique(places.value)
    if unique is None or unique.inputs[0] is None:
        return None
    x, values = Tensor(builder, unique.inputs[0]), Tensor(builder, unique.outputs[0])
    flat = unique.attributes.get("axis") is None
    axis = 0 if flat else unique.attributes["axis"].as_int() % x.rank
    if data.value.shape is None or data.rank != values.rank or places.value.shape is None:
        return None
    if node.attributes.get_int("axis", 0) % data.rank != axis:
        return None
    if places.rank != 1 and (node.op_type != "Gather" or not flat):
        return None
    if node.op_type == "GatherElements" and data.rank != 1:
        return None
    again = _Again(builder, values, x.reshape(-1) if flat else x)
    found = again.of(data)
    if found is None:
        return None
    op, name = builder.op, node.outputs[0].name
    written = op.Reshape(found, op.Shape(places)) if places.rank != 1 else op.Identity(found)
    if name:
        builder.rename(written, name)
    return written


def _unique(places: ir.Value) -> ir.Node | None:
    """The Unique whose inverse a value is, in whatever shape."""
    value: ir.Value | None = places
    while value is not None:
        node = value.producer()
        if node is None or node.domain:
            return None
        if node.op_type == "Unique":
            inverse = node.outputs[_INVERSE] if len(node.outputs) > _INVERSE else None
            return node if value is inverse else None
        if not has(node, Trait.RESHAPING):
            return None
        value = node.inputs[0]
    return None


class _Again:
    """Writes what was computed of distinct elements once more, of all of them."""

    def __init__(self, builder: Builder, values: Tensor, x: Tensor) -> None:
        """Take what stands for what.

        Args:
            builder: The graph.
            values: The distinct elements.
            x: All elements, of the same rank.
        """
        self._builder = builder
        self._known: dict[ir.Value, Tensor | None] = {values.value: x}
        self._rank = x.rank
        self._nodes = 0

    def of(self, tensor: Tensor) -> Tensor | None:
        """Return a value, computed of all elements; `None` where each depends on several."""
        if tensor.value not in self._known:
            self._known[tensor.value] = self._written(tensor)
        return self._known[tensor.value]

    def _written(self, tensor: Tensor) -> Tensor | None:
        array, node = tensor.array, tensor.value.producer()
        if array is not None:
            # A number for all; more of them would be one for each distinct element.
            return tensor if array.size == 1 and array.ndim <= self._rank else None
        # An Identity stands where something else has to read the value itself.
        if node is None or node.op_type == "Identity" or tensor.value is not node.outputs[0]:
            return None
        self._nodes += 1
        each = has(node, Trait.POINTWISE) or has(node, Trait.BROADCASTING)
        if not each or self._nodes > _MOST_NODES:
            return None
        inputs: list[Tensor | None] = []
        for value in node.inputs:
            found = None if value is None else self.of(Tensor(self._builder, value))
            if found is None and value is not None:
                return None
            inputs.append(found)
        return self._builder.append(node.op_type, inputs, dict(node.attributes))[0]
