"""All that determines the graph of one step, and what is drawn at random for it.

Nothing here imports what builds graphs: those that are kept run without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..declarations import ArrayTypes, check_declared, declared
from ..errors import TargetError
from ..forms import Form, InForm
from ..identity import describe, has_identity
from ..objectives.algebra import Objective
from ..objectives.fed import Fed
from ..parameterizations.base import Parameterization, formed
from ..transforms.base import Transform, size_behind, views_of

if TYPE_CHECKING:
    from ..graph.passes.precision import Precision
    from ..network.model import Model
    from ..rules.table import RuleTable
    from .leak import Leak


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
        rules: Gradient rules of the user's, or names of tables that override the provider's; `None`
            for the provider's.
        precision: Of network and gradient.
        leak: How much of the gradient passes ReLUs that are off; `None` for none in any step.
        depth: How many slices or frames, of volumes and videos; `None` for the model's.
    """

    model: Model
    objective: Objective
    parameterization: Parameterization
    transforms: tuple[Transform, ...]
    batch: int
    height: int
    width: int
    rules: RuleTable | tuple[str, ...] | None = None
    precision: Precision = "tf32"
    leak: Leak | None = None
    depth: int | None = None

    def rules_for(self, provider: str) -> RuleTable:
        """Return the gradient rules for a provider, by name."""
        from ..rules.by_provider import rules_for

        if isinstance(self.rules, tuple):
            from ..rules.named import joined

            return joined(self.rules, rules_for(provider))
        return rules_for(provider) if self.rules is None else self.rules

    @property
    def separable(self) -> bool:
        """Whether each picture is climbed alone, so that they can be divided among runs.

        An objective may compare the pictures, and code of the user's may do something to all of
        them together, such as keep them apart.
        """
        parts = (self.objective, self.parameterization, self.transforms, self.rules)
        joined = getattr(self.parameterization, "mixes_pictures", False)
        return not (self.objective.mixes_pictures or joined) and all(map(has_identity, parts))

    @property
    def uniform(self) -> bool:
        """Whether all pictures of a separable composition have the same objective."""
        # As data: arrays among the fields of an objective have no one answer to `==`.
        return bool(describe(self.built) == describe(self.part(0, 1).built))

    @property
    def built(self) -> Objective:
        """The objective as far as the graph depends on it: without numbers that it is fed."""
        objective = self.objective
        return objective.unfed() if self.fed and isinstance(objective, Fed) else objective

    @cached_property
    def fed(self) -> dict[str, np.ndarray]:
        """The numbers of the objective that the graph is fed in each step, by its inputs' names.

        Raises:
            TargetError: they are for another number of pictures.
            LayerError: the model does not have what they mean.
        """
        # Of several views of a picture each would need its row.
        if not isinstance(self.objective, Fed) or self.views > 1:
            return {}
        self.objective.check_numbers(self.model)
        found = {}
        for name, rows in self.objective.rows.items():
            each = np.repeat(rows, self.batch, axis=0) if len(rows) == 1 else rows
            if len(each) != self.batch:
                raise TargetError(
                    f"{self.objective} are for {len(rows)} pictures, not for {self.batch}"
                )
            found[f"objective.{name}"] = each
        return found

    @property
    def sees_both(self) -> bool:
        """Whether the objective looks at layers and at the picture itself.

        The picture then has a gradient that tells nothing of whether the network is dead.
        """
        return self.objective.sees_picture and bool(self.objective.layers())

    def part(self, start: int, stop: int) -> Composition:
        """Return the same for some of the pictures: those from `start` to before `stop`."""
        if (start, stop) == (0, self.batch):
            return self
        return replace(self, objective=self.objective.part(start, stop), batch=stop - start)

    def parameters(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw parameters to start from, by the graph's input names."""
        drawn = self.made_of.initial(rng, self.batch, self.height, self.width)
        return self.as_parameters(drawn)

    def random_data(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw the transforms' random data for one step, by the graph's input names."""
        data: dict[str, np.ndarray] = {}
        for number, transform in enumerate(self.seen_through):
            drawn = transform.draw(rng, self.batch * self.views, *self.sizes[number])
            data |= self.as_data(number, drawn)
        return data

    def as_parameters(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Give drawn parameters the graph's input names.

        Raises:
            InputError: they are not what the parameterization declares.
        """
        check_declared(self.parameterization, self._parameters, drawn)
        return {f"parameters.{name}": array for name, array in drawn.items()}

    def as_data(self, number: int, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Give a transform's random data the graph's input names.

        Args:
            number: Which of the transforms, counted from 0.
            drawn: What it drew.

        Raises:
            InputError: that is not what the transform declares.
        """
        check_declared(self.transforms[number], self.random_types[number], drawn)
        return {f"transform{number}.{name}": array for name, array in drawn.items()}

    def layer_shape(self, layer: str) -> tuple[int, ...]:
        """Return a layer's shape for what the network sees, without the batch."""
        size = self.sizes[-1]
        return self.model.layer_shape(layer, self.batch * self.views, *size, self.form.depth)

    @cached_property
    def form(self) -> Form:
        """What is a picture: what the model takes for one, with its depth."""
        return self.model.form.with_depth(self.depth)

    @cached_property
    def made_of(self) -> Parameterization:
        """What the picture is made of, in its form.

        Raises:
            InputError: it makes RGB alone.
        """
        return formed(self.parameterization, self.form)

    @property
    def made_form(self) -> Form:
        """What is made: pictures as the model takes them, perhaps with an opacity."""
        made: Form = getattr(self.made_of, "made_form", self.form)
        return made

    @cached_property
    def seen_through(self) -> tuple[Transform, ...]:
        """The transforms, for pictures of their form."""
        if self.form.is_rgb:
            return self.transforms
        return tuple(
            one.formed(self.form) if isinstance(one, InForm) else one for one in self.transforms
        )

    @cached_property
    def views(self) -> int:
        """How many times each picture is seen in a step."""
        return views_of(self.transforms[0]) if self.transforms else 1

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """The height and width before each transform, and behind the last one."""
        sizes = [(self.height, self.width)]
        for transform in self.transforms:
            sizes.append(size_behind(transform, *sizes[-1]))
        return tuple(sizes)

    @cached_property
    def parameter_types(self) -> ArrayTypes:
        """The shapes and types of the parameters, by the graph's input names."""
        return {f"parameters.{name}": kind for name, kind in self._parameters.items()}

    @cached_property
    def random_types(self) -> tuple[ArrayTypes, ...]:
        """The shapes and types of each transform's random data, by its own names."""
        count = self.batch * self.views
        return tuple(
            declared(one, one.inputs(count, *size))
            for one, size in zip(self.seen_through, self.sizes, strict=False)
        )

    @cached_property
    def _parameters(self) -> ArrayTypes:
        """The shapes and types of the parameters, by the parameterization's own names."""
        types = self.made_of.parameters(self.batch, self.height, self.width)
        return declared(self.parameterization, types)
