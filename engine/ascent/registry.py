"""Which optimizers a recipe can name, and how one is written down and read back."""

from __future__ import annotations

from typing import Any

from .optimizers import OPTIMIZERS, Optimizer


def to_json(optimizer: Optimizer) -> dict[str, Any]:
    """Write an optimizer down as plain data, for a recipe: without its state."""
    return OPTIMIZERS.to_json(optimizer)


def from_json(data: object) -> Optimizer:
    """Read back the optimizer that `to_json` wrote down.

    Raises:
        InputError: the data is damaged, or names one that this version does not have, or code of
            its author's.
    """
    return OPTIMIZERS.from_json(data)
