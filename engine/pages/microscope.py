"""The site of a project: a page for the network, one for each layer, an anchor for each unit."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .. import __version__
from ..errors import LayerError
from ..network.class_scores import class_scores
from ..network.layers.layer import Layer
from ..network.model import Model
from ..store.kinds import Kind
from ..store.likeness import alike, order
from ..store.plan import Plan
from ..store.project import Project
from .site import check_jinja, made, page, script, slug, write_assets, write_text
from .sprites import EDGE, Sheet, write_sheet

_ASSETS = ["base.css", "base.js", "microscope.css", "microscope.js"]
_TILE = 96
_ON_A_SHEET = 64
_SAMPLES = 12
_START = "window.onnxscope = window.onnxscope || {};\n"


@dataclass(frozen=True)
class Shown:
    """What there is of one layer.

    Attributes:
        layer: The layer.
        slug: What it is called in addresses.
        units: The numbers of its units.
        kinds: What may be there of each.
        found: By kind and unit what is known of a picture that is there, with its file.
    """

    layer: Layer
    slug: str
    units: tuple[int, ...]
    kinds: tuple[Kind, ...]
    found: Mapping[str, Mapping[int, tuple[Path, Mapping[str, Any]]]]

    @property
    def count(self) -> int:
        """How many pictures are there."""
        return sum(map(len, self.found.values()))


def write_microscope(plan: Plan, project: Project) -> Path:
    """Write the site of a project, of what is there by now.

    It opens from the file system, without a server, and works without a network. Sheets of
    pictures that are as they were stay as they are.

    Args:
        plan: What the project shall have.
        project: The project, whose folder the site is in.

    Returns:
        The first page, `index.html`.

    Raises:
        InputError: Jinja2 is not installed, or what is known of a picture is damaged.
        OutputError: it cannot be written.
    """
    check_jinja()
    folder = project.folder
    made(folder / "sheets")
    made(folder / "data")
    taken: set[str] = set()
    shown = [
        _shown(plan, project, layer, units, slug(layer.title, taken))
        for layer, units in zip(plan.layers, plan.units, strict=True)
    ]
    write_assets(folder, _ASSETS)
    summaries = [_write_layer(plan, project, one) for one in shown]
    total, there = plan.count(), sum(one.count for one in shown)
    names = [
        {"name": one.layer.title, "slug": one.slug, "units": list(map(int, one.units))}
        for one in shown
    ]
    index = {"layers": names, "made": there, "total": total, "classes": _classes(plan, shown)}
    write_text(folder, "data/index.js", script(_START + "window.onnxscope.index = ", index))
    common = {"model": plan.model.name, "made": there, "total": total, "layers": summaries}
    for one, summary in zip(shown, summaries, strict=True):
        text = page(
            "microscope_layer.html",
            title=f"{one.layer.title} of {plan.model.name}",
            styles=["microscope.css"],
            scripts=["data/index.js", f"data/{one.slug}.js", "assets/microscope.js"],
            layer=summary,
            kinds=[{"name": kind.name, "title": kind.title} for kind in one.kinds],
            units=one.units,
            **common,
        )
        write_text(folder, f"{one.slug}.html", text)
    text = page(
        "microscope.html",
        title=f"A microscope for {plan.model.name}",
        styles=["microscope.css"],
        scripts=["data/index.js", "assets/microscope.js"],
        units=sum(len(one.units) for one in shown),
        **common,
    )
    return write_text(folder, "index.html", text)


def is_written(project: Project) -> bool:
    """Return whether a project has a site that this version of onnxscope wrote.

    Its scripts and styles are brought up to date.

    Raises:
        OutputError: they cannot be written.
    """
    try:
        text = (project.folder / "index.html").read_text("utf-8")
    except (OSError, ValueError):
        return False
    if f"Made by onnxscope {__version__}." not in text:
        return False
    write_assets(project.folder, _ASSETS)
    return True


def _shown(plan: Plan, project: Project, layer: Layer, units: tuple[int, ...], name: str) -> Shown:
    kinds = plan.kinds_of(layer)
    found: dict[str, dict[int, tuple[Path, Mapping[str, Any]]]] = {}
    for kind in kinds:
        of_kind = found[kind.name] = {}
        for unit in () if project.is_empty() else units:
            question = plan.wanted(layer, unit, kind).question
            known = project.answer(question)
            if known is not None:
                of_kind[unit] = project.path_of(question, ".png"), known
    return Shown(layer, name, units, kinds, found)


def _write_layer(plan: Plan, project: Project, shown: Shown) -> dict[str, Any]:
    """Write a layer's sheets and data, and return what its page says of it."""
    folder = project.folder
    layer = shown.layer
    sheets = {kind.name: _write_sheets(project, shown, kind.name) for kind in shown.kinds}
    channels = shown.found.get("channel", {})
    means = {unit: known["means"] for unit, (_, known) in channels.items() if "means" in known}
    friends = alike(means)
    height, width = plan.height_and_width
    data = {
        "slug": shown.slug,
        "name": layer.title,
        "model": plan.model.name,
        "units": list(map(int, shown.units)),
        "kinds": [
            {"name": kind.name, "title": kind.title, "pictures": kind.pictures}
            for kind in shown.kinds
        ],
        "branches": [
            {"name": branch.name, "start": branch.start, "stop": branch.stop}
            for branch in layer.branches
        ],
        "sheets": sheets,
        "perSheet": _ON_A_SHEET,
        "values": {str(unit): known["looks"][0]["mean"] for unit, (_, known) in channels.items()},
        "likeness": order(means),
        "size": [height, width],
        "classes": _names(plan.model, layer),
    }
    name = f"data/{shown.slug}.js"
    write_text(folder, name, script(_START + "window.onnxscope.layer = ", data))
    for at in range(0, len(shown.units), _ON_A_SHEET):
        units = shown.units[at : at + _ON_A_SHEET]
        details = {str(unit): _details(plan, project, shown, unit, friends) for unit in units}
        text = script("window.onnxscope.arrived(", details, ");")
        write_text(folder, f"data/{shown.slug}-{at // _ON_A_SHEET}.js", text)
    return {
        "name": layer.title,
        "slug": shown.slug,
        "operator": layer.op_type,
        "shape": "×".join(map(str, layer.shape)),
        "channels": layer.channels,
        "cells": int(np.prod(layer.shape[1:], dtype=int)),
        "made": shown.count,
        "total": len(shown.units) * len(shown.kinds),
        "branches": data["branches"],
        "classes": data["classes"],
        "samples": _samples(shown, sheets.get("channel", [])),
    }


def _classes(plan: Plan, shown: Sequence[Shown]) -> list[dict[str, Any]]:
    """The classes that have pages, to be found by their names."""
    return [
        {"name": name, "slug": one.slug, "unit": int(unit)}
        for one in shown
        for unit, name in _names(plan.model, one.layer).items()
        if int(unit) in one.units
    ]


def _names(model: Model, layer: Layer) -> dict[str, str]:
    """By unit, the classes whose scores a layer has; of others nothing."""
    if not model.labels:
        return {}
    try:
        scores = class_scores(model)
    except LayerError:
        return {}
    if model.layers[scores.layer].name != layer.name:
        return {}
    return {str(scores.first + at): name for at, name in enumerate(model.labels)}


def _details(
    plan: Plan, project: Project, shown: Shown, unit: int, friends: Mapping[int, Sequence[int]]
) -> dict[str, Any]:
    """All that is known of a unit, as the page's script reads it."""
    found: dict[str, Any] = {"alike": list(friends.get(unit, ())), "pictures": {}}
    for kind in shown.kinds:
        if unit not in shown.found[kind.name]:
            continue
        path, known = shown.found[kind.name][unit]
        source = path.relative_to(project.folder).as_posix()
        command = _command(plan, shown.layer, unit, kind)
        found["pictures"][kind.name] = told_of(known, source, command)
    return found


def told_of(known: Mapping[str, Any], source: str, command: str) -> dict[str, Any]:
    """Return what a page's script is told of a picture.

    Args:
        known: What the project knows of it.
        source: Where it is, from the site's folder.
        command: What to type for the same picture.
    """
    return {
        "source": source,
        "looks": known.get("looks", []),
        "curve": known["curve"],
        "warnings": known["warnings"],
        "command": command,
    }


def _command(plan: Plan, layer: Layer, unit: int, kind: Kind) -> str:
    """What to type for the same picture."""
    height, width = plan.height_and_width
    words = kind.typed(layer, unit, shared=plan.shared)
    size = str(height) if height == width else f"{height}x{width}"
    settings = plan.settings
    words += ["--size", size, "--steps", str(settings["steps"])]
    if settings.get("seed"):
        words += ["--seed", str(settings["seed"])]
    return shlex.join(["onnxscope", "render", plan.model.name, *words])


def _samples(shown: Shown, sheets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Some of a layer's units, from all over it, each with its place on a sheet."""
    there = sorted(shown.found.get("channel", {}))
    if not there or not sheets:
        return []
    count = min(_SAMPLES, len(there))
    chosen = [there[round(at)] for at in np.linspace(0, len(there) - 1, count)]
    found = []
    for unit in chosen:
        at = shown.units.index(unit)
        sheet = sheets[at // _ON_A_SHEET]
        found.append({"unit": unit, "sheet": sheet, "at": at % _ON_A_SHEET})
    return found


def _write_sheets(project: Project, shown: Shown, kind: str) -> list[dict[str, Any]]:
    """Write a kind's thumbnails, so many units to a sheet, and return where each sheet is."""
    found = shown.found[kind]
    sheets: list[dict[str, Any]] = []
    for at in range(0, len(shown.units), _ON_A_SHEET):
        units = shown.units[at : at + _ON_A_SHEET]
        source = f"sheets/{shown.slug}-{kind}-{at // _ON_A_SHEET}.webp"
        there = [unit for unit in units if unit in found]
        version = hashlib.sha256(" ".join(found[u][0].stem for u in there).encode()).hexdigest()[:8]
        if not there:
            sheets.append({"there": []})
            continue
        sheet = _kept_sheet(project.folder, source, version)
        if sheet is None:
            tiles = np.stack(
                [_tile(found[unit][0]) if unit in found else _blank() for unit in units]
            )
            sheet = write_sheet(tiles, project.folder, source)
            write_text(project.folder, f"{source}.version", version)
        places = [units.index(unit) for unit in there]
        # Another content has another address, so that nobody is shown the old one.
        sheets.append(sheet.to_json() | {"source": f"{source}?{version}", "there": places})
    return sheets


def _kept_sheet(folder: Path, source: str, version: str) -> Sheet | None:
    """The sheet that is there, where it is of this content."""
    try:
        if (folder / f"{source}.version").read_text() != version:
            return None
        with Image.open(folder / source) as image:
            width, height = image.size
    except OSError:
        return None
    step = _TILE + 2 * EDGE
    return Sheet(source, _TILE, width // step, height // step)


def _tile(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((_TILE, _TILE), Image.Resampling.LANCZOS)
        return np.asarray(small)


def _blank() -> np.ndarray:
    return np.full((_TILE, _TILE, 3), 128, np.uint8)
