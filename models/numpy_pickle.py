"""Weights as a pickle of NumPy arrays: a mapping from layer names to lists of arrays.

The arrays' bytes are taken from the pickle as they are; NumPy's own unpickling, which would make
any object a file asks for, is not involved.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .unpickling import Constructor, Global, load_pickle, sizes

_KINDS = frozenset("biuf")


class _DType:
    """A numpy.dtype under construction: the pickle gives its name first, its byte order later."""

    def __init__(self, name: object, align: object = False, copy: object = False) -> None:
        del align, copy  # they say how NumPy would make the object, nothing about the data
        if not isinstance(name, str) or len(name) != 2 or name[0] not in _KINDS:
            raise ValueError("a dtype that is not a plain number")
        self.numpy: np.dtype[Any] = np.dtype(name)

    def build(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise ValueError("a dtype with an unknown byte order")
        if any(part is not None for part in state[2:5]):
            raise ValueError("a dtype with fields")
        self.numpy = self.numpy.newbyteorder(state[1])


class _Array:
    """A numpy.ndarray under construction."""

    def __init__(self) -> None:
        self.numpy: NDArray[Any] | None = None

    def build(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("an array with an unknown state")
        _, shape, dtype, column_major, data = state
        if not isinstance(dtype, _DType) or not isinstance(data, bytes):
            raise ValueError("an array without plain data")
        dimensions = sizes(shape, "an array's shape")
        expected = math.prod(dimensions) * dtype.numpy.itemsize
        if len(data) != expected:
            raise ValueError(
                f"an array of shape {dimensions} with {len(data)} bytes instead of {expected}"
            )
        flat = np.frombuffer(data, dtype.numpy).astype(dtype.numpy.newbyteorder("="))
        self.numpy = flat.reshape(dimensions, order="F" if column_major else "C")


def _ndarray(*_: object) -> object:
    raise ValueError("arrays are reconstructed, not called")


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    del shape, code  # placeholders; the state that follows gives the real ones
    if not isinstance(kind, Global) or kind.name != "numpy.ndarray":
        raise ValueError("reconstructs something other than an array")
    return _Array()


_CONSTRUCTORS: Mapping[str, Constructor] = {
    "numpy.ndarray": _ndarray,
    "numpy.dtype": _DType,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
}


def read_numpy_pickle(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Read `{layer: [array, array]}` as `{"layer/0": array, "layer/1": array}`.

    Args:
        data: The file's content.
        source: The file's name, for messages.

    Raises:
        ModelError: the pickle is damaged, or holds anything but NumPy arrays.
    """
    tree = load_pickle(io.BytesIO(data), source, _CONSTRUCTORS)
    if not isinstance(tree, dict):
        raise ModelError(f"{source} holds no mapping from names to arrays")
    tensors: dict[str, NDArray[Any]] = {}
    for name, value in tree.items():
        parts = value if isinstance(value, list | tuple) else [value]
        for index, part in enumerate(parts):
            if not isinstance(part, _Array) or part.numpy is None or not isinstance(name, str):
                raise ModelError(f"{source} holds, under {name!r}, something other than arrays")
            key = f"{name}/{index}" if isinstance(value, list | tuple) else name
            tensors[key] = part.numpy
    if not tensors:
        raise ModelError(f"{source} holds no arrays")
    return tensors
