"""Numbers that NumPy has no types for, on their way into ONNX Runtime and out of it.

Of bfloat16, float8 and integers of four bits ONNX Runtime takes and gives no arrays, but values of
its own, which are copied here from and to arrays of the types that the package ml_dtypes adds.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError

if TYPE_CHECKING:
    import onnxruntime as ort

# What ONNX Runtime calls their tensors, and ONNX the elements.
_ELEMENTS = {
    f"tensor({name.lower()})": name
    for name in (
        "BFLOAT16",
        "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ",
        "FLOAT8E5M2",
        "FLOAT8E5M2FNUZ",
        "INT4",
        "UINT4",
    )
}

_NIBBLE = 4


def small_types(nodes: Iterable[ort.NodeArg]) -> dict[str, str]:
    """Return which of a session's inputs or outputs are of such types, by name: those of ONNX."""
    return {node.name: _ELEMENTS[node.type] for node in nodes if node.type in _ELEMENTS}


def run_with_values(
    session: ort.InferenceSession,
    names: Sequence[str],
    feeds: Mapping[str, np.ndarray | Sequence[np.ndarray]],
    types: Mapping[str, str],
    options: ort.RunOptions | None,
) -> list[np.ndarray]:
    """Run a graph some of whose inputs or outputs are of such types.

    Args:
        session: The graph.
        names: Of the outputs.
        feeds: Inputs by name; numbers of other types are rounded to those that the graph takes.
        types: Of those inputs and outputs that are of such types (see `small_types`).
        options: Of the run.

    Raises:
        ModelError: one of the others is no tensor.
    """
    import onnxruntime

    given: dict[str, Any] = {}
    # What the values are made of has to stay as long as they do.
    kept = []
    for name, array in feeds.items():
        if not isinstance(array, np.ndarray | np.generic):
            raise ModelError(
                f"ONNX Runtime takes the sequence {name!r} of no network that takes or gives "
                f"{', '.join(sorted(set(types.values())))}"
            )
        if name not in types:
            given[name] = onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array))
            continue
        bits = _bits(np.asarray(array), types[name])
        kept.append(bits)
        given[name] = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
            bits, _data_type(types[name]).value
        )
    results = session.run_with_ort_values(list(names), given, options)
    return [_read(name, value, types.get(name)) for name, value in zip(names, results, strict=True)]


def _data_type(element: str) -> Any:
    import onnx_ir as ir

    return ir.DataType[element]


def _bits(array: np.ndarray, element: str) -> np.ndarray:
    """An array as the bits that ONNX has for it, in the same shape."""
    kind = _data_type(element)
    with np.errstate(all="ignore"):
        typed = np.ascontiguousarray(array.astype(kind.numpy())).reshape(array.shape)
    if kind.bitwidth >= 8:
        return typed.view(np.uint8 if kind.bitwidth == 8 else np.uint16)
    # Two to a byte, the first in the lower half, at the start of a buffer that is long enough.
    halves = (typed.reshape(-1).astype(np.int8).view(np.uint8) & 15).astype(np.uint8)
    bits = np.zeros(array.shape, np.uint8)
    pairs = np.append(halves, np.zeros(len(halves) % 2, np.uint8)).reshape(-1, 2)
    bits.reshape(-1)[: len(pairs)] = pairs[:, 0] | pairs[:, 1] << _NIBBLE
    return bits


def _read(name: str, value: Any, element: str | None) -> np.ndarray:
    """Copy an output.

    Raises:
        ModelError: it is no tensor, or not on the host.
    """
    if element is None and value.is_tensor():
        return np.array(value.numpy())
    if element is None or value.device_name() != "cpu":
        raise ModelError(f"ONNX Runtime does not give {name!r} as an array")
    kind = _data_type(element)
    shape = tuple(value.shape())
    count = math.prod(shape)
    data = ctypes.string_at(value.data_ptr(), (count * kind.bitwidth + 7) // 8) if count else b""
    if kind.bitwidth >= 8:
        return np.frombuffer(data, kind.numpy()).reshape(shape).copy()
    pairs = np.frombuffer(data, np.uint8)
    halves = np.stack([pairs & 15, pairs >> _NIBBLE], -1).reshape(-1)[:count].astype(np.int8)
    if kind.is_signed():
        halves = np.where(halves > 7, halves - 16, halves)
    return halves.astype(kind.numpy()).reshape(shape)
