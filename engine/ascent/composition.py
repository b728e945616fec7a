"""All that determines the graph of one step, and what is drawn at random for it.

Nothing here imports what builds graphs: those that are kept run without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..identity import describe, has_identity
from ..objectives.algebra import Objective
from ..parameterizations.base import Parameterization
from ..transforms.base import Transform

if TYPE_CHECKING:
    from ..graph.passes.precision import Precision
    from ..network.model import Model
    from ..rules.table import RuleTable


@dataclass(frozen=True)
class Composition:
    """Everything that determines a step graph.

    Attributes:
        model: The network.
        objective: What to maximise.
        parameterization: What the picture is made of.
        transforms: What happens to it before the network.
        batch: How many pictures.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        rules: Gradient rules of the user's; `None` for the provider's.
        precision: Of network and gradient.
    """

    model: Model
    objective: Objective
    parameterization: Parameterization
    transforms: tuple[Transform, ...]
    batch: int
    height: int
    width: int
    rules: RuleTable | None = None
    precision: Precision = "tf32"

    def rules_for(self, provider: str) -> RuleTable:
        """The gradient rules for a provider, by name."""
        from ..rules.by_provider import rules_for

        return rules_for(provider) if self.rules is None else self.rules

    @property
    def separable(self) -> bool:
        """Whether each picture is climbed alone, so that they can be divided among runs.

        An objective may compare the pictures, and code of the user's may do something to all of
        them together, such as keep them apart.
        """
        parts = (self.objective, self.parameterization, self.transforms, self.rules)
        return not self.objective.mixes_pictures and all(map(has_identity, parts))

    @property
    def uniform(self) -> bool:
        """Whether all pictures of a separable composition have the same objective."""
        # As data: arrays among the fields of an objective have no one answer to `==`.
        return bool(describe(self.objective) == describe(self.objective.part(0, 1)))

    def part(self, start: int, stop: int) -> Composition:
        """The same for some of the pictures: those from `start` to before `stop`."""
        if (start, stop) == (0, self.batch):
            return self
        return replace(self, objective=self.objective.part(start, stop), batch=stop - start)

    def parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Parameters to start from, by the graph's input names."""
        drawn = self.parameterization.initial(rng, self.batch, self.height, self.width)
        return {f"parameters.{name}": array for name, array in drawn.items()}

    def random_data(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The transforms' random data for one step, by the graph's input names."""
        data: dict[str, np.ndarray] = {}
        for number, transform in enumerate(self.transforms):
            drawn = transform.draw(rng, self.batch, self.height, self.width)
            data |= {f"transform{number}.{name}": array for name, array in drawn.items()}
        return data

    def layer_shape(self, layer: str) -> tuple[int, ...]:
        """A layer's shape for pictures of this size, without the batch."""
        return self.model.layer_shape(layer, self.batch, self.height, self.width)

    @cached_property
    def parameter_types(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shapes and types of the parameters, by the graph's input names."""
        # Drawn once for all graphs of an ascent: for a batch that is millions of random numbers.
        drawn = self.parameters(np.random.default_rng(0))
        return {name: (array.shape, array.dtype) for name, array in drawn.items()}
