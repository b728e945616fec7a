"""Operators that meant something else in earlier opsets, where the converter does not tell.

ONNX's version converter writes most operators as what they were. Some it takes for what they are
called now, and some forms of the first versions it refuses: those it is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from ..errors import OperatorError
from ..graph.names import Names
from .checking import all_graphs, all_nodes, shown

_T = TypeVar("_T")

_NO_SIZES: Sequence[int] = ()

_Rewrite = Callable[[onnx.NodeProto, Names], Iterable[onnx.NodeProto]]


@dataclass(frozen=True)
class _Change:
    """A version of an operator that means something else than those before it.

    Attributes:
        since: The first opset of the new meaning.
        rewrite: From a node of the old meaning to nodes of today's operators.
        hidden: Whether the converter must not see the node.
        concerns: Whether it is about a node at all.
    """

    since: int
    rewrite: _Rewrite
    hidden: bool = True
    concerns: Callable[[onnx.NodeProto], bool] = lambda _: True


def needs_hiding(node: onnx.NodeProto, written: int) -> bool:
    """Return whether the converter refuses a node of the opset `written`, or spoils it."""
    change = _change_of(node, written)
    return change is not None and change.hidden


def keep_old_meanings(graph: onnx.GraphProto, written: int) -> None:
    """Write operators of a converted graph as what they were in the opset of the file.

    Args:
        graph: The converted graph, changed in place, its subgraphs included.
        written: The opset of the file.
    """
    names = Names(name for node in all_nodes(graph) for name in (*node.input, *node.output))
    # Bodies before what they are in, which is written anew with them.
    for inner in reversed(list(all_graphs(graph))):
        changes = [_change_of(node, written) for node in inner.node]
        if not any(changes):
            continue
        nodes = list(inner.node)
        del inner.node[:]
        for node, change in zip(nodes, changes, strict=True):
            inner.node.extend([node] if change is None else change.rewrite(node, names))


def _change_of(node: onnx.NodeProto, written: int) -> _Change | None:
    if node.domain not in ("", "ai.onnx") or not _has_all_inputs(node, written):
        return None
    changes = (table.get(node.op_type) for table in (_EARLIER_CHANGES, _CHANGES))
    found = (change for change in changes if change is not None and written < change.since)
    return next((change for change in found if change.concerns(node)), None)


def _has_all_inputs(node: onnx.NodeProto, written: int) -> bool:
    """Whether a node has as many inputs as it needs: one without them is refused later on."""
    try:
        schema = defs.get_schema(node.op_type, written, "")
    except defs.SchemaError:
        return True
    return bool(node.output) and schema.min_input <= len(node.input) <= schema.max_input


def _coerced(node: onnx.NodeProto, names: Names) -> Iterable[onnx.NodeProto]:
    """Write an operator along one axis of two: all axes before `axis`, and all from there on."""
    axis = _attribute(node, "axis", 1)
    (x,), (y,) = node.input, node.output
    flat, chosen, shape = (names.take(f"{y}_{part}") for part in ("flat", "flat_result", "shape"))
    yield helper.make_node("Flatten", [x], [flat], name=_named(node, "flat"), axis=axis)
    yield helper.make_node(node.op_type, [flat], [chosen], name=_named(node, "result"), axis=-1)
    yield helper.make_node("Shape", [x], [shape], name=_named(node, "shape"))
    yield helper.make_node("Reshape", [chosen, shape], [y], name=node.name)


def _normalized_by_cell(node: onnx.NodeProto, names: Names) -> Iterable[onnx.NodeProto]:
    """Write a BatchNormalization with a mean for each cell, and not for each channel alone."""
    x, scale, shift, mean, variance = node.input[:5]
    y = node.output[0]
    parts = ("epsilon", "centered", "variance", "deviation", "normal", "scaled")
    epsilon, centered, wide, deviation, normal, scaled = (names.take(f"{y}_{p}") for p in parts)
    least = np.float32(_attribute(node, "epsilon", 1e-5))
    value = numpy_helper.from_array(np.asarray(least))
    constant = names.take(f"{y}_constant")
    yield helper.make_node("Constant", [], [constant], value=value)
    yield helper.make_node("CastLike", [constant, variance], [epsilon])
    yield helper.make_node("Sub", [x, mean], [centered], name=_named(node, "centered"))
    yield helper.make_node("Add", [variance, epsilon], [wide], name=_named(node, "variance"))
    yield helper.make_node("Sqrt", [wide], [deviation], name=_named(node, "deviation"))
    yield helper.make_node("Div", [centered, deviation], [normal], name=_named(node, "normal"))
    yield helper.make_node("Mul", [normal, scale], [scaled], name=_named(node, "scaled"))
    yield helper.make_node("Add", [scaled, shift], [y], name=node.name)


def _padded(node: onnx.NodeProto, names: Names) -> Iterable[onnx.NodeProto]:
    """Write a Pad whose `paddings` and `value` were attributes."""
    pads, constant, value = (
        names.take(f"{node.output[0]}_{part}") for part in ("pads", "constant", "value")
    )
    sizes = np.array(_attribute(node, "paddings", _NO_SIZES), np.int64)
    filled = np.asarray(_attribute(node, "value", 0.0), np.float32)
    yield helper.make_node("Constant", [], [pads], value=numpy_helper.from_array(sizes))
    yield helper.make_node("Constant", [], [constant], value=numpy_helper.from_array(filled))
    yield helper.make_node("CastLike", [constant, node.input[0]], [value])
    mode = _attribute(node, "mode", b"constant")
    inputs = [node.input[0], pads, value]
    yield helper.make_node("Pad", inputs, list(node.output), name=node.name, mode=mode)


def _slope_by_channel(node: onnx.NodeProto, names: Names) -> Iterable[onnx.NodeProto]:
    """Write a PRelu whose slopes belong to the channels, whatever number of axes comes behind."""
    x, slope = node.input
    parts = ("cells", "count", "ones", "channels", "target", "slopes")
    cells, count, ones, channels, target, slopes = (
        names.take(f"{node.output[0]}_{part}") for part in parts
    )
    one = numpy_helper.from_array(np.ones(1, np.int64))
    rest = numpy_helper.from_array(np.full(1, -1, np.int64))
    yield helper.make_node("Shape", [x], [cells], name=_named(node, "cells"), start=2)
    yield helper.make_node("Shape", [cells], [count], name=_named(node, "count"))
    yield helper.make_node("ConstantOfShape", [count], [ones], _named(node, "ones"), value=one)
    yield helper.make_node("Constant", [], [channels], value=rest)
    yield helper.make_node("Concat", [channels, ones], [target], _named(node, "target"), axis=0)
    yield helper.make_node("Reshape", [slope, target], [slopes], name=_named(node, "slopes"))
    yield helper.make_node("PRelu", [x, slopes], list(node.output), name=node.name)


def _scan_of_each(node: onnx.NodeProto, names: Names) -> Iterable[onnx.NodeProto]:
    """Write a Scan of batches as one over the examples, whose body scans one of them.

    Its first input, how long each sequence of a batch is, has no counterpart.
    """
    if node.input[0]:
        raise OperatorError(
            f"{shown(node)} is a Scan of opset 8 with sequences of several lengths, which later "
            "versions have not: leave its first input out"
        )
    scanned = _attribute(node, "num_scan_inputs", 0)
    directions = _attribute(node, "directions", _NO_SIZES)
    [body] = [attribute for attribute in node.attribute if attribute.name == "body"]
    inputs = [names.take(f"{name}_of_one") for name in node.input[1:]]
    # All outputs, named or not: those of a body all are.
    outputs = [names.take(f"{node.name or 'scan'}_{n}_of_one") for n in range(len(body.g.output))]
    one = helper.make_node(
        "Scan", inputs, outputs, name=_named(node, "one"), num_scan_inputs=scanned, body=body.g
    )
    if directions:
        one.attribute.append(helper.make_attribute("scan_input_directions", directions))
    each = helper.make_graph(
        [one],
        "each",
        [onnx.ValueInfoProto(name=name) for name in inputs],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    yield helper.make_node(
        "Scan",
        node.input[1:],
        list(node.output),
        name=node.name,
        num_scan_inputs=len(inputs),
        body=each,
    )


def _without(*dropped: str) -> _Rewrite:
    """Leave attributes out that say nothing any more."""

    def rewrite(node: onnx.NodeProto, _: Names) -> Iterable[onnx.NodeProto]:
        kept = [attribute for attribute in node.attribute if attribute.name not in dropped]
        del node.attribute[:]
        node.attribute.extend(kept)
        yield node

    return rewrite


def _whole_exponent(node: onnx.NodeProto, _: Names) -> Iterable[onnx.NodeProto]:
    """Write the exponent of a norm, which was a real number, as the whole one that it is."""
    for attribute in node.attribute:
        if attribute.name == "p":
            attribute.CopyFrom(helper.make_attribute("p", round(attribute.f)))
    yield node


def _cast_to_named(node: onnx.NodeProto, _: Names) -> Iterable[onnx.NodeProto]:
    """Write a Cast to a type that is called by its name as one to the number of the type."""
    for attribute in node.attribute:
        if attribute.name == "to":
            code = onnx.TensorProto.DataType.Value(attribute.s.decode())
            attribute.CopyFrom(helper.make_attribute("to", code))
    yield node


def _names_a_type(node: onnx.NodeProto) -> bool:
    named = _attribute(node, "to", b"")
    return isinstance(named, bytes) and named.decode(errors="replace") in dict(
        onnx.TensorProto.DataType.items()
    )


def _attribute(node: onnx.NodeProto, name: str, default: _T) -> _T:
    """Return what a node says, in the type that the operator has for it, or the default."""
    given = (helper.get_attribute_value(a) for a in node.attribute if a.name == name)
    value: _T = next(given, default)
    return value


def _masked_by_truth(node: onnx.NodeProto, _: Names) -> Iterable[onnx.NodeProto]:
    """Write a Dropout whose mask is false throughout where nothing is dropped, as it once was."""
    [x], [y, mask] = node.input, node.output
    yield helper.make_node("Dropout", [x], [y], name=node.name)
    # Nothing is less than itself.
    yield helper.make_node("Less", [x, x], [mask], name=_named(node, "mask"))


def _masked_by_numbers(node: onnx.NodeProto, names: Names) -> Iterable[onnx.NodeProto]:
    """Write a Dropout whose mask is zero throughout, in the type of what it drops."""
    [x], [_, mask] = node.input, node.output
    truth = names.take(f"{mask}_truth")
    node.output[1] = truth
    yield from _masked_by_truth(node, names)
    yield helper.make_node("CastLike", [truth, x], [mask], name=_named(node, "mask_numbers"))


def _has_mask(node: onnx.NodeProto) -> bool:
    return len(node.output) > 1 and bool(node.output[1])


def _named(node: onnx.NodeProto, part: str) -> str:
    return f"{node.name}_{part}" if node.name else ""


def _has_exponent_of_a_whole(node: onnx.NodeProto) -> bool:
    exponent = _attribute(node, "p", 2.0)
    return isinstance(exponent, float) and exponent == round(exponent)


# Of operators whose meaning has changed twice, the first time.
_EARLIER_CHANGES: Mapping[str, _Change] = {
    "Dropout": _Change(10, _masked_by_numbers, concerns=_has_mask),
}

_CHANGES: Mapping[str, _Change] = {
    "Dropout": _Change(12, _masked_by_truth, concerns=_has_mask),
    "Hardmax": _Change(13, _coerced, hidden=False),
    "BatchNormalization": _Change(
        9, _normalized_by_cell, concerns=lambda node: _attribute(node, "spatial", 1) == 0
    ),
    "Scan": _Change(9, _scan_of_each),
    "PRelu": _Change(7, _slope_by_channel, hidden=False),
    "Pad": _Change(2, _padded),
    "Cast": _Change(6, _cast_to_named, concerns=_names_a_type),
    "GlobalLpPool": _Change(2, _whole_exponent, concerns=_has_exponent_of_a_whole),
    "LpPool": _Change(2, _whole_exponent, concerns=_has_exponent_of_a_whole),
    **{name: _Change(7, _without("output_sequence")) for name in ("GRU", "LSTM", "RNN")},
    # Without an axis the shapes are joined from the end on, as they are now.
    **{
        name: _Change(
            7,
            _without("broadcast"),
            concerns=lambda node: _attribute(node, "axis", None) is None,
        )
        for name in ("And", "Equal", "Greater", "Less", "Or", "Xor")
    },
}
