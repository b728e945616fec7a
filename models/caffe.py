"""Caffe's `.caffemodel` files: the blobs of a NetParameter, by layer and position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..graph import wire

_OLD_LAYERS, _LAYERS = 2, 100


@dataclass(frozen=True)
class _Fields:
    """Where a layer message keeps its name, its type and its blobs, and which are convolutions."""

    name: int
    kind: int
    blobs: int
    convolutions: frozenset[str | int]


# V1LayerParameter of 2014, with an enumeration as the type, and LayerParameter, with a string.
_SCHEMAS = {
    _OLD_LAYERS: _Fields(name=4, kind=5, blobs=6, convolutions=frozenset({4, 39})),
    _LAYERS: _Fields(
        name=1, kind=2, blobs=7, convolutions=frozenset({"Convolution", "Deconvolution"})
    ),
}


def read_caffe(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Read a model's blobs as `{"conv1/0": weights, "conv1/1": bias}`.

    Shapes of the old kind always have four axes; the ones in front, with which Caffe fills up
    vectors and matrices, are left out, so that old and new files give the same shapes.

    Args:
        data: The file's content, a binary NetParameter.
        source: The file's name, for messages.

    Raises:
        ModelError: the file is damaged, of another kind, or without weights.
    """
    tensors: dict[str, NDArray[Any]] = {}
    try:
        for number, _, value in wire.fields(memoryview(data)):
            if number in _SCHEMAS:
                _read_layer(wire.content(value), _SCHEMAS[number], tensors)
    except wire.WireError as error:
        raise ModelError(
            f"{source} is no Caffe model, or is damaged or truncated: {error}"
        ) from error
    if not tensors:
        raise ModelError(f"{source} holds no layers with weights; expected a Caffe model")
    return tensors


def is_caffe(data: bytes) -> bool:
    """Return whether the file starts like a NetParameter: perhaps a name and inputs, then a layer.

    A layer is recognised by its own name, in either version's field.
    """
    try:
        for number, kind, value in wire.fields(memoryview(data)):
            if number in _SCHEMAS and kind == wire.BYTES:
                name = _SCHEMAS[number].name
                return any(
                    (inner, inner_kind) == (name, wire.BYTES) and wire.text(part) != ""
                    for inner, inner_kind, part in wire.fields(wire.content(value))
                )
            # 1 name, 3 input, 4 input_dim, 5 force_backward, 6 state, 7 debug_info, 8 input_shape
            if number not in (1, 3, 4, 5, 6, 7, 8):
                return False
            if number == 1:
                wire.text(value)
    except wire.WireError:
        return False
    return False


def _read_layer(layer: memoryview, schema: _Fields, tensors: dict[str, NDArray[Any]]) -> None:
    name = ""
    kind: str | int = ""
    blobs: list[memoryview] = []
    for number, wire_type, value in wire.fields(layer):
        if number == schema.name:
            name = wire.text(value)
        elif number == schema.kind:
            kind = wire.signed(value) if wire_type == wire.VARINT else wire.text(value)
        elif number == schema.blobs:
            blobs.append(wire.content(value))
    for index, blob in enumerate(blobs):
        key = f"{name}/{index}"
        if key in tensors:
            raise wire.WireError(f"two layers are named {name!r}")
        tensors[key] = _blob(blob, key, is_kernel=index == 0 and kind in schema.convolutions)


def _blob(blob: memoryview, key: str, is_kernel: bool) -> NDArray[Any]:
    legacy = {1: 0, 2: 0, 3: 0, 4: 0}
    shape: tuple[int, ...] | None = None
    pieces: list[NDArray[Any]] = []
    for number, _, value in wire.fields(blob):
        if number in legacy:
            legacy[number] = wire.signed(value)
        elif number == 5:
            pieces.append(wire.numbers(value, "<f4"))
        elif number == 8:
            pieces.append(wire.numbers(value, "<f8"))
        elif number == 7:
            shape = tuple(
                length
                for inner, kind, part in wire.fields(wire.content(value))
                if inner == 1
                for length in wire.integers(kind, part)
            )
    if shape is None:
        shape = _without_padding(tuple(legacy.values()), is_kernel)
    if len(shape) > 32 or any(length < 0 for length in shape):
        raise wire.WireError(f"the blob {key!r} has the shape {shape[:33]}")
    count = sum(len(piece) for piece in pieces)
    if count != math.prod(shape):
        raise wire.WireError(f"the blob {key!r} of shape {shape} has {count} values")
    data = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return data.astype(data.dtype.newbyteorder("=")).reshape(shape)


def _without_padding(shape: tuple[int, ...], is_kernel: bool) -> tuple[int, ...]:
    if is_kernel:
        return shape
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape
