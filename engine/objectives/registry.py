"""Which objectives a recipe can name, and how one is read back."""

from __future__ import annotations

from collections.abc import Mapping

from .algebra import OBJECTIVES, Objective


def kinds() -> Mapping[str, type[Objective]]:
    """Return the classes of all families, by the names that recipes call them."""
    return OBJECTIVES.kinds


def from_json(data: object) -> Objective:
    """Read back the objective that `Objective.to_json` wrote down.

    Raises:
        TargetError: the data is damaged, or names an objective that this version does not have, or
            code of its author's.
    """
    return OBJECTIVES.from_json(data)
