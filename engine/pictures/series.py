"""Many units, each with a picture of its own that is the same as when it is made alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict, Unpack

from ..errors import AscentError, MemoryShortageError, OnnxscopeError, OperatorError, StepError
from ..identity import describe
from ..network.model import Model
from ..objectives.algebra import Objective
from ..objectives.fed import Fed
from ..plain import whole
from ..runtime.cores import cores
from ..runtime.session import choose_provider
from .picture import Picture
from .rendering import objective_of, render

if TYPE_CHECKING:
    from ..ascent.loop import Callback
    from ..ascent.optimizers import Optimizer
    from ..parameterizations.base import Parameterization
    from ..rules.table import RuleTable
    from ..transforms.base import Transform

# On a device all pictures of a group are one graph, which has to be made for each group anew.
_GROUP_ON_DEVICE = 16
# Those that share a graph are opened once for each group.
_SHARING = 32


class Settings(TypedDict, total=False):
    """What `render` takes besides the model, the objectives and how many are made at once."""

    size: int | tuple[int, ...] | None
    steps: int
    seed: int
    batch: int
    provider: str
    parameterization: Parameterization | None
    transforms: Sequence[Transform] | None
    optimizer: Optimizer | None
    redirect_steps: int
    leak: float | None
    leak_steps: int | None
    starts: int | Sequence[int]
    patience: int | None
    rules: RuleTable | str | Sequence[str] | None
    precision: str
    cache: bool


@dataclass(frozen=True)
class Made:
    """What became of one objective.

    Attributes:
        number: Which of the objectives it is, from 0.
        picture: The picture, as `render` gives it for that objective alone; where the ascent failed
            or was interrupted, as far as it came, and `None` before its first step.
        error: What ended the ascent early, where it failed.
    """

    number: int
    picture: Picture | None
    error: OnnxscopeError | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the ascent early."""
        return self.picture is not None and self.picture.interrupted


def render_each(
    model: Model,
    objectives: Sequence[Objective],
    *,
    batch_size: int | None = None,
    begin: Callable[[int, int], object] | None = None,
    callback: Callback | None = None,
    **settings: Unpack[Settings],
) -> Iterator[Made]:
    """Make a picture for each objective, and yield those that are done as soon as they are.

    Each is what `render` makes of its objective alone, on the CPU bit for bit, and its recipe says
    no more than that. An objective that fails does not keep the others from being made.

    Args:
        model: The model.
        objectives: What the pictures are for, none of which compares pictures.
        batch_size: How many are made at once. By default one for each core of the CPU, or on a
            device sixteen, or as many as fit into memory; of objectives that share a graph, as
            those of `each_unit` do, 32. With `batch` each objective is made by itself.
        begin: Called before a group is prepared, with the numbers of its first objective and of the
            one behind its last.
        callback: As for `render`, in each group anew.
        settings: As for `render`.

    Yields:
        What became of each objective, in order. Behind an interruption nothing follows.

    Raises:
        OnnxscopeError: an argument does not fit, so that none of the first objectives even begins,
            each for the same reason; or there is not enough memory for a single one.
    """
    if batch_size is not None:
        batch_size = whole("batch_size", batch_size, 1)
    shared = _one_for_all(objectives) is not None
    size = batch_size or (_SHARING if shared else _group_size(settings.get("provider", "auto")))
    if settings.get("batch", 1) != 1 or settings.get("patience") is not None:
        # With patience those of a group end together.
        size = 1
    next_one = 0
    waiting: list[Made] | None = []
    while next_one < len(objectives):
        numbers = range(next_one, min(next_one + size, len(objectives)))
        if begin is not None:
            begin(numbers.start, numbers.stop)
        try:
            found = list(_made(model, objectives, numbers, callback, settings))
        except MemoryShortageError as error:
            if batch_size is not None or not 0 < error.fitting < len(numbers):
                raise
            size = error.fitting
            continue
        if waiting is not None:
            waiting += found
            fault = _fault_of_all(waiting)
            if fault is not None and (len(waiting) > 1 or numbers.stop == len(objectives)):
                raise fault
            if fault is not None:
                # One alone does not tell whether it is at fault itself.
                next_one = numbers.stop
                continue
            found, waiting = waiting, None
        yield from found
        if any(made.interrupted for made in found):
            return
        next_one = numbers.stop


def _fault_of_all(found: Sequence[Made]) -> OnnxscopeError | None:
    """The error of objectives of which none even begins, all for the same reason: an argument's.

    A step that fails and an operator without a gradient are the single objective's own.
    """
    errors = [made.error for made in found if made.picture is None]
    first = errors[0] if len(errors) == len(found) else None
    if first is None or any(str(error) != str(first) for error in errors):
        return None
    return None if isinstance(first, OperatorError | StepError) and len(found) > 1 else first


def _made(
    model: Model,
    objectives: Sequence[Objective],
    numbers: range,
    callback: Callback | None,
    settings: Settings,
) -> Iterator[Made]:
    """Make the pictures of some objectives together, or where that fails each by itself."""
    chosen = [objectives[number] for number in numbers]
    try:
        if len(chosen) == 1:
            alone = render(model, chosen[0], callback=callback, progress=False, **settings)
            yield Made(numbers.start, alone)
            return
        picture = render(
            model,
            _one_for_all(chosen) or chosen,
            batch_size=len(chosen),
            same_start=True,
            callback=callback,
            # Whoever makes thousands shows how far it is in one place.
            progress=False,
            **settings,
        )
    except MemoryShortageError:
        raise
    except OnnxscopeError as error:
        if len(chosen) == 1:
            made = error.picture if isinstance(error, AscentError) else None
            yield Made(numbers.start, made, error)
            return
        # One of them is at fault, and alone it shows which.
        for number in numbers:
            for made in _made(model, objectives, range(number, number + 1), callback, settings):
                yield made
                if made.interrupted:
                    return
        return
    for index, number in enumerate(numbers):
        objective = objective_of(chosen[index], settings.get("parameterization"))
        yield Made(number, _alone(picture, index, objective))


def _one_for_all(objectives: Sequence[Objective]) -> Objective | None:
    """One objective of all pictures, which share its graph; `None` where they do not."""
    fed = [one for one in objectives if isinstance(one, Fed) and one.count == 1]
    if len(fed) < max(len(objectives), 2):
        return None
    alike = describe(fed[0].unfed())
    return fed[0].joined(fed[1:]) if all(describe(o.unfed()) == alike for o in fed[1:]) else None


def _alone(picture: Picture, index: int, objective: Objective) -> Picture:
    """One of a group's pictures, as `render` gives it for its objective."""
    one = picture[index]
    (warnings,) = one.warnings_by_picture
    starts = None if one.recipe.starts is None else one.recipe.starts[index : index + 1]
    recipe = replace(
        one.recipe, objective=objective.to_json(), batch=1, same_start=False, starts=starts
    )
    return replace(one, recipe=recipe, warnings=warnings, objective=objective)


def _group_size(provider: str) -> int:
    return cores() if choose_provider(provider).name == "cpu" else _GROUP_ON_DEVICE
