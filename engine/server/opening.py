"""A project that is there, opened with its model and its plan."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, OnnxscopeError
from ..network.loading import load
from ..network.model import Model
from ..network.photos import in_colour
from ..pictures.series import Settings
from ..plain import path as a_path
from ..plain import whole
from ..runtime.session import check_provider
from ..store.photos import Photos
from ..store.plan import Plan, make_plan
from ..store.project import Project

_KEPT = ("size", "steps", "seed")


def is_project(folder: Path) -> bool:
    """Return whether a folder is a project, whatever is in it."""
    return (folder / "project.json").is_file()


def opened(
    model: Model | str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    layers: str | Sequence[str] | None = None,
    *,
    units: str | None = None,
    quality: str | None = None,
    size: int | tuple[int, int] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    provider: str = "auto",
) -> tuple[Plan, Project]:
    """Open or begin what is served (see `onnxscope.serve`).

    Raises:
        OnnxscopeError: see `onnxscope.serve`.
    """
    chosen = any(one is not None for one in (layers, units, quality, size, steps, seed))
    if not isinstance(model, Model) and is_project(a_path("model", model)):
        if folder is not None:
            raise InputError(f"{model} is a project itself; no other folder can be given with it")
        project = Project.open(model)
        network = model_of(project)
    else:
        network = in_colour(model if isinstance(model, Model) else load(os.fspath(model)))
        target = f"{Path(network.name).stem}-microscope" if folder is None else folder
        project = Project.create(a_path("folder", target), network)
    known = None if chosen else plan_of(project, network, check_provider(provider))
    if known is not None:
        return known, project
    plan = make_plan(
        network,
        layers,
        units=units,
        quality="draft" if quality is None else quality,
        size=size,
        steps=steps,
        settings=Settings(seed=0 if seed is None else whole("seed", seed, 0), provider=provider),
    )
    return plan, project


def model_of(project: Project) -> Model:
    """Load the model of a project.

    Raises:
        InputError: it is not where it was.
    """
    name = str(project.model.get("name"))
    given: dict[str, Any] = dict(project.model.get("preprocessing") or {})
    try:
        model = load(name)
        if model.arguments() != given:
            model = load(name, **given)
    except OnnxscopeError as error:
        raise InputError(
            f"{project.folder} is the project of {name}, which cannot be opened ({error}); give "
            f"the model, and -o {project.folder}"
        ) from error
    project.check(model)
    return model


def plan_of(project: Project, model: Model, provider: str) -> Plan | None:
    """Return the last plan of a project, so that its pictures are found; `None` if it has none.

    Args:
        project: The project.
        model: Its model.
        provider: As for `render`.

    Raises:
        InputError: it is damaged, or made with settings that cannot be given here.
    """
    known = project.plan
    if known is None:
        return None
    try:
        layers = {one["name"]: [int(unit) for unit in one["units"]] for one in known["layers"]}
        made_with, kinds = dict(known["made_with"]), list(known["kinds"])
        size, steps, seed = (made_with[name] for name in _KEPT)
        shared = bool(known["shared"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{project.folder / 'plan.json'} is damaged ({error!r}); remove it"
        ) from error
    every = sorted({unit for units in layers.values() for unit in units})
    plan = make_plan(
        model,
        list(layers),
        units=",".join(map(str, every)),
        kinds=kinds,
        size=tuple(size),
        steps=steps,
        settings=Settings(seed=seed, provider=provider),
    )
    units = tuple(tuple(sorted(layers[layer.name])) for layer in plan.layers)
    photos = Photos.remembered(project)
    scored = photos is not None and bool(known.get("scored"))
    plan = Plan(model, plan.layers, units, plan.kinds, plan.settings, shared, photos, scored)
    now = json.loads(json.dumps(plan.made_with))
    differing = [name for name in made_with if made_with[name] != now.get(name)]
    if differing:
        raise InputError(
            f"{project.folder} was made with other {' and '.join(differing)} than is the rule; "
            "name another folder"
        )
    return plan
