"""Write operators in the form that runs fastest, before they are differentiated.

A lowered operator is several nodes forwards and one gradient backwards, which shares what the
forward pass has computed already.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from .graph.builder import Builder, Composite
from .graph.tensor import Tensor
from .rules import RuleTable, standard_rules
from .rules.normalization import local_response


def lower(builder: Builder, rules: RuleTable) -> None:
    """Replace the operators of the graph that have a faster form.

    An operator whose rule the table overrides stays, since the lowered form would pass it by.

    What is replaced stays for `drop_unused`; the graph is left in topological order.
    """
    standard = standard_rules()
    for node in list(builder.graph):
        lowering = _LOWERINGS.get(node.op_type) if node.domain == "" else None
        source = node.inputs[0] if node.inputs else None
        if lowering is None or source is None or source.dtype != ir.DataType.FLOAT:
            continue
        if node.op_type not in rules or rules[node.op_type] != standard[node.op_type]:
            continue
        x = Tensor(builder, source)
        y, gradient = lowering(x, node)
        node.outputs[0].replace_all_uses_with(y.value)
        builder.composites[y.value] = Composite(x, gradient)
    builder.graph.sort()


def _lrn(x: Tensor, node: ir.Node) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    attributes = node.attributes
    parts = local_response(
        x.op,
        x,
        alpha=attributes.get_float("alpha", 1e-4),
        beta=attributes.get_float("beta", 0.75),
        bias=attributes.get_float("bias", 1.0),
        size=attributes["size"].as_int(),
    )
    y = x * parts.power
    return y, lambda dy: parts.gradient(x.op, dy, x, y)


_LOWERINGS = {"LRN": _lrn}
