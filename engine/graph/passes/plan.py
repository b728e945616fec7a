"""What a pass is: one signature, what it may have to know, and what it leaves as it is.

A pass is one module with a function of a graph and a plan, one line in a list, and its share of the
test that goes through the lists: `gradient.passes` has those that are about a gradient, before the
walk and behind it, `graph.finish` those of every graph.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..builder import Builder
    from ..tensor import Tensor


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What passes may have to know of what a graph is for.

    Attributes:
        kept: Values behind the walk that have to stay what they are, besides the graph's inputs and
            outputs. Before the walk there are none.
        half: The value behind which to compute in half precision; `None` is nowhere.
        blocked: Whether the graph is for a runtime that keeps the channels of convolutions in
            blocks, as ONNX Runtime does on CPUs.
        without: Names of passes that are left out.
    """

    kept: Container[ir.Value] = frozenset()
    half: Tensor | None = None
    blocked: bool = False
    without: Container[str] = frozenset()


class Guarantee(Enum):
    """What is the same with a pass and without it."""

    ROUNDING = "values and gradients, but for what float32 rounds"
    HALF = "values and gradients, but for what float16 rounds"


P = TypeVar("P", bound=Plan)


@dataclass(frozen=True)
class Pass(Generic[P]):
    """A rewriting of a graph under construction.

    Attributes:
        rewrite: Does it, or does nothing where the plan says that it is not wanted. What nobody
            reads any more stays in the graph, for `drop_unused`; the nodes are left in topological
            order.
        keeps: What is the same with it and without it.
    """

    rewrite: Callable[[Builder, P], None]
    keeps: Guarantee

    @property
    def name(self) -> str:
        """The name by which a plan leaves it out: that of its function."""
        return self.rewrite.__name__


def run_passes(passes: Sequence[Pass[P]], builder: Builder, plan: P) -> None:
    """Rewrite a graph by passes, in their order, but for those that the plan leaves out."""
    for one in passes:
        if one.name not in plan.without:
            one.rewrite(builder, plan)
