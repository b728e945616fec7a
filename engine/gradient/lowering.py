"""Write operators in the form that runs fastest, before they are differentiated.

A lowered operator is several nodes forwards and one gradient backwards, which shares what the
forward pass has computed already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import onnx_ir as ir

from ..graph.builder import Builder, Composite
from ..graph.tensor import Tensor
from ..rules.cpu import cpu_rules
from ..rules.normalization import local_response
from ..rules.standard import standard_rules
from ..rules.table import RuleTable

if TYPE_CHECKING:
    from .passes import GradientPlan


def lower(builder: Builder, plan: GradientPlan) -> None:
    """Replace the operators of the graph that have a faster form.

    An operator whose rule the table overrides stays, since the lowered form would pass it by.
    """
    rules, standard = plan.rules, standard_rules()
    for node in list(builder.graph):
        if node.op_type == "MaxPool" and node.domain == "":
            _pool_first(builder, node, rules)
            continue
        lowering = _LOWERINGS.get(node.op_type) if node.domain == "" else None
        source = node.inputs[0] if node.inputs else None
        if lowering is None or source is None or source.dtype != ir.DataType.FLOAT:
            continue
        if not rules.agrees(standard, node.op_type):
            continue
        x = Tensor(builder, source)
        y, gradient = lowering(x, node)
        node.outputs[0].replace_all_uses_with(y.value)
        builder.composites[y.value] = Composite(x, gradient)
    builder.graph.sort()


def _pool_first(builder: Builder, node: ir.Node, rules: RuleTable) -> None:
    """A MaxPool behind a ReLU that nothing else reads goes before it, where that is the same.

    Both keep the order of numbers, so that the value is the same; a window's winner is the first of
    its largest, and where that is not positive the ReLU lets nothing through in either order. The
    ReLU and its mask then work on the smaller of the two values.
    """
    source = node.inputs[0]
    relu = None if source is None else source.producer()
    if relu is None or relu.op_type != "Relu" or relu.domain != "" or relu.inputs[0] is None:
        return
    if len(relu.outputs[0].uses()) != 1 or relu.outputs[0].is_graph_output():
        return
    standard = standard_rules()
    of_cpu = rules.agrees(cpu_rules(), "MaxPool")
    if len(node.outputs) != 1 or not rules.agrees(standard, "Relu"):
        return
    if not (of_cpu or rules.agrees(standard, "MaxPool")):
        return
    if of_cpu and _sees_a_border_first(node):
        return
    pooled = builder.append("MaxPool", [Tensor(builder, relu.inputs[0])], dict(node.attributes))
    node.outputs[0].replace_all_uses_with(builder.op.Relu(pooled[0]).value)


def _sees_a_border_first(node: ir.Node) -> bool:
    """Whether the first window begins outside; on the CPU that is cheaper behind a ReLU."""
    pads, strides = (node.attributes.get_ints(name, [0]) for name in ("pads", "strides"))
    same = node.attributes.get_string("auto_pad", "NOTSET").startswith("SAME")
    return any(pads[: len(pads) // 2]) or (same and max(strides) < 2)


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
