"""Gradients that go straight through: tables that take functions for the identity."""

from __future__ import annotations

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .activations import clip_high, clip_low, prelu_slope
from .table import RuleTable


def straight_through() -> RuleTable:
    """Return rules of Clip, such as ReLU6, as if it were not there, for `standard_rules() | …`.

    What is beyond an end keeps its gradient, and can come back (Bengio, Léonard and Courville,
    *Estimating or Propagating Gradients Through Stochastic Neurons*, 2013).
    """
    table = RuleTable()
    table.define("Clip", _same, clip_low, clip_high)
    return table


def linear() -> RuleTable:
    """Return rules of ReLU and its kin as the identity, for `standard_rules() | …`.

    The gradient is that of a network without them, the same for every picture where its pools and
    products are linear as well (Lucid's `identity_grad`, Captum's `SkipLayer`).
    """
    table = RuleTable()
    table.define("Relu", lambda op, dy, x: dy)
    table.define("LeakyRelu", lambda op, dy, x: dy, ignores=("alpha",))
    table.define("ThresholdedRelu", lambda op, dy, x: dy, ignores=("alpha",))
    table.define("PRelu", lambda op, dy, x, slope: dy, prelu_slope)
    table.define("Clip", _same, clip_low, clip_high)
    return table


def _same(op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor:
    return dy
