"""Channels and biases that do not fit: ONNX's own inference passes over them, and runtimes stop."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

# Their further inputs have one number for each channel.
_BY_CHANNEL = frozenset({"BatchNormalization", "InstanceNormalization"})


def misfit(node: ir.Node) -> str:
    """Say how a node's first input, or its bias, does not fit its weights; empty where they do.

    Sizes that are open fit.
    """
    if node.domain != "" or len(node.inputs) < 2:
        return ""
    x, *weights = (_dims(value) for value in node.inputs)
    if node.op_type == "Gemm":
        return _misfit_of_bias(node)
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


def _misfit_of_bias(node: ir.Node) -> str:
    """The bias of a Gemm is added to each row, column or element of the product."""
    if len(node.inputs) < 3:
        return ""
    a, b, bias = (_dims(value) for value in node.inputs[:3])
    if len(a) != 2 or len(b) != 2:
        return ""
    rows = a[node.attributes.get_int("transA", 0)]
    columns = b[1 - node.attributes.get_int("transB", 0)]
    fits = len(bias) <= 2 and all(
        size == 1 or not isinstance(size, int) or not isinstance(n, int) or size == n
        for size, n in zip(reversed(bias), (columns, rows), strict=False)
    )
    if fits:
        return ""
    return (
        f"its bias ({_shown(bias)}) is not for a product of the shape ({_shown((rows, columns))})"
    )


def _shown(dims: Sequence[int | ir.SymbolicDim]) -> str:
    return "×".join(str(dim) for dim in dims)


def _dims(value: ir.Value | None) -> Sequence[int | ir.SymbolicDim]:
    return () if value is None or value.shape is None else tuple(value.shape)
