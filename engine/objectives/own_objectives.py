"""To each picture of a batch its own objective."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TargetError
from ..graph.tensor import Tensor
from .algebra import OBJECTIVES, Compound, Objective, objectives_in
from .seen import Seen


@OBJECTIVES.add("each")
@dataclass(frozen=True)
class Each(Compound):
    """To each picture of a batch its own objective (see `each`)."""

    objectives: tuple[Objective, ...]

    def __post_init__(self) -> None:
        given = objectives_in("each", self.objectives)
        for objective in given:
            if objective.mixes_pictures:
                raise TargetError(
                    f"{objective} compares all pictures, and cannot be the objective of one of "
                    "them in each(...); add it to the whole, as in each([a, b]) + it"
                )
        object.__setattr__(self, "objectives", given)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,), picture n by objective n.

        Raises:
            TargetError: there are not as many pictures as objectives.
        """
        if seen.count != len(self.objectives):
            raise TargetError(
                f"{len(self.objectives)} objectives are for as many pictures, not for {seen.count}"
            )
        results = [
            objective.build(seen.part(index, index + 1, objective.layers()))
            for index, objective in enumerate(self.objectives)
        ]
        return results[0] if len(results) == 1 else results[0].op.Concat(*results, axis=0)

    def parts(self) -> tuple[Objective, ...]:
        """Name the objectives of all pictures."""
        return self.objectives

    def part(self, start: int, stop: int) -> Objective:
        """Return the objectives of these pictures; of one picture, its own."""
        chosen = self.objectives[start:stop]
        return chosen[0] if len(chosen) == 1 else Each(chosen)

    def __str__(self) -> str:
        return "; ".join(map(str, self.objectives))
