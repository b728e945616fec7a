"""What `render` is asked for, in the one form that an ascent takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..ascent.batching import is_divisible
from ..ascent.composition import Composition
from ..ascent.optimizers import Optimizer
from ..errors import InputError
from ..network.model import Model
from ..objectives.algebra import Objective, check_objective, objectives_in
from ..objectives.depth import check_recipe
from ..objectives.fed import Fed, own_count
from ..objectives.own_objectives import Each
from ..objectives.ranges import expand_targets
from ..objectives.targets import resolve
from ..parameterizations.base import Parameterization
from ..plain import shown, whole
from ..rules.named import checked_names

if TYPE_CHECKING:
    from ..parameterizations.fixed import Channel
    from ..rules.table import RuleTable


def objective_for(
    model: Model, objective: Objective | str | Sequence[Objective | str], batch: int
) -> tuple[Objective, int]:
    """Return one objective for the batch, and how many pictures that is.

    Raises:
        OnnxscopeError: it is none, or its pictures are not as many as were asked for.
    """
    if isinstance(objective, str):
        targets = expand_targets(model, [objective])
        objective = resolve(model, targets[0]) if len(targets) == 1 else targets
    if isinstance(objective, Each):
        return objective_for(model, objective.objectives, batch)
    if isinstance(objective, Fed) and objective.count > 1:
        if batch not in (1, objective.count):
            raise InputError(f"{objective} make as many pictures; leave batch={batch} out")
        check_recipe(objective)
        return objective, objective.count
    if isinstance(objective, Objective):
        check_recipe(objective)
        return objective, _batch_of(objective, batch)
    if not isinstance(objective, Sequence):
        check_objective(objective)
    parts: list[object] = []
    for part in objective:
        if isinstance(part, str):
            parts += [resolve(model, target) for target in expand_targets(model, [part])]
        else:
            parts.append(part)
    if batch not in (1, len(parts)):
        raise InputError(
            f"{len(parts)} objectives make {len(parts)} pictures; leave batch={batch} out"
        )
    every = Each(objectives_in("each", parts))
    check_recipe(every)
    return every, len(parts)


def _batch_of(objective: Objective, batch: int) -> int:
    """How many pictures an objective is for: as many as a part of it that has one for each.

    Raises:
        InputError: another number was asked for.
    """
    count = own_count(objective)
    if count is None or batch == count:
        return batch
    if batch != 1:
        raise InputError(f"{objective} makes {count} pictures; leave batch={batch} out")
    return count


def around(fix: Mapping[int, Channel], parameterization: Parameterization) -> Parameterization:
    """Return what makes pictures around given channels; those of transparent ones are colours."""
    # Imported here: few pictures have channels that are given.
    from ..parameterizations.fixed import fixed
    from ..parameterizations.transparent import Transparent

    if isinstance(parameterization, Transparent):
        return replace(parameterization, of=fixed(fix, parameterization.of))
    return fixed(fix, parameterization)


def rules_asked_for(
    rules: RuleTable | str | Sequence[str] | None,
) -> RuleTable | tuple[str, ...] | None:
    """Return gradient rules, or names of tables of them.

    Raises:
        InputError: they are something else, or there is no table of a name.
    """
    if rules is None or isinstance(rules, str | list | tuple):
        return None if rules is None else checked_names(rules)
    # Whoever has a table has imported this.
    from ..rules.table import RuleTable

    if not isinstance(rules, RuleTable):
        raise InputError(
            "rules must be a table such as standard_rules(), or names such as 'smoothed_pooling', "
            f"not {shown(rules)}"
        )
    return rules


def starts_asked_for(
    starts: object, objective: Objective, batch: int, *, same_start: bool
) -> int | tuple[int, ...]:
    """Return how many starts each picture tries, or which one each has.

    Raises:
        InputError: they are something else, or do not fit the pictures.
    """
    if isinstance(starts, list | tuple | range):
        numbers = tuple(whole("each of starts", number, 0) for number in starts)
        if len(numbers) != batch or same_start:
            raise InputError(
                f"starts says which of the seed's pictures each of {batch} is; it has "
                f"{len(numbers)}" + (", beside same_start" if same_start else "")
            )
        return numbers
    count = whole("starts", starts, 1)
    if count > 1 and objective.mixes_pictures:
        raise InputError(
            f"starts={count} chooses among the starts of each picture, and the objective "
            f"{objective} compares pictures; leave starts out"
        )
    return count


def divided(size: int, composition: Composition, optimizer: Optimizer) -> int:
    """Return how many pictures are made at once, where that was asked for.

    Raises:
        InputError: the pictures have to be made together.
    """
    if size < composition.batch and composition.objective.mixes_pictures:
        raise InputError(
            f"batch_size={size} divides {composition.batch} pictures, which the objective "
            f"{composition.objective} compares; leave batch_size out"
        )
    if size < composition.batch and getattr(composition.parameterization, "mixes_pictures", False):
        raise InputError(
            f"batch_size={size} divides {composition.batch} pictures, which share a part of what "
            "they are made of; leave batch_size out"
        )
    if size < composition.batch and not is_divisible(composition, optimizer):
        raise InputError(
            f"batch_size={size} divides {composition.batch} pictures, but code of your own, which "
            "may join them, is among objective, parameterization, transforms, optimizer and rules; "
            "leave batch_size out"
        )
    return min(size, composition.batch)
