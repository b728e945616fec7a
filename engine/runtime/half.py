"""Whether a graph computes in half precision, told from the bytes of its file."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph.wire import BYTES, VARINT, fields

# Numbers of fields of ONNX's messages.
_GRAPH = 7
_INITIALIZER = 5
_VALUES = (11, 12, 13)
"""Inputs, outputs, and what is declared of other values."""
_TYPE = 2
_TENSOR_TYPE = 1
_ELEMENT_TYPE = 1
_DATA_TYPE = 2

_FLOAT16 = 10
_WRITTEN = bytes((_ELEMENT_TYPE << 3 | VARINT, _FLOAT16))
"""How a declared value has that type, if it does: most have none, and need no further look."""


def computes_in_half(model: bytes) -> bool:
    """Return whether a weight or declared value is float16; nothing is parsed but that."""
    for graph in _messages(memoryview(model), _GRAPH):
        for number, wire, part in fields(graph):
            if wire != BYTES or isinstance(part, int):
                continue
            if number == _INITIALIZER and _number(part, _DATA_TYPE) == _FLOAT16:
                return True
            if number in _VALUES and _WRITTEN in bytes(part) and _element_type(part) == _FLOAT16:
                return True
    return False


def _element_type(value: memoryview) -> int:
    for kind in _messages(value, _TYPE):
        for tensor in _messages(kind, _TENSOR_TYPE):
            return _number(tensor, _ELEMENT_TYPE)
    return 0


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, wire, part in fields(message):
        if number == wanted and wire == BYTES and not isinstance(part, int):
            yield part


def _number(message: memoryview, wanted: int) -> int:
    for number, wire, value in fields(message):
        if number == wanted and wire == VARINT and isinstance(value, int):
            return value
    return 0
