"""Whether a picture that is there already is the one that is asked for."""

from __future__ import annotations

import json

from ..ascent import registry as optimizers
from ..ascent.fitting import fitting_optimizer
from ..ascent.leak import leak_asked_for
from ..ascent.optimizers import planned
from ..network.model import Model
from ..objectives.algebra import Objective
from ..parameterizations.base import PARAMETERIZATIONS
from ..rules.named import checked_names
from ..transforms.composition import compose
from ..transforms.composition import to_json as transforms_to_json
from .recipe import Recipe
from .rendering import objective_of, transforms_of
from .series import Settings

_IN_PARTS = ("objective", "parameterization", "transforms", "optimizer")
# Steps before the optimizer, whose schedule knows how many were planned.
_COMPARED = (
    *("objective", "parameterization", "transforms", "steps", "optimizer", "size", "seed", "batch"),
    *("redirect_steps", "leak", "leak_steps", "rules", "precision"),
)


def difference(recipe: Recipe, model: Model, objective: Objective, settings: Settings) -> str:
    """Return in what a recipe differs from that of a picture that is asked for; empty for nothing.

    Args:
        recipe: Of a picture that is there.
        model: Of the other one.
        objective: Of the other one.
        settings: Of the other one; what they leave out is not compared.
    """
    if recipe.model.get("sha256") != model.sha256:
        return "of another model"
    parameterization = settings.get("parameterization")
    climbed = objective_of(objective, parameterization)
    asked: dict[str, object] = {"objective": climbed.to_json(), **settings}
    if parameterization is not None:
        asked["parameterization"] = PARAMETERIZATIONS.to_json(parameterization)
    if (transforms := settings.get("transforms")) is not None:
        seen_through = transforms_of(compose(transforms), parameterization)
        asked["transforms"] = transforms_to_json(seen_through)
    if (optimizer := settings.get("optimizer")) is not None:
        steps = settings.get("steps", recipe.steps)
        asked["optimizer"] = optimizers.to_json(planned(optimizer, steps))
    if (rules := settings.get("rules")) is not None:
        # A table of the user's own has no name, and is in no recipe.
        asked["rules"] = checked_names(rules) if isinstance(rules, str | list | tuple) else None
    there = {name: getattr(recipe, name) for name in _COMPARED}
    if settings.get("leak") is not None or settings.get("leak_steps") is not None:
        asked["leak"], asked["leak_steps"] = _leak(settings, recipe.steps)
        leaks = recipe.leak is not None and recipe.leak_steps
        there |= {} if leaks else {"leak": 0, "leak_steps": 0}
    for name in _COMPARED:
        found, wanted = there[name], asked.get(name)
        if name == "steps" and settings.get("patience") is not None:
            continue
        if name == "size" and isinstance(wanted, tuple):
            # How many slices there are need not be said.
            found = found[-len(wanted) :]
        if wanted is None or json.dumps(found) == json.dumps(wanted):
            continue
        if name in _IN_PARTS:
            return f"of another {name}"
        return f"{name} {found}, not {wanted}"
    return ""


def _leak(settings: Settings, steps: int) -> tuple[float, int]:
    """The slope of the leak that settings ask for, and in how many steps it is: 0 where in none.

    Args:
        settings: In which something is said of it.
        steps: The length of the ascent where they do not say it.
    """
    leak = leak_asked_for(
        settings.get("leak"),
        settings.get("leak_steps"),
        settings.get("steps", steps),
        rules=settings.get("rules"),
        optimizer=settings.get("optimizer") or fitting_optimizer(settings.get("parameterization")),
        parameterization=settings.get("parameterization"),
    )
    return (0, 0) if leak is None else (leak.slope, leak.steps)
