"""Which elements of a value come through an operator that selects or adds up: by its own rule.

The gradient rule of such an operator gives every element what comes of it. Given a one for every
element of the result that counts and a zero for every other, it gives zero to those that nothing
counts of.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ..graph.names import node_name
from ..graph.tensor import Tensor
from ..graph.traits import Trait, has
from ..graph.words import zeros_like
from .table import RuleTable, call
from .vocabulary import sum_to_shape

_ADDING = frozenset({"ReduceSum", "ReduceMean", "AveragePool", "GlobalAveragePool"})
"""Each element of the result is a sum of elements, none of them times something negative."""

_LEAVING_OUT = frozenset(
    {"Gather", "GatherElements", "GatherND", "Compress", "Slice", "Split", "CenterCropPad", "Trilu"}
    | {"TopK", "MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin"}
    | {"MaxUnpool", "ScatterElements", "ScatterND", "TensorScatter"}
)
"""There may be elements of the first input that are nowhere in the result."""


def brings_through(node: ir.Node) -> bool:
    """Return whether a node's rule tells which elements of its inputs come through."""
    if node.attributes.get_string("reduction", "none") == "mul":
        return False  # a product may be zero for other reasons
    return has(node, Trait.SELECTING) or (node.op_type in _ADDING and not node.domain)


def leaves_out(node: ir.Node) -> bool:
    """Return whether a node may leave out elements of its first input."""
    if node.domain:
        return False
    if node.op_type == "Pad":
        pads = node.inputs[1].const_value if node.inputs[1] is not None else None
        return pads is not None and bool((pads.numpy() < 0).any())
    return node.op_type in _LEAVING_OUT


def taken(
    y: Tensor, node: ir.Node, index: int, counts: Sequence[Tensor | None], rules: RuleTable
) -> Tensor:
    """Return what is zero where nothing of an input counts, else positive, in its shape and type.

    Args:
        y: The input.
        node: That reads it (see `brings_through`).
        index: Which of its inputs it is.
        counts: Of each of its results, one where it counts, else zero; `None` where nothing does.
        rules: The table of gradient rules.
    """
    if all(count is None for count in counts):
        return zeros_like(y.op, y)
    operator_rules = rules.find(node.op_type, node.domain, node_name(node))
    rule = None if operator_rules is None else operator_rules.for_input(index)
    if operator_rules is None or rule is None:
        return zeros_like(y.op, y)
    builder = y.builder
    found = call(
        operator_rules,
        rule,
        schema=builder.schema(node.op_type, node.domain),
        node_name=node_name(node),
        set_attributes={name: attribute.value for name, attribute in node.attributes.items()},
        inputs=[None if value is None else Tensor(builder, value) for value in node.inputs],
        outputs=[Tensor(builder, output) for output in node.outputs],
        cotangents=counts,
        index=index,
        table=rules,
        wanted=frozenset[ir.Value](),
    )
    return zeros_like(y.op, y) if found is None else sum_to_shape(found, y)
