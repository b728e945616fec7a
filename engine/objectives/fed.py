"""Objectives whose numbers the graph is fed: all pictures of a batch share one graph.

Hundreds of directions, a cell of a photograph each, would else be as many graphs, which take longer
to build than to climb.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .algebra import Leaf, Objective
from .own_objectives import Each

if TYPE_CHECKING:
    from ..network.model import Model


class Fed(Leaf):
    """A leaf that differs from picture to picture in numbers alone.

    An ascent that climbs it and nothing else feeds these numbers. Wherever it is a part of another
    objective, or is differentiated for its own sake, they are constants of the graph.
    """

    @property
    @abstractmethod
    def count(self) -> int:
        """The number of pictures that it is for; with 1, for any number of them."""

    @property
    @abstractmethod
    def rows(self) -> Mapping[str, np.ndarray]:
        """The numbers by name, each an array (count, …) of float32."""

    @abstractmethod
    def unfed(self) -> Objective:
        """Return the same without these numbers: all that the graph depends on."""

    @abstractmethod
    def joined(self, others: Sequence[Fed]) -> Fed:
        """Return the objective for these pictures and those of others, which share the graph."""

    def check_numbers(self, model: Model) -> None:
        """See that a model has what the numbers mean, which the graph does not see.

        Raises:
            LayerError: it has not.
        """


def own_count(objective: Objective) -> int | None:
    """Return for how many pictures an objective is; `None` where it is for any number of them.

    What a part of it needs, the whole needs: a sum with `each([a, b])` in it is for two.
    """
    if isinstance(objective, Each):
        return len(objective.objectives)
    if isinstance(objective, Fed):
        return objective.count if objective.count > 1 else None
    return next((n for n in map(own_count, objective.parts()) if n is not None), None)
