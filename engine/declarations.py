"""Arrays that graphs are fed, declared before any is there: their names, shapes and types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .errors import InputError
from .plain import shown, whole


class ArrayType(NamedTuple):
    """What is known of an array before it is there.

    Attributes:
        shape: Its sizes.
        dtype: The type of its elements.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any] = np.dtype(np.float32)


ArrayTypes = Mapping[str, ArrayType]


def declared(part: object, types: object) -> dict[str, ArrayType]:
    """Check what a part of a composition declares, which may be code of the user's.

    Args:
        part: What declares it, for messages.
        types: What it declares: `ArrayType`s by name, or pairs of a shape and a type.

    Raises:
        InputError: it is something else.
    """
    name = type(part).__name__
    if not isinstance(types, Mapping) or not all(isinstance(key, str) for key in types):
        raise InputError(f"{name} must declare arrays by name, not {shown(types)}")
    return {key: _array_type(f"{key!r} of {name}", value) for key, value in types.items()}


def _array_type(what: str, value: object) -> ArrayType:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], tuple):
        shape = tuple(whole(f"each size of {what}", size, 0) for size in value[0])
        try:
            return ArrayType(shape, np.dtype(value[1]))
        except TypeError:
            pass
    raise InputError(
        f"{what} must be declared by its shape and type, such as ((1, 3), numpy.float32), "
        f"not {shown(value)}"
    )


def check_declared(part: object, types: ArrayTypes, arrays: object) -> None:
    """See that a part gives the arrays that it declares.

    Raises:
        InputError: one is missing, was not declared, or is of another shape or type.
    """
    name = type(part).__name__
    if not isinstance(arrays, Mapping):
        raise InputError(f"{name} must give arrays by name, not {shown(arrays)}")
    for key in types:
        if key not in arrays:
            raise InputError(f"{name} declares {key!r}, but gives {_listed(arrays)}")
    for key, array in arrays.items():
        if key not in types:
            raise InputError(f"{name} gives {shown(key)}, but declares {_listed(types)}")
        if not isinstance(array, np.ndarray | np.generic):
            raise InputError(f"{key!r} of {name} must be an array, not {shown(array)}")
        given, wanted = ArrayType(array.shape, array.dtype), types[key]
        if given != wanted:
            raise InputError(
                f"{name} gives {key!r} as {_words(given)}, but declares {_words(wanted)}"
            )


def _listed(names: Mapping[Any, object]) -> str:
    return ", ".join(map(shown, names)) or "nothing"


def _words(kind: ArrayType) -> str:
    return f"{kind.dtype} {kind.shape}"
