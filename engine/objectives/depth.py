"""How deep objectives are nested, so that each recipe can be read back."""

from __future__ import annotations

from ..errors import TargetError
from ..registry import DEEPEST
from .algebra import Objective


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
