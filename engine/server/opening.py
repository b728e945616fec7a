"""A project that is there, opened with its model and its plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, OnnxscopeError
from ..network.loading import load
from ..network.model import Model
from ..pictures.series import Settings
from ..plain import path as a_path
from ..plain import whole
from ..runtime.session import check_provider
from ..store.plan import Plan, make_plan
from ..store.project import Project
from ..store.remembered import Remembered, together

if TYPE_CHECKING:
    from ..importer.opsets import ModelSource


def is_project(folder: Path) -> bool:
    """Return whether a folder is a project, whatever is in it."""
    return (folder / "project.json").is_file()


def opened(
    model: Model | ModelSource,
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
    if isinstance(model, str | os.PathLike) and is_project(a_path("model", model)):
        if folder is not None:
            raise InputError(f"{model} is a project itself; no other folder can be given with it")
        project = Project.open(model)
        network = model_of(project)
    else:
        network = model if isinstance(model, Model) else load(model)
        target = f"{Path(network.name).stem}-microscope" if folder is None else folder
        project = Project.create(a_path("folder", target), network)
    settings = Settings(provider=check_provider(provider))
    if seed is not None:
        settings["seed"] = whole("seed", seed, 0)
    chosen = any(one is not None for one in (layers, units, quality, size, steps, seed))
    last = Remembered.of(project)
    if last is not None and not chosen:
        return last_plan(project, network, last, settings), project
    shared = None
    if last is not None and quality is None:
        # What is not said otherwise is as it was.
        size, steps = last.size if size is None else size, last.steps if steps is None else steps
        settings["seed"], shared = settings.get("seed", last.seed), last.shared
    plan = make_plan(
        network,
        layers,
        units=units,
        kinds=None if last is None else last.kinds or None,
        quality="draft" if quality is None else quality,
        size=size,
        steps=steps,
        settings=settings,
    )
    return together(plan if shared is None else replace(plan, shared=shared), project), project


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


def last_plan(project: Project, model: Model, last: Remembered, settings: Settings) -> Plan:
    """Return the last plan of a project, so that its pictures are found.

    Args:
        project: The project.
        model: Its model.
        last: What is written down of the plan.
        settings: What else pictures are made with: the provider.

    Raises:
        InputError: it was made with settings that cannot be given here.
    """
    every = sorted({unit for units in last.units.values() for unit in units})
    plan = make_plan(
        model,
        list(last.units),
        units=",".join(map(str, every)),
        # Of one that has photographs alone, what is looked at is made all the same.
        kinds=last.kinds or None,
        size=last.size,
        steps=last.steps,
        settings=Settings(**{**settings, "seed": last.seed}),
    )
    units = tuple(last.units[layer.name] for layer in plan.layers)
    plan = replace(plan, units=units, shared=last.shared, photos=last.photos, scored=last.scored)
    differing = last.differing(plan)
    if differing:
        raise InputError(
            f"{project.folder} was made with other {' and '.join(differing)} than is the rule; "
            "name another folder"
        )
    return plan
