"""Leaking ReLU: another table, for ascents that find whole subjects.

A part of the gradient passes where a ReLU, or a Clip, is flat. How much is a number that the graph
is fed, so that it can change from step to step; with 0 the gradient is the exact one, to the last
bit.
"""

from __future__ import annotations

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .activations import clip_high, clip_low
from .table import RuleTable
from .vocabulary import between_mask, positive_mask


def leaking_relu(leak: Tensor) -> RuleTable:
    """Return overriding rules of ReLUs, for `standard_rules() | …`.

    Args:
        leak: What part of the gradient passes where they are flat: a scalar, float32, in the graph
            that the gradient will be written behind.
    """

    def through(op: Operators, dy: Tensor, mask: Tensor) -> Tensor:
        # Clip, unlike Max, stays in the layout that convolutions have on CPUs.
        return dy * op.Clip(mask, leak.astype(mask.dtype))

    def relu(op: Operators, dy: Tensor, x: Tensor, *, y: Tensor) -> Tensor:
        return through(op, dy, positive_mask(op, y))

    def clip(
        op: Operators,
        dy: Tensor,
        x: Tensor,
        low: Tensor | None,
        high: Tensor | None,
        *,
        y: Tensor,
    ) -> Tensor:
        bounds = [None if bound is None else bound.array for bound in (low, high)]
        if any(a is None and t is not None for a, t in zip(bounds, (low, high), strict=True)):
            one = op.constant(1, dy.dtype)
            for bound, outside in ((low, op.LessOrEqual), (high, op.GreaterOrEqual)):
                if bound is not None:
                    dy = dy * op.Where(outside(y, bound), leak.astype(dy.dtype), one)
            return dy
        mask = between_mask(op, y, *(None if a is None else float(a.reshape(())) for a in bounds))
        return dy if mask is None else through(op, dy, mask)

    table = RuleTable()
    table.define("Relu", relu)
    table.define("Clip", clip, clip_low, clip_high)
    return table
