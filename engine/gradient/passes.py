"""The passes around a gradient, in the order in which they run.

There are two lists, since the walk differentiates the graph as it finds it. What makes the network
smaller, or gives an operator another form, has to run before it, so that the gradient is smaller
and has that form as well; what needs to see cotangents can only run behind it. (What every graph
needs, with a gradient or without, is in `graph.finish`.)

A pass is added as one module, one line here at the place that its order demands, and is then
compared by `tests/engine/gradient/test_passes.py`, which goes through the lists: with the pass and
without it values and gradients have to be the same, as far as it guarantees.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import InputError, nearest
from ..graph.passes.blocked import keep_blocked
from ..graph.passes.branches import merge_convolutions, separate_branches
from ..graph.passes.crop import crop
from ..graph.passes.narrow import narrow
from ..graph.passes.plan import Guarantee, Pass, Plan
from ..graph.passes.precision import use_half
from ..rules.table import RuleTable
from .lowering import lower


@dataclass(frozen=True, kw_only=True)
class GradientPlan(Plan):
    """What passes around a gradient may have to know.

    Attributes:
        rules: The gradient rules, which also say whether the graph is for a runtime that keeps
            channels in blocks.

    Raises:
        InputError: `without` names a pass that there is not.
    """

    rules: RuleTable
    blocked: bool = field(init=False)
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocked", self.rules.blocked)
        names = [one.name for one in (*BEFORE_THE_WALK, *BEHIND_THE_WALK)]
        for name in sorted(self.without.difference(names)):
            raise InputError(f"there is no pass {name!r}{nearest(name, names)}")


# `narrow` and `crop` take away what the objective does not look at, first of all, so that nothing
# of it is given another form; `crop` writes again all that it crops, and so runs on the channels
# that are left. `use_half` decides which values stay in float32, and `lower` has forms for those
# alone. `lower` is last: what it writes is differentiated in one piece from the value that it read,
# which no pass may put another in the place of any more.
BEFORE_THE_WALK: tuple[Pass[GradientPlan], ...] = (
    Pass(narrow, Guarantee.ROUNDING),
    Pass(crop, Guarantee.ROUNDING),
    Pass(use_half, Guarantee.HALF),
    Pass(lower, Guarantee.ROUNDING),
)

# Convolutions are merged before they are cut, so that one is cut instead of several, and before
# `keep_blocked` writes the sums that they are merged from two by two. That is last: it looks for
# what is left between two convolutions.
BEHIND_THE_WALK: tuple[Pass[GradientPlan], ...] = (
    Pass(merge_convolutions, Guarantee.ROUNDING),
    Pass(separate_branches, Guarantee.ROUNDING),
    Pass(keep_blocked, Guarantee.ROUNDING),
)
