"""Which transforms a recipe can name, and how they are read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InputError
from ..plain import shown
from .base import TRANSFORMS, Transform


def kinds() -> Mapping[str, type[Transform]]:
    """Return the classes of all families, by the names that recipes call them."""
    return TRANSFORMS.kinds


def from_json(data: object) -> tuple[Transform, ...]:
    """Read back the transforms that `to_json` wrote down.

    Raises:
        InputError: the data is damaged, or names one that this version does not have, or code of
            its author's.
    """
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise InputError(f"the recipe's transforms {shown(data)} are no list")
    return tuple(map(TRANSFORMS.from_json, data))
