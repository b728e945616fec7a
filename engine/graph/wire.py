"""Protocol Buffers' wire format, as far as reading weights needs it.

A GraphDef and a Caffe model are a handful of known fields among many of no interest. Reading the
wire format directly needs no generated classes, skips what is unknown by construction, and leaves
large tensors in place as views of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Value = int | memoryview


class WireError(ValueError):
    """Bytes that are no Protocol Buffers message, or end too early."""


def fields(message: memoryview) -> Iterator[tuple[int, int, Value]]:
    """Yield the fields of a message in their order: number, wire type and raw value.

    Varints come as unsigned integers, everything else as a view of its bytes.

    Raises:
        WireError: the bytes are no message, or are truncated.
    """
    for number, wire, value, _ in whole_fields(message):
        yield number, wire, value


def whole_fields(message: memoryview) -> Iterator[tuple[int, int, Value, memoryview]]:
    """Yield the fields of a message as `fields` does, each with all of its bytes.

    Raises:
        WireError: the bytes are no message, or are truncated.
    """
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise WireError("field number 0")
        if wire == VARINT:
            value, position = _varint(message, position)
            yield number, wire, value, message[start:position]
            continue
        if wire == BYTES:
            length, position = _varint(message, position)
        elif wire in (FIXED32, FIXED64):
            length = 4 if wire == FIXED32 else 8
        else:
            raise WireError(f"wire type {wire}")
        if length > len(message) - position:
            raise WireError(f"a field of {length} bytes where {len(message) - position} are left")
        field = message[position : position + length]
        position += length
        yield number, wire, field, message[start:position]


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise WireError("a number without an end")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise WireError("a number of more than 64 bits")


def bytes_field(number: int, data: bytes) -> bytes:
    """Write a field of bytes, text or a message."""
    return _as_varint(number << 3 | BYTES) + _as_varint(len(data)) + data


def _as_varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def signed(value: Value) -> int:
    """Return a varint as the signed integer that int32, int64 and enum fields mean."""
    if not isinstance(value, int):
        raise WireError("a number was expected")
    return value - 2**64 if value >= 2**63 else value


def content(value: Value) -> memoryview:
    """Return the bytes of a string, bytes or message field."""
    if not isinstance(value, memoryview):
        raise WireError("bytes were expected")
    return value


def text(value: Value) -> str:
    """Return the text of a string field.

    Raises:
        WireError: it is not UTF-8.
    """
    try:
        return str(content(value), "utf-8")
    except UnicodeDecodeError as error:
        raise WireError("text that is not UTF-8") from error


def integers(wire: int, value: Value) -> list[int]:
    """Return the elements of one piece of a repeated integer field, packed or not."""
    if wire == VARINT:
        return [signed(value)]
    packed = content(value)
    position = 0
    found = []
    while position < len(packed):
        item, position = _varint(packed, position)
        found.append(signed(item))
    return found


def numbers(value: Value, dtype: str) -> NDArray[Any]:
    """Return the elements of one piece of a repeated float or double field, packed or not."""
    data = content(value)
    item = np.dtype(dtype)
    if len(data) % item.itemsize:
        raise WireError(f"{len(data)} bytes of numbers of {item.itemsize} bytes each")
    return np.frombuffer(data, item)
