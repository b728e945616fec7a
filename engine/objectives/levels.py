"""An objective that is to reach a value, not to grow."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.tensor import Tensor
from ..plain import real
from .algebra import OBJECTIVES, Objective, OfOne, bracketed, check_objective
from .seen import Seen


def toward(objective: Objective, value: float) -> Objective:
    """Bring an objective to a value: −(objective − value)².

    So a unit is driven to a level, from suppressing it to driving it (as in Prince et al. 2026, who
    make eleven pictures of a unit, from one end of its range to the other).

    Args:
        objective: What shall have the value.
        value: What it shall be, in the objective's own units.

    Returns:
        An objective of at most 0, which is 0 where it is reached.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    return Toward(check_objective(objective), value)


@OBJECTIVES.add("toward")
@dataclass(frozen=True)
class Toward(OfOne):
    """Minus the squared distance of an objective from a value (see `toward`)."""

    value: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "value", real("the value to reach", self.value))

    def build(self, seen: Seen) -> Tensor:
        """Append (N,)."""
        return -((self.operand.build(seen) - self.value) ** 2)

    def __str__(self) -> str:
        return f"{bracketed(self.operand)} toward {self.value:g}"
