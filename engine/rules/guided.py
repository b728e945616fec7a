"""Gradients that go back through ReLU otherwise: tables that override the standard rules.

Both show what in a picture a unit reacts to more sharply than the gradient, and depend less on what
that unit is (Adebayo et al., *Sanity Checks for Saliency Maps*, 2018).
"""

from __future__ import annotations

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .activations import clip, clip_high, clip_low
from .table import RuleTable
from .vocabulary import positive_mask


def guided() -> RuleTable:
    """Return the rules of guided backpropagation, for `standard_rules() | …`.

    What is negative does not go back through a ReLU, nor what comes to one that is off
    (Springenberg et al., *Striving for Simplicity*, 2014). A Clip at 0, such as ReLU6, is one.
    """
    table = RuleTable()
    table.define("Relu", lambda op, dy, x, *, y: op.Relu(dy) * positive_mask(op, y))
    table.define("Clip", _guided_clip, clip_low, clip_high)
    return table


def deconvnet() -> RuleTable:
    """Return the rules of deconvolutional networks, for `standard_rules() | …`.

    What is negative does not go back through a ReLU, whether that is on or off (Zeiler and Fergus,
    *Visualizing and Understanding Convolutional Networks*, 2013). A Clip at 0, such as ReLU6, is
    one.
    """
    table = RuleTable()
    table.define("Relu", lambda op, dy, x: op.Relu(dy))
    table.define("Clip", _deconvnet_clip, clip_low, clip_high)
    return table


def _guided_clip(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None, *, y: Tensor
) -> Tensor:
    return clip(op, op.Relu(dy) if _is_zero(low) else dy, x, low, high, y=y)


def _deconvnet_clip(
    op: Operators, dy: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None, *, y: Tensor
) -> Tensor:
    return op.Relu(dy) if _is_zero(low) else clip(op, dy, x, low, high, y=y)


def _is_zero(bound: Tensor | None) -> bool:
    return bound is not None and bound.array is not None and not np.any(bound.array)
