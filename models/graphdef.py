"""TensorFlow's frozen graphs: the constants of a GraphDef, by the names of their nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..graph import wire

# DataType of TensorFlow's types.proto -> the little-endian type of `tensor_content`.
_DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "u1",
    5: "<i2",
    6: "i1",
    9: "<i8",
    10: "?",
    14: "bfloat16",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
_STRING = 7
# The fields of TensorProto that list values one by one: those of floating point, and the others.
_FLOAT_FIELDS = {5: "<f4", 6: "<f8"}
_INTEGER_FIELDS = frozenset({7, 10, 11, 16, 17})
_HALF_FIELD = 13  # float16 and bfloat16, as integers that hold their bits
# Listed values may fill a shape of any size; no constant of a real network is filled beyond this.
_MAX_FILLED = 1 << 24


def read_graphdef(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Read every numeric Const node as `{node name: array}`; bfloat16 becomes float32, exactly.

    Args:
        data: The file's content, a binary GraphDef.
        source: The file's name, for messages.

    Raises:
        ModelError: the file is damaged, of another kind, or without constants.
    """
    tensors: dict[str, NDArray[Any]] = {}
    nodes = 0
    try:
        for number, _, value in wire.fields(memoryview(data)):
            if number == 1:
                nodes += 1
                _read_node(wire.content(value), tensors)
    except wire.WireError as error:
        raise ModelError(f"{source} is no GraphDef, or is damaged or truncated: {error}") from error
    if not tensors:
        raise ModelError(
            f"{source} is a graph of {nodes} nodes without constants; expected a frozen GraphDef"
        )
    return tensors


def is_graphdef(data: bytes) -> bool:
    """Return whether the first field looks like a node: a message with a name and an operator."""
    try:
        for number, kind, value in wire.fields(memoryview(data)):
            if (number, kind) != (1, wire.BYTES):
                return False
            found = {
                (number, kind)
                for number, kind, part in wire.fields(wire.content(value))
                if number > 2 or wire.text(part)
            }
            return {(1, wire.BYTES), (2, wire.BYTES)} <= found
    except wire.WireError:
        return False
    return False


def _read_node(node: memoryview, tensors: dict[str, NDArray[Any]]) -> None:
    name = operator = ""
    tensor: memoryview | None = None
    for number, _, value in wire.fields(node):
        if number == 1:
            name = wire.text(value)
        elif number == 2:
            operator = wire.text(value)
        elif number == 5:
            tensor = _value_attribute(wire.content(value)) or tensor
    if operator == "Const" and tensor is not None:
        array = _array(tensor, name)
        if array is not None:
            tensors[name] = array


def _value_attribute(attribute: memoryview) -> memoryview | None:
    """The TensorProto of the attribute `value`, from an entry of the node's attribute map."""
    key = ""
    entry: memoryview | None = None
    for number, _, value in wire.fields(attribute):
        if number == 1:
            key = wire.text(value)
        elif number == 2:
            entry = wire.content(value)
    if key != "value" or entry is None:
        return None
    found: memoryview | None = None
    for number, _, value in wire.fields(entry):
        if number == 8:
            found = wire.content(value)
    return found


def _array(tensor: memoryview, name: str) -> NDArray[Any] | None:
    """The array of a TensorProto; `None` for strings, which carry no weights."""
    dtype = 0
    shape: tuple[int, ...] = ()
    raw = memoryview(b"")
    listed: list[NDArray[Any]] = []
    halves: list[int] = []
    for number, kind, value in wire.fields(tensor):
        if number == 1:
            dtype = wire.signed(value)
        elif number == 2:
            shape = _shape(wire.content(value), name)
        elif number == 4:
            raw = wire.content(value)
        elif number in _FLOAT_FIELDS:
            listed.append(wire.numbers(value, _FLOAT_FIELDS[number]))
        elif number in _INTEGER_FIELDS:
            listed.append(np.array(wire.integers(kind, value), np.int64))
        elif number == _HALF_FIELD:
            halves.extend(wire.integers(kind, value))
    if dtype == _STRING:
        return None
    if dtype not in _DTYPES:
        raise wire.WireError(f"the constant {name!r} has the unknown type {dtype}")
    bfloat = _DTYPES[dtype] == "bfloat16"
    numpy_dtype = np.dtype("<u2" if bfloat else _DTYPES[dtype])
    count = math.prod(shape)
    if len(raw):
        if len(raw) != count * numpy_dtype.itemsize:
            raise wire.WireError(
                f"the constant {name!r} of shape {shape} has {len(raw)} bytes instead of "
                f"{count * numpy_dtype.itemsize}"
            )
        values = np.frombuffer(raw, numpy_dtype).reshape(shape)
    else:
        if halves:
            bits = np.array([item & 0xFFFF for item in halves], "<u2")
            listed = [bits if bfloat else bits.view("<f2")]
        values = _filled(listed, shape, count, numpy_dtype, name)
    if bfloat:
        widened: NDArray[np.uint32] = values.astype(np.uint32) << np.uint32(16)
        return widened.view(np.float32)
    # A copy, since the file may hold the data at any address.
    return values.astype(numpy_dtype.newbyteorder("="))


def _filled(
    listed: list[NDArray[Any]], shape: tuple[int, ...], count: int, dtype: np.dtype[Any], name: str
) -> NDArray[Any]:
    """Values listed one by one; TensorFlow repeats the last of them to fill the shape.

    A tensor that lists none is all zeros.
    """
    values = np.concatenate(listed) if listed else np.zeros(0)
    if len(values) > count or (count > _MAX_FILLED and len(values) < count):
        raise wire.WireError(
            f"the constant {name!r} of shape {shape} lists {len(values)} values for {count}"
        )
    filled = np.full(count, values[-1] if len(values) else 0, dtype)
    filled[: len(values)] = values
    return filled.reshape(shape)


def _shape(message: memoryview, name: str) -> tuple[int, ...]:
    shape = []
    for number, _, value in wire.fields(message):
        if number == 2:
            length = 0  # a length of zero is not written
            for inner, _, part in wire.fields(wire.content(value)):
                if inner == 1:
                    length = wire.signed(part)
            shape.append(length)
    if len(shape) > 32 or any(length < 0 for length in shape):
        raise wire.WireError(f"the constant {name!r} has the shape {tuple(shape[:33])}")
    return tuple(shape)
