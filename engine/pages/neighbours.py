"""The layers of a plan as a page's script finds units of them: by name, address and number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..network.layers.layer import Layer
from ..store.plan import Plan
from ..store.relations import Related
from .site import slug


class Neighbours:
    """What pages call the layers of a plan, and say of those that a unit has to do with.

    Attributes:
        slugs: What addresses call each layer that has a page, by its name.
    """

    def __init__(self, plan: Plan) -> None:
        """Give each layer an address of its own."""
        taken: set[str] = set()
        self.slugs: Mapping[str, str] = {
            one.name: slug(one.title, taken, "layer") for one in plan.layers
        }
        self._plan = plan

    def page_of(self, layer: Layer) -> dict[str, Any]:
        """Return how a script finds the units of a layer that has a page."""
        units = list(map(int, self._plan.units_of(layer)))
        return {"name": layer.title, "slug": self.slugs[layer.name], "units": units}

    def of(self, related: Iterable[Related]) -> dict[str, dict[str, Any]]:
        """Return by name the layers that units have to do with, those without a page too.

        Args:
            related: What the units have to do with.
        """
        names: set[str] = set()
        for one in related:
            names |= {one.before, *one.later}
        layers = self._plan.model.layers
        return {
            name: self.page_of(layers[name]) if name in self.slugs else {"name": layers[name].title}
            for name in sorted(names - {""})
        }


def told_of_relations(one: Related) -> dict[str, Any]:
    """Return which units of other layers one has to do with, as a page's script reads it.

    Args:
        one: What is known of it.
    """
    return {"earlier": {one.before: one.earlier} if one.earlier else {}, "later": one.later}
