"""From plain data back to frozen dataclasses of numbers and flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def construct(kind: type[T], arguments: Mapping[str, Any], what: str) -> T:
    """`kind(**arguments)`, with the types of its defaults.

    Args:
        kind: A dataclass whose fields have numbers or flags as defaults.
        arguments: Values by field name; fields that are left out keep their defaults.
        what: What is read, for messages.

    Raises:
        InputError: a field is unknown, or its value is of another type.
    """
    known = {f.name: f.default for f in fields(kind) if f.init}
    for name, value in arguments.items():
        default = known.get(name, MISSING)
        if default is MISSING:
            raise InputError(f"the recipe's {what} is damaged: it has no {name!r}")
        flag = isinstance(default, bool)
        if isinstance(value, bool) != flag or not isinstance(value, bool | int | float):
            raise InputError(
                f"the recipe's {what} is damaged: {name} is {value!r}, "
                f"expected {'true or false' if flag else 'a number'}"
            )
    return kind(**arguments)
