"""Attributes of a file's nodes: they are there, of their types, and in their ranges.

What comes after may divide by a stride, and shape inference of ONNX reads beyond its memory or does
not end where numbers are such as no runtime takes. It holds the interpreter meanwhile, so that
nothing could watch it: what it does not end with must not come to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import onnx
from onnx import TensorProto, defs, helper

from ..errors import ModelError
from .checking import all_nodes, shown


def check_attributes(proto: onnx.ModelProto, origin: str) -> None:
    """Check the attributes of all nodes of the standard operators.

    Args:
        proto: The model.
        origin: What to call it in messages.

    Raises:
        ModelError: one is missing, of another type, or out of its range.
    """
    opset = next((e.version for e in proto.opset_import if e.domain in ("", "ai.onnx")), 0)
    for node in all_nodes(proto.graph):
        if node.domain in ("", "ai.onnx") and defs.has(node.op_type, opset, ""):
            _check_node(node, defs.get_schema(node.op_type, opset, ""), origin)


def _check_node(node: onnx.NodeProto, schema: defs.OpSchema, origin: str) -> None:
    given = {attribute.name for attribute in node.attribute}
    for name, declared in schema.attributes.items():
        if declared.required and name not in given and name != "consumed_inputs":
            raise ModelError(f"{origin} is damaged: {shown(node)} lacks its attribute {name!r}")
    for attribute in node.attribute:
        if attribute.name not in schema.attributes or attribute.ref_attr_name:
            continue
        wanted = schema.attributes[attribute.name].type
        kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
        if getattr(defs.OpSchema.AttrType, kind, None) != wanted:
            raise ModelError(
                f"{origin} is damaged: attribute {attribute.name!r} of {shown(node)} is of type "
                f"{kind}, not {str(wanted).rpartition('.')[2]}"
            )
        reason = _out_of_range(attribute)
        if reason:
            raise ModelError(
                f"{origin} is damaged: attribute {attribute.name!r} of {shown(node)} {reason}"
            )
    if node.op_type == "Einsum":
        _check_equation(node, origin)
    if node.op_type == "Constant" and not given:
        names = " or ".join(map(repr, schema.attributes))
        raise ModelError(f"{origin} is damaged: {shown(node)} lacks its attribute {names}")


def _out_of_range(attribute: onnx.AttributeProto) -> str:
    """Say why no runtime takes a value, whatever the operator; empty where one may."""
    value, name = helper.get_attribute_value(attribute), attribute.name
    if attribute.type not in (onnx.AttributeProto.INT, onnx.AttributeProto.INTS):
        return ""
    numbers = [value] if isinstance(value, int) else list(value)
    if name in _TYPES and not (value in TensorProto.DataType.values() and (value or name == _OPEN)):
        return f"is {value}, which is the number of no type"
    least = _LEAST.get(name)
    if least is not None and min(numbers, default=least) < least:
        return f"is {value}; it must be at least {least}"
    most = _MOST.get(name)
    if most is not None and max(map(abs, numbers), default=0) > most:
        return f"is {value}; it must be at most {most:,}"
    return ""


def _check_equation(node: onnx.NodeProto, origin: str) -> None:
    """Check that an equation can be read; shape inference of ONNX may not end with others."""
    text = next((a.s.decode(errors="replace") for a in node.attribute if a.name == "equation"), "")
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    for term in [*terms, right]:
        letters = Counter(term.replace("...", "", 1))
        if not all(c.isascii() and c.isalpha() for c in letters):
            raise ModelError(
                f"{origin} is damaged: the equation {text!r} of {shown(node)} has the term "
                f"{term!r}; it may have letters, and one ellipsis"
            )
    if len(terms) != len(node.input):
        raise ModelError(
            f"{origin} is damaged: the equation {text!r} of {shown(node)} has {len(terms)} terms "
            f"for {len(node.input)} inputs"
        )
    unknown = sorted({c for c in right if c.isalpha()} - set(left))
    repeated = sorted(c for c, count in Counter(right.replace("...", "")).items() if count > 1)
    if arrow and (unknown or repeated):
        what = f"{unknown[0]!r}, which no input has" if unknown else f"{repeated[0]!r} twice"
        raise ModelError(
            f"{origin} is damaged: the result of the equation {text!r} of {shown(node)} has {what}"
        )


# The least that attributes of these names may be, in all operators that have them.
_LEAST: Mapping[str, int] = {
    "batch_dims": 0,
    "blocksize": 1,
    "dilations": 1,
    "group": 1,
    "hidden_size": 1,
    "kernel_shape": 1,
    "num_groups": 1,
    "num_outputs": 1,
    "num_scan_inputs": 1,
    "offset_group": 1,
    "output_height": 1,
    "output_width": 1,
    "p": 1,
    "pooled_shape": 1,
    "size": 1,
    "strides": 1,
}

# The most that they may be, on either side of zero: nothing has so many axes or parts.
_MOST: Mapping[str, int] = dict.fromkeys(
    ("axes", "axis", "batch_axis", "batch_dims", "num_outputs", "perm", "time_axis"), 2**20
)

# 0 leaves it open, and is no type elsewhere.
_OPEN = "output_dtype"

# Attributes that are the number of a type.
_TYPES = frozenset({"dtype", _OPEN, "output_datatype", "to"})
