"""What there is to show of a layer's units: which answers, and what all pages need of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from ..network.layers.layer import Layer
from ..store.kinds import KINDS
from ..store.photos import score_question, unit_question
from ..store.plan import EXAMPLES, SCORES, Plan
from ..store.project import Project
from ..store.questions import Question
from ..store.shelf import Note, Shelf, note_of

IMPORTANCE = "importance"
"""What of a channel's picture counted: a way to look at it, and no picture of its own."""

_PHOTOS = "photos"


class Shown:
    """What there is to show of one layer.

    Attributes:
        layer: The layer.
        slug: What it is called in addresses.
        units: The numbers of its units.
        kinds: What is made into pictures of each.
    """

    def __init__(self, plan: Plan, project: Project, layer: Layer, slug: str) -> None:
        """Take the layer; `look` looks what is there."""
        self.layer = layer
        self.slug = slug
        self.units = plan.units_of(layer)
        self.kinds = plan.kinds_of(layer)
        self._plan = plan
        self._project = project
        self._found: dict[str, dict[int, Question]] = {}
        self.notes: dict[int, Note] = {}

    @cached_property
    def _asked(self) -> dict[str, dict[int, Question]]:
        """The questions of everything that there shall be: seconds, where units are thousands."""
        plan, layer = self._plan, self.layer
        asked = {
            kind.name: {u: plan.wanted(layer, u, kind).question for u in self.units}
            for kind in self.kinds
        }
        if plan.photos is not None:
            asked[EXAMPLES] = {u: unit_question(plan, layer, u) for u in self.units}
        if plan.scored:
            pictures = {u: plan.wanted(layer, u, KINDS["channel"]).question for u in self.units}
            asked[SCORES] = {u: score_question(plan, layer, u, pictures[u]) for u in self.units}
        return asked

    def look(self, there: Shelf) -> None:
        """Look what is there, and read what is needed all the time of channels that are new.

        Args:
            there: Which answers there are.

        Raises:
            InputError: an answer is damaged.
        """
        if not there:
            # A project that begins is shown at once.
            self._found = {}
            return
        self._found = {
            name: {unit: one for unit, one in asked.items() if there.has(one)}
            for name, asked in self._asked.items()
        }
        known = self.notes
        new = {
            unit: note_of(self._project.answer(question) or {})
            for unit, question in self.found("channel").items()
            if unit not in known
        }
        if new:
            # In the order of units: what is written of them is the same whichever came first.
            found = known | new
            self.notes = {unit: found[unit] for unit in self.units if unit in found}

    def found(self, name: str) -> Mapping[int, Question]:
        """Return by unit what is there of a kind, or of examples or scores."""
        return self._found.get(name, {})

    @property
    def count(self) -> int:
        """How many pictures are there."""
        return sum(len(self.found(kind.name)) for kind in self.kinds)

    def means(self) -> dict[int, np.ndarray]:
        """Return by unit how much its channel's picture excites each unit of the layer."""
        return {u: note.means for u, note in self.notes.items() if note.means is not None}

    def shares(self) -> dict[int, tuple[str, np.ndarray]]:
        """Return by unit the layer before, and the shares of its units in this one's value."""
        return {
            unit: (note.before, note.shares)
            for unit, note in self.notes.items()
            if note.shares is not None
        }

    def tabs(self) -> list[dict[str, str]]:
        """Return what there is to look at of all units, with its title."""
        found = [{"name": kind.name, "title": kind.title} for kind in self.kinds]
        at = next((at for at, tab in enumerate(found, 1) if tab["name"] == "channel"), None)
        if at is not None:
            found.insert(at, {"name": IMPORTANCE, "title": IMPORTANCE})
        if self._plan.photos is not None:
            found.append({"name": EXAMPLES, "title": _PHOTOS})
        return found
