"""Plain values from users and recipes: numbers as they are meant, or a sentence that says why not.

NumPy's scalars count as the numbers they are; what would have to be rounded or guessed is refused.
"""

from __future__ import annotations

import hashlib
import math
import operator
import os
import reprlib
from collections.abc import Iterable
from dataclasses import fields
from numbers import Real
from typing import TYPE_CHECKING, SupportsIndex, cast

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MOST = 2**31 - 1
_LARGEST = float(np.finfo(np.float32).max)  # what pictures are computed in
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def turned_off(variable: str) -> bool:
    """Return whether an environment variable is `off`, `no`, `false` or `0`."""
    return os.environ.get(variable, "").strip().lower() in ("off", "no", "false", "0")


def shown(value: object) -> str:
    """Return a value as a message names it: on one line, shortened."""
    return " ".join(_short.repr(value).split())


def array_in_words(array: np.ndarray) -> str:
    """Return an array as a text names it: its shape, and six digits that tell it from others."""
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"[{'×'.join(map(str, array.shape))} numbers, {digest[:6]}]"


def lacking(value: object, protocol: type) -> str:
    """Return what an object lacks of a protocol that it has something of, for messages.

    Returns:
        Words such as `": it has no draw"`; none where it has nothing of it, or all.
    """
    wanted = [name for name in dir(protocol) if not name.startswith("_")]
    missing = [name for name in wanted if not hasattr(value, name)]
    if isinstance(value, type) or not 0 < len(missing) < len(wanted):
        return ""
    return f": it has no {' and no '.join(missing)}"


def whole(name: str, value: object, least: int = -_MOST, most: int | None = _MOST) -> int:
    """Return `value` as an `int`.

    Args:
        name: Of the argument, for messages.
        value: An `int` or what stands for one, such as NumPy's; no flag and no `float`.
        least: The smallest that is allowed.
        most: The greatest, if there is one.

    Raises:
        InputError: it is something else, or out of range.
    """
    try:
        # The cast is for the type checker: what is no number raises what is caught.
        number: int | None = operator.index(cast(SupportsIndex, value))
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InputError(f"{name} must be a whole number, not {shown(value)}")
    if number < least:
        raise InputError(f"{name} must be at least {least}, not {shown(number)}")
    if most is not None and number > most:
        raise InputError(f"{name} must be at most {most}, not {shown(number)}")
    return number


def real(name: str, value: object, expected: str = "a number") -> float:
    """Return `value` as a finite `float`.

    Args:
        name: Of the argument, for messages.
        value: A number of Python or NumPy; no flag.
        expected: What it should be, for messages.

    Raises:
        InputError: it is something else, infinite or not a number, or too large for float32.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be {expected}, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{name} must be finite, not {shown(value)}")
    if abs(number) > _LARGEST:
        raise InputError(f"{name} must be between ±{_LARGEST:.2g}, not {shown(value)}")
    return number


def reals(name: str, values: object, example: str) -> tuple[float, ...]:
    """Return `values` as finite `float`s, at least one.

    Raises:
        InputError: it is no list of numbers, or an empty one.
    """
    given = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else ()
    if not given:
        raise InputError(f"{name} takes a list of numbers such as {example}, not {shown(values)}")
    return tuple(real(f"each number of {name}", value) for value in given)


def numbers(name: str, values: object, axes: str) -> np.ndarray:
    """Return `values` as an array of finite float32, which nobody can write to.

    Args:
        name: Of the argument, for messages.
        values: An array, or lists of numbers.
        axes: What the array's axes are, such as `(C, H, W)`, for messages as well; none is empty.

    Raises:
        InputError: it is something else.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiu" or array.ndim != axes.count(",") + 1 - axes.endswith(",)"):
        given = f"an array of shape {array.shape}" if array.ndim else shown(values)
        raise InputError(f"{name} must be numbers of shape {axes}, not {given}")
    if array.size == 0:
        raise InputError(f"{name} must be numbers of shape {axes}, and is empty: {array.shape}")
    with np.errstate(over="ignore"):
        # Of the byte order that every machine reads, and not the caller's to change.
        result = np.array(array, "<f4", order="C")
    if not np.isfinite(result).all():
        raise InputError(f"{name} must be finite float32 numbers")
    result.flags.writeable = False
    return result


def settle(instance: DataclassInstance) -> None:
    """Check the fields of a dataclass whose defaults are numbers and flags, in its `__post_init__`.

    Numbers become `float` and flags `bool`, so that they can be written down.

    Raises:
        InputError: a value is of another type than its field's default, or not finite.
    """
    for field in fields(instance):
        if not field.init:
            continue
        value: object = getattr(instance, field.name)
        if isinstance(field.default, bool):
            if not isinstance(value, bool | np.bool_):
                raise InputError(f"{field.name} must be true or false, not {shown(value)}")
            value = bool(value)
        else:
            value = real(field.name, value)
        object.__setattr__(instance, field.name, value)
