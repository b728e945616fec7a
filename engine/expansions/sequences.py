"""Sequences and optional values, resolved where it is known what they hold.

A sequence is a list of tensors that nodes build up and take apart. Where all positions are
constants, whatever is taken out of one is a tensor that is there already, and no sequence remains.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..errors import OperatorError
from ..graph.tensor import Tensor
from .table import Call, Expansion


def _elements(call: Call, index: int = 0) -> list[Tensor]:
    """What the sequence at one input holds.

    Raises:
        OperatorError: only the run tells.
    """
    value: ir.Value | None = call.required(index).value
    producer = None if value is None else value.producer()
    while producer is not None and producer.op_type == "Identity":
        value = producer.inputs[0]
        producer = None if value is None else value.producer()
    if producer is not None and producer.op_type == "SequenceEmpty":
        return []
    if producer is None or producer.op_type != "SequenceConstruct":
        raise OperatorError(
            f"{call.where} reads a sequence whose tensors are only known at run time: such "
            "sequences are not differentiated"
        )
    return [Tensor(call.builder, value) for value in producer.inputs if value is not None]


def _sequence(call: Call, elements: Sequence[Tensor], like: int | None = 0) -> Tensor:
    """A sequence of tensors; an empty one has the element type of an input."""
    if elements:
        return call.op.SequenceConstruct(*elements)
    dtype = None if like is None else call.required(like).value.dtype
    return call.op.SequenceEmpty(dtype=None if dtype is None else int(dtype))


def _position(call: Call, index: int, count: int, *, default: int, last: int) -> int:
    """A position, `last` at the most, in a sequence of so many tensors, counted from the front.

    Raises:
        OperatorError: it is computed from values, or outside.
    """
    tensor = call.input(index)
    if tensor is None:
        return default
    known = tensor.array
    elements = call.builder.elements(tensor)
    position = int(np.ravel(known)[0]) if known is not None else elements[0] if elements else None
    if not isinstance(position, int):
        raise OperatorError(
            f"{call.where} takes a position in a sequence that is only known at run time: such "
            f"sequences are not differentiated{call.remedy(tensor)}"
        )
    if not -count <= position <= last:
        raise OperatorError(
            f"{call.where} takes position {position} of a sequence of {count} tensors"
        )
    return position + count if position < 0 else position


def _empty(call: Call) -> Sequence[Tensor | None]:
    return call.builder.append("SequenceEmpty", [], dict(call.node.attributes))


def _construct(call: Call) -> Sequence[Tensor | None]:
    return [_sequence(call, [call.required(index) for index in range(len(call.inputs))])]


def _insert(call: Call) -> Sequence[Tensor | None]:
    elements = _elements(call)
    count = len(elements)
    # One may insert behind the last; -1 is before the last nevertheless.
    elements.insert(_position(call, 2, count, default=count, last=count), call.required(1))
    return [_sequence(call, elements)]


def _erase(call: Call) -> Sequence[Tensor | None]:
    elements = _elements(call)
    last = len(elements) - 1
    del elements[_position(call, 1, len(elements), default=last, last=last)]
    return [_sequence(call, elements)]


def _at(call: Call) -> Sequence[Tensor | None]:
    elements = _elements(call)
    return [elements[_position(call, 1, len(elements), default=0, last=len(elements) - 1)]]


def _length(call: Call) -> Sequence[Tensor | None]:
    return [call.op.constant(len(_elements(call)), np.int64)]


def _concat(call: Call) -> Sequence[Tensor | None]:
    elements, attributes = _elements(call), call.node.attributes
    axis = int(call.attribute("axis").as_int())
    if attributes.get_int("new_axis", 0) == 1:
        axes = call.op.constant([axis], np.int64)
        elements = [call.op.Unsqueeze(element, axes) for element in elements]
    if not elements:
        raise OperatorError(f"{call.where} joins a sequence without tensors")
    return [call.op.Concat(*elements, axis=axis)]


def _split(call: Call) -> Sequence[Tensor | None]:
    """`SplitToSequence`: into rows, into equal parts, or into parts of given sizes."""
    x, sizes = call.required(0), call.input(1)
    attributes = call.node.attributes
    axis = attributes.get_int("axis", 0)
    given = None if sizes is None else sizes.array
    if sizes is not None and sizes.rank == 1:
        count = sizes.dims[0]
        if not isinstance(count, int):
            raise OperatorError(f"{call.where} splits into a number of parts that is not known")
        return [_sequence(call, call.builder.append("Split", [x, sizes], {"axis": axis},
                                                    outputs=count))]  # fmt: skip
    length = x.dims[axis]
    step = 1 if sizes is None else None if given is None else int(given)
    if step is None or not isinstance(length, int):
        raise OperatorError(
            f"{call.where} splits into a number of parts that is only known at run time"
            f"{call.shapes_to_give if sizes is None else call.remedy(sizes)}"
        )
    parts = [min(step, length - start) for start in range(0, length, step)]
    vector = call.op.constant(parts, np.int64)
    rows = call.builder.append("Split", [x, vector], {"axis": axis}, outputs=len(parts))
    if sizes is None and attributes.get_int("keepdims", 1) == 0:
        axes = call.op.constant([axis], np.int64)
        rows = tuple(call.op.Squeeze(row, axes) for row in rows)
    return [_sequence(call, rows)]


def _map(call: Call) -> Sequence[Tensor | None]:
    """`SequenceMap`: its body once for each tensor."""
    body = call.graph("body")
    lists: list[list[Tensor] | None] = []
    for index in range(len(call.inputs)):
        kind = call.required(index).value.type
        lists.append(_elements(call, index) if isinstance(kind, ir.SequenceType) else None)
    names = [value.name or "" for value in body.outputs]
    results: list[list[Tensor]] = [[] for _ in names]
    for number in range(len(lists[0] or ())):
        given = {
            value.name: call.required(index) if elements is None else elements[number]
            for index, (value, elements) in enumerate(zip(body.inputs, lists, strict=True))
            if value.name
        }
        values = call.subgraph(body, given, names)
        for collected, name in zip(results, names, strict=True):
            collected.append(values[name])
    return [_sequence(call, collected) for collected in results]


# Optional values --------------------------------------------------------------------------------


def _optional(call: Call) -> Sequence[Tensor | None]:
    """What it holds, which takes its place; or a node for what holds nothing."""
    held = call.input(0)
    if held is not None:
        return [held]
    return call.builder.append("Optional", [], dict(call.node.attributes))


def _holds_nothing(held: Tensor | None) -> bool:
    producer = None if held is None else held.value.producer()
    return held is None or (producer is not None and producer.op_type == "Optional")


def _has_element(call: Call) -> Sequence[Tensor | None]:
    return [call.op.constant(not _holds_nothing(call.input(0)), np.bool_)]


def _get_element(call: Call) -> Sequence[Tensor | None]:
    if _holds_nothing(call.input(0)):
        raise OperatorError(f"{call.where} takes a value out of an optional that holds none")
    return [call.required(0)]


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", "SequenceEmpty"): _empty,
    ("", "SequenceConstruct"): _construct,
    ("", "SequenceInsert"): _insert,
    ("", "SequenceErase"): _erase,
    ("", "SequenceAt"): _at,
    ("", "SequenceLength"): _length,
    ("", "ConcatFromSequence"): _concat,
    ("", "SplitToSequence"): _split,
    ("", "SequenceMap"): _map,
    ("", "Optional"): _optional,
    ("", "OptionalHasElement"): _has_element,
    ("", "OptionalGetElement"): _get_element,
}
