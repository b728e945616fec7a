"""Which parameterizations a recipe can name, and how one is written down and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import PARAMETERIZATIONS, Parameterization


def kinds() -> Mapping[str, type[Parameterization]]:
    """Return the classes of all families, by the names that recipes call them."""
    return PARAMETERIZATIONS.kinds


def to_json(parameterization: Parameterization) -> dict[str, Any]:
    """Write a parameterization down as plain data, for a recipe."""
    return PARAMETERIZATIONS.to_json(parameterization)


def from_json(data: object) -> Parameterization:
    """Read back the parameterization that `to_json` wrote down.

    Raises:
        InputError: the data is damaged, or names one that this version does not have, or code of
            its author's.
    """
    return PARAMETERIZATIONS.from_json(data)
