"""Why no derivative leads from one value to another: what stands on all ways between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx_ir as ir

from ..graph.walks import ancestors
from ..rules.table import RuleTable, full_name


def obstacles(
    nodes: Sequence[ir.Node], sources: Iterable[ir.Value], target: ir.Value, rules: RuleTable
) -> str:
    """Find the operators without derivative that no way to a value goes around.

    Args:
        nodes: Those of the graph, in topological order.
        sources: What is differentiated with respect to.
        target: The value that is differentiated.
        rules: The table that says which operators have no derivative.

    Returns:
        Such as "because of ArgMax (gives indices or shapes)"; empty where some way has a
        derivative, or where none leads there at all.
    """
    reached = set(sources)
    reasons: dict[str, str] = {}
    for node in ancestors(nodes, [target]):
        if not any(value in reached for value in node.inputs):
            continue
        reason = rules.without_derivative.get(full_name(node.op_type, node.domain))
        if reason is None:
            reached.update(value for value in node.outputs if _is_real(value))
        else:
            reasons.setdefault(reason, node.op_type)
    if target in reached or not reasons:
        return ""
    named = [f"{op_type} ({reason})" for reason, op_type in reasons.items()]
    return "because of " + " and ".join(named)


def _is_real(value: ir.Value) -> bool:
    return value.dtype is None or value.dtype.is_floating_point()
