"""A layer of a microscope's site: sheets of thumbnails, and units as a script reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import LayerError
from ..network.class_scores import class_scores
from ..network.layers.layer import Layer
from ..network.model import Model
from ..store.kinds import Kind
from ..store.likeness import alike, order
from ..store.opacity import SUFFIX as OPACITY
from ..store.plan import EXAMPLES, SCORES, Plan
from ..store.project import Project
from ..store.questions import PHOTOS_SUFFIX, Question
from ..store.relations import Related
from ..store.sightings import columns_of, first_nine
from .neighbours import told_of_relations
from .shown import IMPORTANCE, Shown
from .site import model_called, script, write_text
from .sprites import EDGE, Sheet, write_sheet
from .typed import command_for

ON_A_SHEET = 32
"""So many units have their thumbnails on one sheet, and their data in one file."""

_TILE = 96
_GREY = 128
_QUALITY = 69
"""Of thumbnails: each picture is there as it is beside them."""
_START = "window.onnxscope = window.onnxscope || {};\n"


class LayerData:
    """Writes the sheets and data of one layer; what is as it was stays as it is.

    Attributes:
        shown: What there is to show.
        sheets: By what is looked at, where each sheet is and which of its places have pictures.
    """

    def __init__(self, plan: Plan, project: Project, shown: Shown) -> None:
        """Take what there is to show."""
        self.shown = shown
        self.sheets: dict[str, list[dict[str, Any]]] = {}
        self._plan = plan
        self._project = project
        self._classes = names_of(plan.model, shown.layer)

    def write_sheets(self) -> dict[str, list[dict[str, Any]]]:
        """Write all sheets of thumbnails, and return where they are (see `sheets`).

        Raises:
            OutputError: one cannot be written.
        """
        names = [tab["name"] for tab in self.shown.tabs()]
        self.sheets = {name: self._write_sheets(name) for name in names}
        return self.sheets

    def write(
        self, relations: Mapping[int, Related], others: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Write the layer's data, and return what its page says of it.

        Args:
            relations: By unit those of other layers that it has most to do with.
            others: These layers by name, as the page's script reads them.

        Raises:
            OutputError: they cannot be written.
            InputError: what is known of a picture is damaged.
        """
        shown, layer = self.shown, self.shown.layer
        means = shown.means()
        friends = alike(means)
        height, width = self._plan.height_and_width
        branches = [
            {"name": branch.name, "start": branch.start, "stop": branch.stop}
            for branch in layer.branches
        ]
        data = {
            "slug": shown.slug,
            "name": layer.title,
            "model": model_called(self._plan.model.name),
            "units": list(map(int, shown.units)),
            "kinds": [
                {"name": kind.name, "title": kind.title, "pictures": kind.pictures}
                for kind in shown.kinds
            ],
            "branches": branches,
            "sheets": self.sheets,
            "perSheet": ON_A_SHEET,
            "values": {
                str(unit): note.mean for unit, note in shown.notes.items() if note.mean is not None
            },
            "likeness": order(means),
            "size": [height, width],
            "classes": self._classes,
            "others": others,
        }
        text = script(_START + "window.onnxscope.layer = ", data)
        write_text(self._project.folder, f"data/{shown.slug}.js", text)
        for at in range(0, len(shown.units), ON_A_SHEET):
            self._write_units(at // ON_A_SHEET, friends, relations)
        return {
            "name": layer.title,
            "slug": shown.slug,
            "operator": layer.op_type,
            "shape": "×".join(map(str, layer.shape)),
            "channels": layer.channels,
            "cells": int(np.prod(layer.shape[1:], dtype=int)),
            "positions": len(layer.shape) > 1,
            "made": shown.count,
            "total": len(shown.units) * len(shown.kinds),
            # Those of which units have pages, each with the first of them.
            "branches": [
                {"name": branch.name, "start": branch.start, "stop": branch.stop, "first": min(of)}
                for branch in layer.branches
                if (of := [unit for unit in shown.units if branch.start <= unit < branch.stop])
            ],
            "classes": self._classes,
        }

    # Units ---------------------------------------------------------------------------------------

    def _write_units(
        self,
        number: int,
        friends: Mapping[int, Sequence[int]],
        relations: Mapping[int, Related],
    ) -> None:
        """Write all that is known of the units of one sheet, where it is not there already."""
        shown, folder = self.shown, self._project.folder
        units = shown.units[number * ON_A_SHEET : (number + 1) * ON_A_SHEET]
        near = {unit: self._nearness(unit, friends, relations) for unit in units}
        names = [kind.name for kind in shown.kinds] + [EXAMPLES, SCORES]
        there = [
            [shown.found(name)[u].key for u in units if u in shown.found(name)] for name in names
        ]
        version = _version(json.dumps([there, list(near.values())]))
        # No layer's own address has a dot, as that of another one may end in such a number.
        source = f"data/{shown.slug}.{number}.js"
        if _version_of(folder, source) == version:
            return
        details = {str(unit): near[unit] | self._details(unit) for unit in units}
        write_text(folder, source, script("window.onnxscope.arrived(", details, ");"))
        write_text(folder, f"{source}.version", version)

    def _nearness(
        self, unit: int, friends: Mapping[int, Sequence[int]], relations: Mapping[int, Related]
    ) -> dict[str, Any]:
        """The units that one has to do with."""
        one = relations.get(unit, Related())
        return {"alike": list(friends.get(unit, ()))} | told_of_relations(one)

    def _details(self, unit: int) -> dict[str, Any]:
        """All that is known of a unit itself."""
        shown = self.shown
        pictures = {}
        for kind in shown.kinds:
            question = shown.found(kind.name).get(unit)
            known = None if question is None else self._project.answer(question)
            if question is None or known is None:
                continue
            source, command = self._source(question, ".png"), self._command(unit, kind)
            pictures[kind.name] = told_of(known, source, command)
        found: dict[str, Any] = {"pictures": pictures}
        for name in (EXAMPLES, SCORES):
            question = shown.found(name).get(unit)
            known = None if question is None else self._project.answer(question)
            if question is not None and known is not None:
                tell = self._photos if name == EXAMPLES else _scores
                found[name] = tell(question, known)
        return found

    def _photos(self, question: Question, known: Mapping[str, Any]) -> dict[str, Any]:
        """The photographs of a unit, as the page's script reads them."""
        count = sum(len(known[name]) for name in ("most", "quantiles", "least"))
        return {
            "source": self._source(question, PHOTOS_SUFFIX),
            "columns": columns_of(count),
            "rows": -(-count // columns_of(count)),
            **{name: known[name] for name in _OF_PHOTOS},
        }

    def _source(self, question: Question, suffix: str) -> str:
        path = self._project.path_of(question, suffix)
        return path.relative_to(self._project.folder).as_posix()

    def _command(self, unit: int, kind: Kind) -> str:
        """What to type for the same picture."""
        plan = self._plan
        words = kind.typed(self.shown.layer, unit, shared=plan.shared)
        return command_for(plan.model, words, plan.settings)

    # Thumbnails ----------------------------------------------------------------------------------

    def _write_sheets(self, name: str) -> list[dict[str, Any]]:
        """Write the thumbnails of one way to look, so many units to a sheet."""
        shown, folder = self.shown, self._project.folder
        found = shown.found("channel" if name == IMPORTANCE else name)
        sheets: list[dict[str, Any]] = []
        for at in range(0, len(shown.units), ON_A_SHEET):
            units = shown.units[at : at + ON_A_SHEET]
            source = f"sheets/{shown.slug}-{name}-{at // ON_A_SHEET}.webp"
            there = [unit for unit in units if unit in found]
            version = _version(" ".join(found[unit].key for unit in there))
            if not there:
                sheets.append({"there": []})
                continue
            sheet = _kept_sheet(folder, source, version)
            if sheet is None:
                tiles = [
                    self._tile(name, found[unit]) if unit in found else _blank() for unit in units
                ]
                sheet = write_sheet(np.stack(tiles), folder, source, _QUALITY)
                write_text(folder, f"{source}.version", version)
            places = [units.index(unit) for unit in there]
            # Another content has another address, so that nobody is shown the old one.
            sheets.append(sheet.to_json() | {"source": f"{source}?{version}", "there": places})
        return sheets

    def _tile(self, name: str, question: Question) -> np.ndarray:
        if name == EXAMPLES:
            known = self._project.answer(question) or {}
            count = sum(len(known.get(part, ())) for part in ("most", "quantiles", "least"))
            with self._project.picture(question, PHOTOS_SUFFIX) as sheet:
                return first_nine(sheet, count, _TILE)
        with self._project.picture(question) as image:
            small = image.convert("RGB").resize((_TILE, _TILE), Image.Resampling.LANCZOS)
        if name != IMPORTANCE or not self._project.path_of(question, OPACITY).is_file():
            return np.asarray(small)
        with self._project.picture(question, OPACITY) as mask:
            alpha = mask.getchannel("A").resize((_TILE, _TILE), Image.Resampling.BILINEAR)
        grey = Image.new("RGB", small.size, (_GREY, _GREY, _GREY))
        return np.asarray(Image.composite(small, grey, alpha))


_OF_PHOTOS = ("photos", "mean", "std", "positive", "most", "quantiles", "least")
_OF_SCORES = ("superstimulus", "agreement", "path", "value", "best", "eye", "photos")


def _scores(_: Question, known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known[name] for name in _OF_SCORES}


def told_of(known: Mapping[str, Any], source: str, command: str) -> dict[str, Any]:
    """Return what a page's script is told of a picture.

    Args:
        known: What the project knows of it.
        source: Where it is, from the site's folder.
        command: What to type for the same picture.
    """
    told = {
        "source": source,
        "looks": known.get("looks", []),
        "curve": known["curve"],
        "warnings": known["warnings"],
        "command": command,
    }
    if known.get("before_activation"):
        told["before_activation"] = True
    if OPACITY in known.get("files", ()):
        told["importance"] = source.removesuffix(".png") + OPACITY
    return told


def names_of(model: Model, layer: Layer) -> dict[str, str]:
    """Return by unit the classes whose scores a layer has; of others nothing."""
    if not model.labels:
        return {}
    try:
        scores = class_scores(model)
    except LayerError:
        return {}
    if model.layers[scores.layer].name != layer.name:
        return {}
    return {str(scores.first + at): name for at, name in enumerate(model.labels)}


def _version(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def _version_of(folder: Path, source: str) -> str:
    """Of what a file was written; empty where it is not there."""
    try:
        return (folder / f"{source}.version").read_text() if (folder / source).is_file() else ""
    except OSError:
        return ""


def _kept_sheet(folder: Path, source: str, version: str) -> Sheet | None:
    """The sheet that is there, where it is of this content."""
    if _version_of(folder, source) != version:
        return None
    try:
        with Image.open(folder / source) as image:
            width, height = image.size
    except OSError:
        return None
    step = _TILE + 2 * EDGE
    return Sheet(source, _TILE, width // step, height // step)


def _blank() -> np.ndarray:
    return np.full((_TILE, _TILE, 3), _GREY, np.uint8)
