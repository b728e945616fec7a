"""`render`: from a model and an objective to a picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..ascent import registry as optimizers
from ..ascent.batching import climb_in_runs, is_divisible, run_size
from ..ascent.composition import Composition
from ..ascent.fitting import fitting_optimizer
from ..ascent.forecast import check_room
from ..ascent.leak import leak_asked_for
from ..ascent.loop import Ascent, Callback, ascend
from ..ascent.optimizers import Optimizer
from ..ascent.starts import Chosen, choose, stretch
from ..cache import graph_cache
from ..errors import AscentError, InputError
from ..graph.passes.precision import check_precision
from ..network.loading import load
from ..network.model import Model
from ..network.photos import sizes_of
from ..objectives.algebra import Objective
from ..objectives.fed import Fed
from ..objectives.own_objectives import Each
from ..parameterizations.base import PARAMETERIZATIONS, Parameterization, has_opacity
from ..parameterizations.fourier import Fourier
from ..plain import flag, of_kind, whole
from ..transforms.base import Transform, takes_opacity
from ..transforms.composition import compose, to_json
from ..transforms.presets import fitting
from .arguments import check_climbing
from .asked_for import around, divided, objective_for, rules_asked_for, starts_asked_for
from .display import checked_show
from .importance import scaled
from .picture import Picture
from .recipe import Recipe, current_versions
from .remarks import remarks_by_picture
from .rising import shown_rising

if TYPE_CHECKING:
    from ..parameterizations.fixed import Channel
    from ..rules.table import RuleTable

REDIRECT_STEPS = 16
"""As in Lucid: how many first steps may redirect a missing gradient."""


def render(
    model: Model | str,
    objective: Objective | str | Sequence[Objective | str],
    *,
    size: int | tuple[int, ...] | None = None,
    steps: int = 512,
    seed: int = 0,
    batch: int = 1,
    batch_size: int | None = None,
    same_start: bool = False,
    provider: str = "auto",
    parameterization: Parameterization | None = None,
    transforms: Sequence[Transform] | None = None,
    optimizer: Optimizer | None = None,
    redirect_steps: int = REDIRECT_STEPS,
    leak: float | None = None,
    leak_steps: int | None = None,
    starts: int | Sequence[int] = 1,
    patience: int | None = None,
    fix: Mapping[int, Channel] | None = None,
    show: Sequence[int] | None = None,
    snapshots: Collection[int] = (),
    callback: Callback | None = None,
    rules: RuleTable | str | Sequence[str] | None = None,
    precision: str = "tf32",
    cache: bool = True,
    progress: bool = True,
) -> Picture:
    """Make the picture that maximises an objective.

    The defaults are Lucid's `render_vis`: a Fourier image with decorrelated colours, Adam, 512
    steps, transforms `lucid()`; but for four, for higher values, whole subjects, more contrast and
    less fine detail: Adam forgets sooner (see `Adam`), its steps are larger, and become smaller in
    the second half (see `Fourier`, as for how much faster amplitudes fall with frequency), and in
    the first quarter of the steps a part of the gradient passes ReLUs that are off.

    Args:
        model: A model, or what `onnxscope.load` takes.
        objective: An objective, or a target such as `"mixed4a:11"` (a channel), `"mixed4a"` (a
            layer) or `"daisy"` (the logit of a class); see `onnxscope.targets.resolve`. Several in
            a list make as many pictures, each for its own; so do several units of a layer, as in
            `"mixed4a:0-15,40"`.
        size: Height and width in pixels, one number for both; of volumes and videos perhaps the
            number of slices or frames before them; by default the model's usual size.
        steps: How many steps to climb.
        seed: Of everything random. Same seed, machine and provider: the same picture, on the CPU
            bit for bit.
        batch: How many pictures to make, each from its own random start. A picture is the same
            alone and among others: with `batch=4` the first is that of `batch=1`.
        batch_size: How many of them at once; the others follow in further runs. By default as many
            as fit into memory; on another device than the CPU a short measurement finds what is
            fastest where there is work enough for it (1,024 steps of a picture). Code of your own
            may join pictures, so that with it they are all made at once.
        same_start: Whether the pictures of several objectives all start alike, each as it is made
            when it is alone, instead of each from a random start of its own.
        provider: `auto` (CUDA where it works, else the CPU), or one by name: `cpu`, `cuda`, ….
        parameterization: What the picture is made of; by default `Fourier()`.
        transforms: What happens to the picture before the network in each step; `()` for nothing.
            By default `lucid()`, and of other pictures than RGB what fits them (see
            `onnxscope.transforms.presets.fitting`).
        optimizer: The update rule; by default `Adam(0.05)`, with the rate, decays and schedule that
            suit what the picture is made of, where that states them (`Fourier`, `Cppn`, `Maco`).
        redirect_steps: In this many first steps a picture without any gradient gets the redirected
            ReLU's (Lucid: 16); 0 turns it off.
        leak: What part of the gradient passes ReLUs that are off in the first steps, in [0, 1]:
            with 0.1 (Lucent's, in all steps) deep layers make whole subjects, where with 0 there is
            a mosaic of parts. By default 0.1, and 0 with `rules`, with an optimizer that needs the
            objective's own gradient, such as `LBFGS`, and where the picture starts as a photo.
        leak_steps: In how many first steps; by default in the first quarter: subjects are there by
            then, and all other steps follow the objective's own gradient. With more, values are
            lower in deep layers and contrast is higher.
        starts: How many starts to try for each picture: each is climbed for an eighth of the steps,
            and the one with the highest value is then made, just as it would be alone. A list says
            instead which of the seed's pictures each one is, such as `[2]`; a recipe does so.
        patience: Ends the ascent early, once the mean value of so many steps is no more than a
            hundredth above that of as many steps before; of several pictures, once that is so of
            all. The recipe says how many steps were made.
        fix: Channels that are given and stay as they are, by number from 0: arrays in [0, 1] or
            files (see `onnxscope.fixed`).
        show: Which channels to look at where they are no colours: one, in grey, or three as red,
            green and blue, such as (3, 2, 1).
        snapshots: Steps after which to keep the pictures, such as `(1, 32, 128, 512)`.
        callback: Called after each step with a `Progress`; returning `False` ends the ascent.
        rules: Gradient rules: names of tables (see `named_rules`), which a recipe keeps, or a table
            such as `standard_rules()` with one of your own, which it does not. By default the
            standard ones, in the forms that are fastest on the provider.
        precision: Of the network and its gradient: `tf32`, where CUDA may round what it multiplies
            to ten bits, as PyTorch does; `float32`, where it may not; `float16` for half precision,
            which is for CUDA. Other providers compute in float32 with the first two.
        cache: Whether finished graphs are kept on disk for the next process, and taken from there
            (see `onnxscope.cache`). What is made with code of your own is never kept.
        progress: Whether a notebook shows how the picture rises; elsewhere nothing is shown.

    Returns:
        The picture; on Ctrl-C what there is. Where pictures are made in several runs, those are the
        pictures of the finished runs, or of the first one as far as it came.

    Raises:
        AscentError: the provider failed on the way, or the objective was no longer finite; the
            error holds what there was as `picture`.
        MemoryShortageError: there is not enough memory; says how many pictures fit.
        OnnxscopeError: something does not fit; the message says what, and what would.
    """
    if parameterization is None:
        parameterization = Fourier()
    of_kind("parameterization", parameterization, Parameterization, "Fourier()")
    given_rules = rules_asked_for(rules)
    same_start, progress = flag("same_start", same_start), flag("progress", progress)
    climbing = check_climbing(
        steps=steps,
        seed=seed,
        batch=batch,
        provider=provider,
        optimizer=fitting_optimizer(parameterization) if optimizer is None else optimizer,
        snapshots=snapshots,
        callback=callback,
        cache=cache,
    )
    steps, seed, batch = climbing.steps, climbing.seed, climbing.batch
    provider, optimizer = climbing.provider, climbing.optimizer
    snapshots, callback, cache = climbing.snapshots, climbing.callback, climbing.cache
    redirect_steps = whole("redirect_steps", redirect_steps, 0)
    leaking = leak_asked_for(
        leak,
        leak_steps,
        steps,
        rules=rules,
        optimizer=optimizer,
        parameterization=parameterization,
    )
    if fix is not None:
        parameterization = around(fix, parameterization)
    given_warps = None if transforms is None else compose(transforms)
    if not isinstance(model, Model):
        model = load(model, cache=cache)
    objective, batch = objective_for(model, objective, batch)
    objective = objective_of(objective, parameterization)
    if same_start and not isinstance(objective, Each | Fed):
        raise InputError(
            "same_start is for the pictures of several objectives: of one they would all be the "
            "same; leave it out"
        )
    starts = starts_asked_for(starts, objective, batch, same_start=same_start)
    if patience is not None:
        patience = whole("patience", patience, 1)
        if batch_size is not None:
            raise InputError("patience ends all pictures together; leave batch_size out")
    depth, height, width = sizes_of(model, size)
    form = model.form.with_depth(depth)
    warps = compose(fitting(form, height, width)) if given_warps is None else given_warps
    warps = transforms_of(warps, parameterization)
    composition = Composition(
        model,
        objective,
        parameterization,
        warps,
        batch,
        height,
        width,
        given_rules,
        check_precision(precision),
        leaking,
        depth,
    )
    made_form = composition.made_form
    shown_channels = checked_show(show, made_form)
    if batch_size is not None:
        batch_size = divided(whole("batch_size", batch_size, 1), composition, optimizer)
    kept = graph_cache() if cache else None
    what = f"{objective} of {model.name}" if batch == 1 else f"{batch} pictures of {model.name}"
    with shown_rising(
        what, callback, wanted=progress, form=made_form, show=shown_channels
    ) as callback:
        check_room(composition, optimizer, provider, kept)

        at_once = batch_size or batch
        if batch_size is None and patience is None:
            at_once = run_size(composition, optimizer, provider, steps, kept)
        tries = starts if isinstance(starts, int) and starts > 1 else 0

        def climb(
            numbers: Sequence[int], length: int, before: int, *, final: bool = False
        ) -> tuple[Composition, Ascent]:
            def part_of(part: Composition, first: int, run: tuple[int, int]) -> Ascent:
                return ascend(
                    part,
                    steps=length,
                    seed=seed,
                    optimizer=optimizer,
                    provider=provider,
                    redirect_steps=redirect_steps,
                    snapshots=snapshots if final else (),
                    callback=callback,
                    cache=kept,
                    numbers=numbers[first : first + part.batch],
                    run=run,
                    before=before * run[1] + (run[0] - 1) * length,
                    total=(tries * stretch(steps) + steps) * run[1],
                    patience=patience if final else None,
                )

            return climb_in_runs(
                composition,
                at_once,
                part_of,
                smaller=batch_size is None
                and patience is None
                and is_divisible(composition, optimizer),
            )

        chosen = Chosen((0,) * batch if same_start else tuple(range(batch)), 0)
        if not isinstance(starts, int):
            chosen = Chosen(starts, 0)
        elif tries:
            chosen = choose(batch, tries, steps, climb, same_start=same_start)
        made, ascent = chosen.ended or climb(chosen.numbers, steps, chosen.spent, final=True)
    recipe = replace(
        _recipe(made, ascent, optimizer, seed, redirect_steps),
        same_start=same_start and starts == 1,
        starts=None if starts == 1 else chosen.numbers[: made.batch],
        show=shown_channels,
    )
    warnings = remarks_by_picture(made, ascent)
    few = (f"{made.batch} of {batch} pictures were made",) if made.batch < batch else ()
    picture = Picture(
        ascent.images,
        ascent.values[:, 0] if batch == 1 else ascent.values,
        recipe,
        ascent.provider,
        ascent.snapshots,
        ascent.interrupted,
        (*few, *dict.fromkeys(chain.from_iterable(warnings))),
        warnings,
        model=model,
        objective=made.objective,
        importance=scaled(ascent.importance),
        form=made_form,
        shown=shown_channels,
    )
    if ascent.failure is not None:
        raise AscentError(str(ascent.failure), picture) from ascent.failure
    return picture


def objective_of(objective: Objective, parameterization: Parameterization | None) -> Objective:
    """Return what is climbed for an objective: of transparent pictures it spares the opacity."""
    if not has_opacity(parameterization):
        return objective
    # Imported here, as below: few pictures are transparent.
    from ..objectives.transparency import sparing

    return sparing(objective)


def transforms_of(
    transforms: tuple[Transform, ...], parameterization: Parameterization | None
) -> tuple[Transform, ...]:
    """Return what happens to pictures in each step: behind transparent ones there is a backdrop.

    Raises:
        InputError: there is one where it cannot be.
    """
    transparent = has_opacity(parameterization)
    if not transparent and not any(map(takes_opacity, transforms)):
        return transforms
    from ..transforms.backdrops import check_no_backdrop, with_backdrop

    if transparent:
        return with_backdrop(transforms)
    check_no_backdrop(transforms)
    return transforms


def _size(composition: Composition) -> tuple[int, ...]:
    """Height and width, of volumes and videos with the number of slices before them."""
    size = composition.height, composition.width
    return size if composition.form.stack is None else (composition.form.depth, *size)


def _recipe(
    composition: Composition, ascent: Ascent, optimizer: Optimizer, seed: int, redirect_steps: int
) -> Recipe:
    model = composition.model
    described: dict[str, Any] = {"name": model.name, "sha256": model.sha256}
    if model.metadata is not None and model.metadata.weights_sha256:
        described["weights_sha256"] = model.metadata.weights_sha256
    if model.metadata is None and model.preprocessing is not None:
        described["preprocessing"] = model.arguments()
    return Recipe(
        model=described,
        objective=composition.objective.to_json(),
        parameterization=PARAMETERIZATIONS.to_json(composition.parameterization),
        transforms=to_json(composition.transforms),
        optimizer=optimizers.to_json(optimizer),
        size=_size(composition),
        batch=composition.batch,
        steps=len(ascent.values),
        seed=seed,
        redirect_steps=redirect_steps,
        provider=ascent.provider.name,
        precision=composition.precision,
        leak=None if composition.leak is None else composition.leak.slope,
        leak_steps=None if composition.leak is None else composition.leak.steps,
        rules=composition.rules if isinstance(composition.rules, tuple) else None,
        versions=current_versions(),
    )
