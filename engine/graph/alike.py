"""Whether two values are one, or one of them nowhere less than the other, by how they are made."""

from __future__ import annotations

import onnx_ir as ir

from .traits import Trait, has

# So far back two values are followed.
_ALIKE = 4

# What is nowhere less than one of its inputs, and what is nowhere more.
_LARGEST = frozenset({"Max", "ReduceMax", "Abs", "Relu"})
_LEAST = frozenset({"Min", "ReduceMin"})


FREE = "onnxscope.free"
"""Noted at values that may be anything, however they are made."""


def _made(value: ir.Value) -> ir.Node | None:
    return None if FREE in value.meta else value.producer()


def is_same(a: ir.Value | None, b: ir.Value | None, depth: int = _ALIKE) -> bool:
    """Return whether two values are one, or computed alike of the same values."""
    if a is b:
        return True
    one, other = (None if value is None else _made(value) for value in (a, b))
    if one is None or other is None or not depth or one.op_type != other.op_type:
        return False
    return (
        not has(one, Trait.RANDOM)
        and (one.domain, len(one.inputs)) == (other.domain, len(other.inputs))
        and [v is a for v in one.outputs].index(True) == [v is b for v in other.outputs].index(True)
        and _plain(one) is not None
        and _plain(one) == _plain(other)
        and all(is_same(v, w, depth - 1) for v, w in zip(one.inputs, other.inputs, strict=True))
    )


def _plain(node: ir.Node) -> dict[str, object] | None:
    """The attributes of a node, where all of them are numbers or text."""
    plain = (ir.AttributeType.INT, ir.AttributeType.FLOAT, ir.AttributeType.STRING)
    lists = (ir.AttributeType.INTS, ir.AttributeType.FLOATS)
    found: dict[str, object] = {}
    for attribute in node.attributes.values():
        if attribute.type not in plain + lists:
            return None
        value = attribute.value
        found[attribute.name] = tuple(value) if attribute.type in lists else value
    return found


def is_size_of(value: ir.Value | None, other: ir.Value | None) -> bool:
    """Return whether a value is the absolute value of another."""
    node = None if value is None else _made(value)
    return node is not None and node.op_type == "Abs" and is_same(node.inputs[0], other)


def is_at_least(value: ir.Value | None, other: ir.Value | None) -> bool:
    """Return whether a value is nowhere less than another by the way that one of both is made."""
    larger, smaller = (None if v is None else _made(v) for v in (value, other))
    return (
        (larger is not None and larger.op_type in _LARGEST and _is_among(other, larger))
        or (smaller is not None and smaller.op_type in _LEAST and _is_among(value, smaller))
        or _is_mean_of_squares(larger, smaller)
    )


def _is_among(value: ir.Value | None, node: ir.Node) -> bool:
    """Whether an extremum is taken of a value, each of whose elements it meets again."""
    if not node.op_type.startswith("Reduce"):
        return any(is_same(v, value) for v in node.inputs)
    shape = node.outputs[0].shape
    is_one = shape is not None and shape.rank() == 0
    stays = bool(node.attributes.get_int("keepdims", 1)) or is_one
    return stays and is_same(node.inputs[0], value)


def _is_mean_of_squares(mean: ir.Node | None, square: ir.Node | None) -> bool:
    """Whether two nodes are a mean of squares and the square of the mean (Jensen's inequality)."""
    if mean is None or square is None or mean.op_type != "ReduceMean":
        return False
    squared, inner = _squared(mean.inputs[0]), _squared(square.outputs[0])
    of = None if inner is None else _made(inner)
    return (
        squared is not None
        and of is not None
        and of.op_type == "ReduceMean"
        and is_same(of.inputs[0], squared)
        and len(of.inputs) == len(mean.inputs)
        and all(is_same(a, b) for a, b in zip(of.inputs[1:], mean.inputs[1:], strict=True))
        and _plain(of) == _plain(mean)
    )


def _squared(value: ir.Value | None) -> ir.Value | None:
    """What a value is the square of."""
    node = None if value is None else _made(value)
    if node is None:
        return None
    if node.op_type == "Mul" and is_same(node.inputs[0], node.inputs[1]):
        return node.inputs[0]
    held = None if node.op_type != "Pow" or node.inputs[1] is None else node.inputs[1].const_value
    if held is None or held.size != 1 or float(held.numpy().reshape(())) != 2:
        return None
    return node.inputs[0]
