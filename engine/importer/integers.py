"""Integers of quantised networks that are kept as real numbers, among such as are not.

What QuantizeLinear gives is kept in the type of what it was given, so that a gradient goes through
(see `expansions.quantized`). On its way to DequantizeLinear it may be cut, moved, and joined with
integers of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir
from onnx import defs

from ..graph.builder import Builder
from ..graph.tensor import Tensor
from ..graph.traits import Trait, has

Arguments = Sequence[Tensor | None]


def among_integers(
    builder: Builder,
    node: ir.Node,
    arguments: Arguments,
    write: Callable[[Arguments], Sequence[Tensor | None]],
) -> Sequence[Tensor | None]:
    """Write a node whose inputs may be integers that are kept as real numbers.

    Where it only selects elements, or adds up integers wide enough for sums, those beside them
    become real numbers as well, and so what it gives is kept. What computes with integers
    otherwise, which divides and overflows in its own way, gets integers, through which no gradient
    goes.

    Args:
        builder: The graph to append to, which knows what is kept so.
        node: The node as the model has it.
        arguments: Its inputs in the new graph.
        write: Appends it, from its inputs to its outputs.
    """
    kept = {a.value for a in arguments if a is not None and a.value in builder.integers}
    if not kept or node.domain != "" or _is_boundary(node) or _has_graph(node):
        return write(arguments)
    version = node.version or builder.opset
    if not defs.has(node.op_type, version, ""):
        return write(arguments)
    schema = defs.get_schema(node.op_type, version, "")
    kinds = [_formal(schema.inputs, index) for index in range(len(arguments))]
    outputs = {formal.type_str for formal in schema.outputs}
    selects = (has(node, Trait.SELECTING) and not _reduces(node)) or _takes_nearest(node)
    selects = selects or _adds_up(node, [builder.integers[value] for value in kept])
    given = list(arguments)
    shared: dict[str, Tensor] = {}
    for index, (tensor, formal) in enumerate(zip(arguments, kinds, strict=True)):
        if tensor is None or tensor.value not in kept:
            continue
        computes = formal.type_str in outputs and not selects
        if computes or f"tensor({_NAMES[tensor.dtype]})" not in formal.types:
            given[index] = as_integers(builder, tensor)
        else:
            shared.setdefault(formal.type_str, tensor)
    for index, (tensor, formal) in enumerate(zip(given, kinds, strict=True)):
        like = shared.get(formal.type_str)
        if tensor is not None and like is not None and tensor.dtype != like.dtype:
            array = tensor.array
            given[index] = (
                tensor.astype(like.dtype) if array is None else builder.constant(array, like.dtype)
            )
    written = write(given)
    for index, tensor in enumerate(written):
        like = shared.get(_formal(schema.outputs, index).type_str)
        if tensor is not None and like is not None and tensor.dtype == like.dtype:
            builder.integers[tensor.value] = builder.integers[like.value]
    return written


def as_integers(builder: Builder, tensor: Tensor) -> Tensor:
    """Return a value as the integers that it stands for, where it does."""
    if tensor.value not in builder.integers:
        return tensor
    kind = builder.integers[tensor.value]
    if kind.is_integer():
        return builder.op.Cast(tensor, to=int(kind))
    # It is a number of that type already, and an infinite one stays so.
    return builder.op.Cast(tensor, to=int(kind), saturate=0)


def _formal(
    formals: Sequence[defs.OpSchema.FormalParameter], index: int
) -> defs.OpSchema.FormalParameter:
    """Return what a schema says of an input or output; the last may stand for all behind it."""
    return formals[min(index, len(formals) - 1)]


def _is_boundary(node: ir.Node) -> bool:
    """Return whether a node goes from real numbers to such integers, or back, or computes so."""
    return node.op_type in _BOUNDARIES


def _has_graph(node: ir.Node) -> bool:
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(attribute.type in kinds for attribute in node.attributes.values())


def _adds_up(node: ir.Node, kinds: Sequence[ir.DataType]) -> bool:
    """Return whether a node adds sums of products, as biases are added."""
    wide = all(kind in (ir.DataType.INT32, ir.DataType.INT64) for kind in kinds)
    return wide and (node.op_type == "Add" or node.op_type == "Sub")


def _takes_nearest(node: ir.Node) -> bool:
    """Return whether a node resizes without any interpolation."""
    return node.op_type == "Resize" and node.attributes.get_string("mode", "nearest") == "nearest"


def _reduces(node: ir.Node) -> bool:
    """Return whether what is written at the same place is combined, and not the last of it."""
    return node.attributes.get_string("reduction", "none") != "none"


# What is written for integers and real numbers alike (see `expansions`).
_BOUNDARIES = {
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
}

_NAMES = {
    np.dtype(np.float16): "float16",
    np.dtype(np.float32): "float",
    np.dtype(np.float64): "double",
}
