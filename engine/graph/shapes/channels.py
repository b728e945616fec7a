"""Numbers of channels that do not fit: ONNX's own inference passes over them, and runtimes stop."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

# Their further inputs have one number for each channel.
_BY_CHANNEL = frozenset({"BatchNormalization", "InstanceNormalization"})


def misfit(node: ir.Node) -> str:
    """Say how the channels of a node's first input do not fit its weights; empty where they do.

    Sizes that are open fit.
    """
    if node.domain != "" or len(node.inputs) < 2:
        return ""
    x, *weights = (_dims(value) for value in node.inputs)
    if len(x) < 2 or not isinstance(x[1], int):
        return ""
    wanted: int | None = None
    if node.op_type == "Conv" and len(weights[0]) > 1:
        inner = weights[0][1]
        group = node.attributes.get_int("group", 1)
        wanted = inner * group if isinstance(inner, int) else None
    elif node.op_type == "ConvTranspose" and weights[0]:
        wanted = weights[0][0] if isinstance(weights[0][0], int) else None
    elif node.op_type in _BY_CHANNEL:
        sizes = [shape[0] for shape in weights if len(shape) == 1]
        wanted = next((n for n in sizes if isinstance(n, int) and n != x[1]), None)
    if wanted is None or wanted == x[1]:
        return ""
    return f"its weights are for {wanted} channels, not for {x[1]}"


def _dims(value: ir.Value | None) -> Sequence[int | ir.SymbolicDim]:
    return () if value is None or value.shape is None else tuple(value.shape)
