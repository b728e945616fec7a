"""The site of a project: a page for the network, one for each layer, an anchor for each unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import OutputError
from ..locks import locked
from ..store.plan import Plan
from ..store.project import Project
from ..store.relations import Related, related
from ..store.shelf import Shelf
from .layer_data import ON_A_SHEET, LayerData, names_of
from .neighbours import Neighbours
from .shown import Shown
from .site import check_jinja, made, model_called, page, script, write_assets, write_text

FIRST_PAGE = "index.html"
"""Of the network as a whole, which leads to all others."""

_ASSETS = ["base.css", "base.js", "microscope.css", "microscope.js"]
_SAMPLES = 12
_LOCK = ".lock"
_SECONDS_FOR_OTHERS = 600.0
_START = "window.onnxscope = window.onnxscope || {};\n"


def write_microscope(plan: Plan, project: Project) -> Path:
    """Write the site of a project, of what is there by now (see `Site`).

    Args:
        plan: What the project shall have.
        project: The project, whose folder the site is in.

    Returns:
        The first page, `index.html`.

    Raises:
        InputError: Jinja2 is not installed, or what is known of a picture is damaged.
        OutputError: it cannot be written.
    """
    return Site(plan, project).write()


def is_written(project: Project) -> bool:
    """Return whether a project has a site that this version of onnxscope wrote.

    Its scripts and styles are brought up to date.

    Raises:
        OutputError: they cannot be written.
    """
    try:
        text = (project.folder / FIRST_PAGE).read_text("utf-8")
    except (OSError, ValueError):
        return False
    if f"Made by onnxscope {__version__}." not in text:
        return False
    write_assets(project.folder, _ASSETS)
    return True


class Site:
    """The site of a project, which is written again as more is there.

    It opens from the file system, without a server, and works without a network. What is as it was
    is neither read nor written again.

    Attributes:
        plan: What the project shall have.
    """

    def __init__(self, plan: Plan, project: Project) -> None:
        """Take plan and project; nothing is read yet.

        Raises:
            InputError: Jinja2 is not installed.
        """
        check_jinja()
        self.plan = plan
        self._project = project
        self._neighbours = Neighbours(plan)
        self._layers = [
            LayerData(
                plan, project, Shown(plan, project, layer, self._neighbours.slugs[layer.name])
            )
            for layer in plan.layers
        ]

    def write(self, seconds: float = _SECONDS_FOR_OTHERS) -> Path:
        """Write what has changed.

        Several processes write the site of one folder by turns: of two at once each would list
        pictures that the other's sheets do not have.

        Args:
            seconds: How long to wait for another one that writes it. At 0 nothing is written where
                one does, which is for whoever writes again later.

        Returns:
            The first page, `index.html`.

        Raises:
            InputError: what is known of a picture is damaged.
            OutputError: it cannot be written.
        """
        folder = self._project.folder
        made(folder / "sheets")
        made(folder / "data")
        with ExitStack() as stack:
            try:
                is_mine = stack.enter_context(locked(folder / "data" / _LOCK, seconds))
            except OSError as error:
                raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
            if seconds or is_mine is not False:
                return self._write()
        return folder / FIRST_PAGE

    def _write(self) -> Path:
        plan, folder = self.plan, self._project.folder
        write_assets(folder, _ASSETS)
        shown = [one.shown for one in self._layers]
        shelf = Shelf(self._project)
        for one in shown:
            one.look(shelf)
        relations = related({one.layer.name: one.shares() for one in shown})
        total, there = plan.count(), sum(one.count for one in shown)
        write_text(
            folder, "data/index.js", script(_START + "window.onnxscope.index = ", self._index())
        )
        sheets = {data.shown.layer.name: data.write_sheets() for data in self._layers}
        summaries = [
            data.write(relations.get(data.shown.layer.name, {}), self._others(relations, data))
            | {"samples": _samples(data.shown, sheets[data.shown.layer.name].get("channel", []))}
            for data in self._layers
        ]
        model = model_called(plan.model.name)
        common = {"model": model, "made": there, "total": total, "layers": summaries}
        for one, summary in zip(shown, summaries, strict=True):
            text = page(
                "microscope_layer.html",
                title=f"{one.layer.title} of {model}",
                styles=["microscope.css"],
                scripts=["data/index.js", f"data/{one.slug}.js", "assets/microscope.js"],
                layer=summary,
                kinds=one.tabs(),
                units=one.units,
                **common,
            )
            write_text(folder, f"{one.slug}.html", text)
        text = page(
            "microscope.html",
            title=f"A microscope for {model}",
            styles=["microscope.css"],
            scripts=["data/index.js", "assets/microscope.js"],
            units=sum(len(one.units) for one in shown),
            **common,
        )
        return write_text(folder, FIRST_PAGE, text)

    def _index(self) -> dict[str, Any]:
        """What all pages have, to find units by names."""
        shown = [one.shown for one in self._layers]
        return {
            "layers": [
                {"name": one.layer.title, "slug": one.slug, "units": runs_of(one.units)}
                for one in shown
            ],
            "made": sum(one.count for one in shown),
            "total": self.plan.count(),
            "classes": [
                {"slug": one.slug, "units": runs_of(named), "names": list(named.values())}
                for one in shown
                if (named := self._named(one))
            ],
        }

    def _named(self, shown: Shown) -> dict[int, str]:
        """The classes that a layer has units of, by these."""
        found, there = names_of(self.plan.model, shown.layer), set(shown.units)
        return {int(unit): name for unit, name in found.items() if int(unit) in there}

    def _others(
        self, relations: Mapping[str, Mapping[int, Related]], data: LayerData
    ) -> dict[str, dict[str, Any]]:
        """The layers that a layer's units have to do with, as its page's script reads them."""
        found = self._neighbours.of(relations.get(data.shown.layer.name, {}).values())
        for other in self._layers:
            name = other.shown.layer.name
            if name in found:
                found[name] |= {"sheets": other.sheets.get("channel", []), "perSheet": ON_A_SHEET}
        return found


def runs_of(numbers: Iterable[int]) -> list[list[int]]:
    """Return numbers in their order as runs that each rise by one: the first, and how many.

    Every page reads those of all layers: thousands of numbers are a few of them.
    """
    runs: list[list[int]] = []
    for number in map(int, numbers):
        if runs and number == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs


def _samples(shown: Shown, sheets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Some of a layer's units, from all over it, each with its place on a sheet."""
    there = sorted(shown.found("channel"))
    if not there or not sheets:
        return []
    count = min(_SAMPLES, len(there))
    chosen = [there[round(at)] for at in np.linspace(0, len(there) - 1, count)]
    found = []
    for unit in chosen:
        at = shown.units.index(unit)
        found.append({"unit": unit, "sheet": sheets[at // ON_A_SHEET], "at": at % ON_A_SHEET})
    return found
