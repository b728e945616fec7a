"""A picture again, from its recipe."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ..ascent import registry as optimizers
from ..ascent.loop import Callback
from ..ascent.optimizers import Optimizer
from ..errors import InputError
from ..network.loading import load
from ..network.model import Model
from ..objectives import registry as objectives
from ..objectives.algebra import Objective
from ..parameterizations import registry as parameterizations
from ..parameterizations.base import Parameterization
from ..plain import flag, shown
from ..transforms import registry as known_transforms
from ..transforms.base import Transform
from .picture import Picture
from .recipe import Recipe
from .rendering import render

if TYPE_CHECKING:
    from ..rules.table import RuleTable


def remake(
    recipe: Recipe,
    model: Model | str | None = None,
    *,
    objective: Objective | str | Sequence[Objective | str] | None = None,
    transforms: Sequence[Transform] | None = None,
    parameterization: Parameterization | None = None,
    optimizer: Optimizer | None = None,
    rules: RuleTable | str | Sequence[str] | None = None,
    provider: str | None = None,
    callback: Callback | None = None,
    snapshots: Collection[int] = (),
    batch_size: int | None = None,
    cache: bool = True,
) -> Picture:
    """Make a picture again from its recipe.

    Code of its author's, such as a function with `@objective`, a recipe can only name: that is
    passed here, in the recipe's place.

    Args:
        recipe: From `Picture.recipe` or `read_recipe`.
        model: The model or where it is now, where the recipe's name does not lead to it.
        objective: As for `render`; by default the recipe's.
        transforms: As for `render`; by default the recipe's.
        parameterization: As for `render`; by default the recipe's.
        optimizer: As for `render`; by default the recipe's.
        rules: As for `render`; by default those that the recipe names.
        provider: By default the recipe's.
        callback: As for `render`.
        snapshots: As for `render`.
        batch_size: As for `render`.
        cache: As for `render`.

    Raises:
        InputError: the model is another one than the recipe's.
        OnnxscopeError: a part of the recipe is damaged, or only named and not given here.
    """
    if not isinstance(recipe, Recipe):
        raise InputError(f"remake takes a recipe, as read_recipe gives it, not {shown(recipe)}")
    cache = flag("cache", cache)
    if not isinstance(model, Model):
        model = load(
            recipe.model["name"] if model is None else model,
            **recipe.model.get("preprocessing", {}),
            cache=cache,
        )
    if not _is_model_of(recipe, model):
        raise InputError(
            f"{model.name} is not the model of the recipe: its SHA-256 is {model.sha256[:12]}…, "
            f"the recipe's {recipe.model['sha256'][:12]}…"
        )
    if objective is None:
        objective = objectives.from_json(recipe.objective)
    if transforms is None:
        transforms = known_transforms.from_json(recipe.transforms)
    if parameterization is None:
        parameterization = parameterizations.from_json(recipe.parameterization)
    if optimizer is None:
        optimizer = optimizers.from_json(recipe.optimizer)
    return render(
        model,
        objective,
        size=recipe.size,
        steps=recipe.steps,
        seed=recipe.seed,
        batch=recipe.batch,
        same_start=recipe.same_start,
        provider=recipe.provider if provider is None else provider,
        precision=recipe.precision,
        parameterization=parameterization,
        transforms=transforms,
        optimizer=optimizer,
        redirect_steps=recipe.redirect_steps,
        leak=recipe.leak or 0,
        leak_steps=recipe.leak_steps,
        starts=1 if recipe.starts is None else recipe.starts,
        show=recipe.show,
        snapshots=snapshots,
        callback=callback,
        rules=recipe.rules if rules is None else rules,
        batch_size=batch_size,
        cache=cache,
    )


def _is_model_of(recipe: Recipe, model: Model) -> bool:
    """Whether the file is the recipe's, or was converted from the same published weights."""
    weights = model.metadata.weights_sha256 if model.metadata is not None else ""
    same_weights = bool(weights) and weights == recipe.model.get("weights_sha256")
    return same_weights or model.sha256 == recipe.model["sha256"]
