"""The last plan of a project, read back; and what it has together with the next one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from ..errors import InputError
from .kinds import KINDS
from .photos import Photos
from .plan import Plan

if TYPE_CHECKING:
    from .project import Project

_KEPT = ("size", "steps", "seed")


@dataclass(frozen=True)
class Remembered:
    """What a project shall have by its last plan.

    Attributes:
        units: The numbers of units, by the layer's name.
        kinds: Names of what is made of each unit.
        shared: As `Plan.shared`.
        size: Height and width of pictures in pixels.
        steps: How many each is climbed.
        seed: Of all pictures.
        photos: Photographs, without their files; `None` for none.
        scored: Whether pictures are scored by them.
        made_with: How all pictures are made, as plain data.
    """

    units: Mapping[str, tuple[int, ...]]
    kinds: tuple[str, ...]
    shared: bool
    size: tuple[int, int]
    steps: int
    seed: int
    photos: Photos | None
    scored: bool
    made_with: Mapping[str, Any]

    @classmethod
    def of(cls, project: Project) -> Self | None:
        """Read the last plan of a project; `None` where there was none.

        Raises:
            InputError: it is damaged.
        """
        known = project.plan
        if known is None:
            return None
        photos = Photos.remembered(project)
        try:
            layers = {str(one["name"]): one["units"] for one in known["layers"]}
            made_with = dict(known["made_with"])
            (height, width), steps, seed = (made_with[name] for name in _KEPT)
            return cls(
                {name: tuple(sorted(map(int, units))) for name, units in layers.items()},
                tuple(map(str, known["kinds"])),
                bool(known["shared"]),
                (int(height), int(width)),
                int(steps),
                int(seed),
                photos,
                photos is not None and bool(known.get("scored")),
                made_with,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{project.plan_file} is damaged ({error!r}); remove it") from error

    def differing(self, plan: Plan) -> list[str]:
        """Return the names of settings in which a plan makes its pictures otherwise."""
        now = json.loads(json.dumps(plan.made_with))
        return [name for name in self.made_with if self.made_with[name] != now.get(name)]


def together(plan: Plan, project: Project) -> Plan:
    """Return a plan with all that a project shall have by its last one.

    So nothing of a project vanishes from its pages where the next run asks for other layers, units
    or kinds. Where pictures are made otherwise, the new plan stands alone: only photographs stay.

    Args:
        plan: The new plan.
        project: The project.

    Raises:
        InputError: the last plan is damaged.
    """
    last = Remembered.of(project)
    if last is None:
        return plan
    photos, scored = plan.photos, plan.scored
    if photos is None:
        photos, scored = last.photos, last.scored
    if last.shared != plan.shared or last.differing(plan):
        # Scores are of channel pictures.
        scored = scored and any(kind.name == "channel" for kind in plan.kinds)
        return replace(plan, photos=photos, scored=scored)
    units = {layer.name: set(plan.units_of(layer)) for layer in plan.layers}
    for name, numbers in last.units.items():
        known = plan.model.layers.get(name)
        if known is not None:
            there = {unit for unit in numbers if 0 <= unit < known.channels}
            units[name] = units.get(name, set()) | there
    kinds = {kind.name for kind in plan.kinds} | set(last.kinds)
    layers = tuple(layer for layer in plan.model.layers.values() if units.get(layer.name))
    return replace(
        plan,
        layers=layers,
        units=tuple(tuple(sorted(units[layer.name])) for layer in layers),
        kinds=tuple(kind for kind in KINDS.values() if kind.name in kinds),
        photos=photos,
        scored=scored or last.scored,
    )
