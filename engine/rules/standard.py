"""The table of all standard rules."""

from __future__ import annotations

from functools import cache

from .table import RuleTable


def standard_rules() -> RuleTable:
    """Return the rules of the standard operators, a new table at each call."""
    return RuleTable() | _standard()


@cache
def _standard() -> RuleTable:
    from . import (
        activations,
        convolution,
        einsum,
        elementwise,
        indexing,
        linear,
        norm_pooling,
        normalization,
        padding,
        patches,
        pooling,
        reductions,
        resize,
        sampling,
        shape,
        slicing,
        standardization,
        transposed,
        without_derivative,
        writing,
    )

    table = RuleTable()
    for module in (
        elementwise,
        activations,
        reductions,
        shape,
        slicing,
        padding,
        indexing,
        writing,
        patches,
        linear,
        einsum,
        convolution,
        transposed,
        pooling,
        norm_pooling,
        normalization,
        standardization,
        resize,
        sampling,
        without_derivative,
    ):
        module.define(table)
    return table
