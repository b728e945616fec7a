"""What a unit has to do with others, by the pictures that are there at the moment."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from ..network.layers.layer import Layer
from ..pages.neighbours import told_of_relations
from ..store.project import Project
from ..store.relations import related_to
from ..store.shelf import Shelf, note_of
from .asked import Asked, Asking


class Nearness:
    """Keeps the shares that earlier units have in later ones, of each picture read once."""

    def __init__(self, asking: Asking, project: Project) -> None:
        """Take whom to ask for questions; nothing is read yet."""
        self._asking = asking
        self._project = project
        self._waiting: dict[str, dict[int, Asked]] = {}
        self._shares: dict[str, dict[int, tuple[str, np.ndarray]]] = {}
        # Several browsers ask at once.
        self._lock = Lock()

    def of(self, asked: Asked) -> dict[str, Any] | None:
        """Return what a unit has to do with, as a page's script reads it.

        Args:
            asked: One of the plan's channel pictures.

        Returns:
            `means`, how much its picture excites each unit of the layer; `earlier` and `later`, by
            layer the units of the largest shares, with these; and `others`, these layers. `None`
            where the picture is not made.

        Raises:
            InputError: what is known of a picture is damaged.
        """
        known = self._project.answer(asked.question)
        if known is None or asked.place is None:
            return None
        slug, unit, _ = asked.place
        with self._lock:
            self._look()
            found = related_to((self._asking.layers[slug].name, unit), self._shares)
        others = self._asking.neighbours.of([found])
        # What is not on a sheet yet is shown as it is there.
        told = {name: other | {"sheets": []} for name, other in others.items()}
        return {"means": known.get("means", []), "others": told} | told_of_relations(found)

    def _look(self) -> None:
        """Read the shares of pictures that are new."""
        there = Shelf(self._project)
        for layer in self._asking.plan.layers:
            of_layer = self._shares.setdefault(layer.name, {})
            if layer.name not in self._waiting:
                self._waiting[layer.name] = self._asked(layer)
            waiting = self._waiting[layer.name]
            new = [unit for unit, asked in waiting.items() if there.has(asked.question)]
            for unit in new:
                note = note_of(self._project.answer(waiting.pop(unit).question) or {})
                if note.shares is not None:
                    of_layer[unit] = note.before, note.shares

    def _asked(self, layer: Layer) -> dict[int, Asked]:
        """The channel pictures of a layer, by unit."""
        slug = self._asking.neighbours.slugs[layer.name]
        units = self._asking.plan.units_of(layer)
        return {unit: self._asking.of_plan((slug, unit, "channel")) for unit in units}
