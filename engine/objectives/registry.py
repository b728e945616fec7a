"""Which objectives a recipe can name, and how one is read back."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import TargetError
from ..registry import DEEPEST
from . import algebra, penalties, units
from .algebra import OBJECTIVES, Objective

_FAMILIES = (algebra, penalties, units)
"""The modules whose classes recipes know: each adds its own as it is imported."""


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


def check_depth(objective: Objective) -> None:
    """See, before any work, that an objective's recipe can be read back.

    Raises:
        TargetError: it is nested too deeply.
    """
    level, depth = [objective], -1
    while level:
        depth += 1
        level = [part for outer in level for part in outer.parts()]
    if depth > DEEPEST:
        raise TargetError(
            f"the objective is nested {depth} deep, at most {DEEPEST} are possible; "
            "a function with @objective computes as much as it likes"
        )
