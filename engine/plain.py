"""Plain values from users and recipes: numbers as they are meant, or a sentence that says why not.

NumPy's scalars count as the numbers they are; what would have to be rounded or guessed is refused.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import operator
import os
import reprlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, TypeVar, cast

import numpy as np

from .errors import InputError, OnnxscopeError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

_MOST = 2**31 - 1
_MOST_DIGITS = 18
_LARGEST = float(np.finfo(np.float32).max)  # what pictures are computed in


class _Short(reprlib.Repr):
    """Values in a few words."""

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002  # the base class's signature
        """Write a number with its digits, or, where they are many, say how many."""
        digits = int(x.bit_length() * math.log10(2)) + 1
        # Python refuses to write out thousands of them.
        return repr(x) if digits <= 40 else f"a whole number of some {digits} digits"


_short = _Short()
_short.maxstring = _short.maxother = 60


def turned_off(variable: str) -> bool:
    """Return whether an environment variable is `off`, `no`, `false` or `0`."""
    return os.environ.get(variable, "").strip().lower() in ("off", "no", "false", "0")


def shown(value: object) -> str:
    """Return a value as a message names it: on one line, shortened."""
    return " ".join(_short.repr(value).split())


def on_one_line(text: str) -> str:
    """Return a text, such as the name of a file, with escapes for what is not to be printed.

    Names of files may hold line breaks, what terminals take for commands, and bytes that are no
    text.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    # A byte that is no text, as Python's names of files have it.
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]


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


def from_digits(name: str, text: str, error: type[OnnxscopeError] = InputError) -> int:
    """Return the number that a text of decimal digits is.

    Args:
        name: What it counts, for messages.
        text: The digits.
        error: What is raised.

    Raises:
        OnnxscopeError: of the kind `error`: there are more than anything here has.
    """
    if len(text) > _MOST_DIGITS:
        raise error(f"{name} has {len(text)} digits; no number here has over {_MOST_DIGITS}")
    return int(text)


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
    is_list = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping)
    given = tuple(cast(Iterable[object], values)) if is_list else ()
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


def settle(instance: DataclassInstance, but: Collection[str] = ()) -> None:
    """Check the fields of a dataclass whose defaults are numbers and flags, in its `__post_init__`.

    Numbers become `float` and flags `bool`, so that they can be written down.

    Args:
        instance: Of the dataclass.
        but: Names of fields that are something else, and checked elsewhere.

    Raises:
        InputError: a value is of another type than its field's default, or not finite.
    """
    for field in fields(instance):
        if not field.init or field.name in but:
            continue
        value: object = getattr(instance, field.name)
        is_flag = isinstance(field.default, bool)
        value = flag(field.name, value) if is_flag else real(field.name, value)
        object.__setattr__(instance, field.name, value)


def flag(name: str, value: object) -> bool:
    """Return `value` as a `bool`.

    Raises:
        InputError: it is neither true nor false; a number is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be true or false, not {shown(value)}")
    return bool(value)


def text(name: str, value: object, example: str, error: type[OnnxscopeError] = InputError) -> str:
    """Return `value`, where it is text and not empty.

    Args:
        name: Of the argument, for messages.
        value: What was given.
        example: What it could be, for messages: `"a name such as 'cpu'"`.
        error: What is raised.

    Raises:
        OnnxscopeError: of the kind `error`: it is something else.
    """
    if isinstance(value, str) and value:
        return value
    raise error(f"{name} must be {example}, not {shown(value)}")


def texts(
    name: str, values: object, example: str, error: type[OnnxscopeError] = InputError
) -> tuple[str, ...]:
    """Return `values` as texts, none of them empty; a single text counts as one of them.

    Raises:
        OnnxscopeError: of the kind `error`: they are no list of texts.
    """
    given = (values,) if isinstance(values, str) else listed(name, values, example, error)
    wrong = [value for value in given if not isinstance(value, str) or not value]
    if wrong:
        raise error(f"{name} must be a list of {example}, not one with {shown(wrong[0])} in it")
    return tuple(str(value) for value in given)


def listed(
    name: str, values: object, example: str, error: type[OnnxscopeError] = InputError
) -> tuple[object, ...]:
    """Return `values` as a tuple.

    Raises:
        OnnxscopeError: of the kind `error`: they are no list, as text and bytes are none.
    """
    if isinstance(values, str | bytes | bytearray | Mapping) or not isinstance(values, Iterable):
        raise error(f"{name} must be a list of {example}, not {shown(values)}")
    try:
        return tuple(values)
    except TypeError:  # an array without axes says that it can be gone through
        raise error(f"{name} must be a list of {example}, not {shown(values)}") from None


def by_name(name: str, values: Mapping[str, T] | None, example: str) -> dict[str, T]:
    """Return `values` as a dictionary whose keys are names.

    Args:
        name: Of the argument, for messages.
        values: What was given; `None` counts as nothing.
        example: What it could be, for messages: `"{'mask': 1}"`.

    Raises:
        InputError: it is no mapping, or a key is no text.
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InputError(f"{name} must be given by name, such as {example}, not {shown(values)}")
    for key in values:
        if not isinstance(key, str):
            raise InputError(
                f"{name} must be given by name, such as {example}: {shown(key)} is no name"
            )
    return dict(values)


def of_kind(name: str, value: T, kind: type, example: str) -> T:
    """Return an argument that is of a class or protocol; the class itself would pass for one.

    Args:
        name: Of the argument, for messages.
        value: What was given.
        kind: What it has to be.
        example: What gives one, for messages: `"Adam(0.05)"`.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, type) or not isinstance(value, kind):
        raise InputError(
            f"{name} must be an object such as {example}, not {shown(value)}{lacking(value, kind)}"
        )
    return value


def a_function(name: str, value: object, of: str, *, takes: int | None = None) -> None:
    """See that an argument can be called.

    Args:
        name: Of the argument, for messages.
        value: What was given.
        of: What it is called with, for messages: `"a Progress"`.
        takes: How many arguments that is, where it is known; of what was written in C it may not
            be known whether it takes them.

    Raises:
        InputError: it cannot be called, or does not take as many.
    """
    if not callable(value):
        raise InputError(f"{name} must be a function of {of}, not {shown(value)}")
    if takes is None:
        return
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*range(takes))
    except TypeError as error:
        raise InputError(f"{name} must be a function of {of}: {error}") from error


def path(name: str, value: object) -> Path:
    """Return `value` as a path.

    Raises:
        InputError: it is neither text nor a path of Python's, or empty.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise InputError(f"{name} must be a path, such as 'picture.png', not {shown(value)}")
    found = os.fspath(value)
    if not isinstance(found, str) or "\0" in found:
        raise InputError(f"{name} must be a path, such as 'picture.png', not {shown(value)}")
    return Path(found)


def height_and_width(name: str, value: object) -> tuple[int, int]:
    """Return a picture's height and width in pixels, each at least 1.

    Args:
        name: Of the argument, for messages.
        value: Both, or one number for both.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 2:
        height, width = value
        return whole(name, height, 1), whole(name, width, 1)
    try:
        pixels = whole(name, value, 1)
    except InputError as error:
        raise InputError(f"{error}; expected pixels, such as 224 or (240, 320)") from error
    return pixels, pixels


def shapes(name: str, values: Mapping[str, Sequence[int]] | None) -> dict[str, tuple[int, ...]]:
    """Return shapes by name, each of whole numbers that are at least 0.

    Raises:
        InputError: they are something else.
    """
    example = "{'x': (1, 3, 224, 224)}"
    return {
        key: tuple(
            whole(f"each size of {key!r} in {name}", size, 0)
            for size in listed(f"each shape in {name}", value, "sizes such as (1, 3, 224, 224)")
        )
        for key, value in by_name(name, values, example).items()
    }
