"""All that a project knows of its units, in one file for other programs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import InputError, nearest
from ..files import write_bytes
from ..network.layers.layer import Layer
from .kinds import KINDS
from .likeness import alike
from .opacity import SUFFIX as OPACITY
from .photos import score_question, unit_question
from .plan import EXAMPLES, SCORES, Plan
from .project import Project
from .questions import PHOTOS_SUFFIX, Question
from .relations import Related, related

_FORMAT = 1
_LOOKS = ("mean", "max", "middle")
_ASIDE = frozenset({"asked", "files", "layer", "unit", "kind", "looks", "means", "earlier"})
"""What of an answer stands elsewhere, or in the arrays alone."""


def export(plan: Plan, project: Project, form: str) -> Path:
    """Write what is known of all units, of what is there by now.

    Args:
        plan: What the project shall have.
        project: Where it is, and where the file goes.
        form: `json` for `units.json`: of each unit its pictures' files, recipes, values, curves,
            and the units that it is like, made of and counts for; or `npz` for `values.npz`, whose
            arrays are called by what they are, kind and layer, such as `mean/channel/fire6`.

    Returns:
        The file.

    Raises:
        InputError: there is no such form, or an answer is damaged.
        OutputError: it cannot be written.
    """
    name, write = FORMS[checked_forms([form])[0]]
    target = project.folder / name
    write_bytes(target, write(plan, project), own=True)
    return target


def checked_forms(names: Sequence[str]) -> list[str]:
    """Return names of forms as they are (see `export`).

    Raises:
        InputError: there is no such form.
    """
    found = [name.strip() for name in names]
    for name in found:
        if name not in FORMS:
            raise InputError(
                f"what is exported is {' or '.join(FORMS)}, not {name!r}{nearest(name, FORMS)}"
            )
    return found


def _as_json(plan: Plan, project: Project) -> bytes:
    found = {layer.name: _answers(plan, project, layer) for layer in plan.layers}
    relations = related({layer: _shares(answers) for layer, answers in found.items()})
    titles = {layer.name: layer.title for layer in plan.model.layers.values()}
    data = {
        "format": _FORMAT,
        "version": __version__,
        "model": project.model,
        "made_with": plan.made_with,
        "layers": [
            {
                "name": layer.title,
                "value": layer.name,
                "shape": list(layer.shape),
                "units": _units(
                    project, layer, found[layer.name], relations.get(layer.name, {}), titles
                ),
            }
            for layer in plan.layers
        ],
    }
    return (json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _units(
    project: Project,
    layer: Layer,
    answers: Mapping[str, Mapping[int, tuple[Question, dict[str, Any]]]],
    relations: Mapping[int, Related],
    titles: Mapping[str, str],
) -> list[dict[str, Any]]:
    channels = answers.get("channel", {})
    friends = alike({u: known["means"] for u, (_, known) in channels.items() if "means" in known})
    found = []
    for unit in sorted({unit for of_kind in answers.values() for unit in of_kind}):
        one: dict[str, Any] = {"unit": unit, "target": f"{layer.title}:{unit}", "pictures": {}}
        for name, of_kind in answers.items():
            if unit not in of_kind:
                continue
            question, known = of_kind[unit]
            told = {key: value for key, value in known.items() if key not in _ASIDE}
            if name not in KINDS:
                files = {"patches": PHOTOS_SUFFIX} if name == EXAMPLES else {}
                one[name] = told | _files(project, question, files)
                continue
            files = {"file": ".png"} | ({"importance": OPACITY} if _counts(known) else {})
            looks = [{key: look[key] for key in _LOOKS} for look in known["looks"]]
            asked = {"objective": known["asked"]["objective"], "batch": known["asked"]["batch"]}
            one["pictures"][name] = (
                _files(project, question, files) | {"values": looks, "asked": asked} | told
            )
        near = relations.get(unit, Related())
        one["alike"] = friends.get(unit, [])
        one["earlier"] = {titles[near.before]: near.earlier} if near.earlier else {}
        one["later"] = {titles[name]: units for name, units in near.later.items()}
        found.append(one)
    return found


def _counts(known: Mapping[str, Any]) -> bool:
    return OPACITY in known.get("files", ())


def _files(project: Project, question: Question, names: Mapping[str, str]) -> dict[str, str]:
    return {
        name: project.path_of(question, suffix).relative_to(project.folder).as_posix()
        for name, suffix in names.items()
    }


def _as_npz(plan: Plan, project: Project) -> bytes:
    arrays: dict[str, np.ndarray] = {}
    for layer in plan.layers:
        answers = _answers(plan, project, layer)
        for name, of_kind in answers.items():
            end = f"{name}/{layer.title}"
            units = sorted(of_kind)
            rows = [of_kind[unit][1] for unit in units]
            if not units:
                continue
            arrays[f"units/{end}"] = np.array(units, np.int64)
            if name in KINDS:
                for look in _LOOKS:
                    numbers = [[one[look] for one in row["looks"]] for row in rows]
                    arrays[f"{look}/{end}"] = np.array(numbers, np.float32)
            elif name == SCORES:
                for score in ("superstimulus", "agreement", "path"):
                    scores = [np.nan if row[score] is None else row[score] for row in rows]
                    arrays[f"{score}/{end}"] = np.array(scores, np.float32)
            else:
                for fact in ("mean", "std", "positive"):
                    arrays[f"{fact}/{end}"] = np.array([row[fact] for row in rows], np.float32)
            if rows and all("means" in row for row in rows):
                arrays[f"means/{end}"] = np.array([row["means"] for row in rows], np.float32)
        shares = _shares(answers)
        by_layer: dict[str, list[int]] = {}
        for unit, (before, _) in shares.items():
            by_layer.setdefault(before, []).append(unit)
        for before, units in by_layer.items():
            end = f"{plan.model.layers[before].title}/{layer.title}"
            arrays[f"sharing/{end}"] = np.array(units, np.int64)
            arrays[f"shares/{end}"] = np.stack([shares[unit][1] for unit in units])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _answers(
    plan: Plan, project: Project, layer: Layer
) -> dict[str, dict[int, tuple[Question, dict[str, Any]]]]:
    """By kind and unit what is there of a layer."""
    units: Sequence[int] = plan.units_of(layer)
    asked = {
        kind.name: {unit: plan.wanted(layer, unit, kind).question for unit in units}
        for kind in plan.kinds_of(layer)
    }
    if plan.photos is not None:
        asked[EXAMPLES] = {unit: unit_question(plan, layer, unit) for unit in units}
    if plan.scored:
        asked[SCORES] = {
            unit: score_question(plan, layer, unit, picture)
            for unit, picture in asked["channel"].items()
        }
    found: dict[str, dict[int, tuple[Question, dict[str, Any]]]] = {}
    for name, of_kind in asked.items():
        found[name] = {}
        for unit, question in of_kind.items():
            known = project.answer(question)
            if known is not None:
                found[name][unit] = question, known
    return found


def _shares(
    answers: Mapping[str, Mapping[int, tuple[Question, dict[str, Any]]]],
) -> dict[int, tuple[str, np.ndarray]]:
    return {
        unit: (known["earlier"]["layer"], np.array(known["earlier"]["shares"], np.float32))
        for unit, (_, known) in answers.get("channel", {}).items()
        if known.get("earlier")
    }


FORMS: Mapping[str, tuple[str, Callable[[Plan, Project], bytes]]] = {
    "json": ("units.json", _as_json),
    "npz": ("values.npz", _as_npz),
}
"""By name, the file that is written, and what writes it."""
