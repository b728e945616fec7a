"""Gradient rules, one table, by operator (see `table` for how a rule is written)."""

from __future__ import annotations

from functools import cache

from .table import RuleTable, call

__all__ = ["RuleTable", "call", "rules_for", "standard_rules"]


def standard_rules() -> RuleTable:
    """The rules of the standard operators, a new table at each call."""
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


def rules_for(provider: str) -> RuleTable:
    """The standard rules with the forms that are fastest on a provider, such as `cpu`."""
    from .cpu import cpu_rules

    return standard_rules() | cpu_rules() if provider == "cpu" else standard_rules()
