"""That the recipe of an objective can be written, and read back: what is in it, and how deep."""

from __future__ import annotations

import json

from ..errors import TargetError
from ..plain import shown
from ..registry import DEEPEST
from .algebra import OBJECTIVES, Objective


def check_recipe(objective: Objective) -> None:
    """See, before any work, that an objective's recipe can be written and read back.

    Raises:
        TargetError: it is nested too deeply, or gives what is no plain data.
    """
    level, depth = [objective], -1
    while level:
        depth += 1
        for each in level:
            _check_plain(each)
        level = [part for outer in level for part in outer.parts()]
    if depth > DEEPEST:
        raise TargetError(
            f"the objective is nested {depth} deep, at most {DEEPEST} are possible; "
            "a function with @objective computes as much as it likes"
        )


def _check_plain(objective: Objective) -> None:
    """See that what code of the user's writes down is plain data."""
    if OBJECTIVES.name_of(objective) is not None:
        return
    written = objective.to_json()
    try:
        if not isinstance(written, dict):
            raise TypeError(f"it is no dictionary: {shown(written)}")
        json.dumps(written, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TargetError(
            f"to_json of the objective {objective} must give plain data for the recipe, such as "
            f'{{"custom": "{type(objective).__name__}"}}: {error}'
        ) from error
