"""Which expansion an operator has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from .table import Expansion


def expansion_of(domain: str, op_type: str) -> Expansion | None:
    """Return how an operator is expanded, `None` where it is kept."""
    found = _table().get(("" if domain == "ai.onnx" else domain, op_type))
    return found or _domains().get(domain)


def all_expansions() -> Mapping[tuple[str, str], Expansion]:
    """Return all expansions by domain and operator."""
    return MappingProxyType(_table())


def _domains() -> Mapping[str, Expansion]:
    """Expansions of all other operators of a domain."""
    from .contrib import fused as contrib

    return contrib.DOMAINS


@cache
def _table() -> dict[tuple[str, str], Expansion]:
    # Imported when first asked for: a start from the cache writes no graphs.
    from . import (
        affine_grid,
        attention,
        block_quantized,
        control,
        deformable,
        experimental,
        functions,
        grouped_attention,
        integer_arithmetic,
        normalization,
        quantized,
        rois,
        rotary,
        sequences,
        signal,
        writing,
    )
    from .contrib import arrays, fused, refused
    from .contrib import attention as contrib_attention
    from .contrib import normalization as contrib_normalization
    from .ml import features, linear, svm
    from .ml import refused as ml_refused
    from .recurrent import expansion as recurrent

    tables: list[Mapping[tuple[str, str], Expansion]] = [
        affine_grid.EXPANSIONS,
        arrays.EXPANSIONS,
        attention.EXPANSIONS,
        block_quantized.EXPANSIONS,
        contrib_attention.EXPANSIONS,
        contrib_normalization.EXPANSIONS,
        control.EXPANSIONS,
        deformable.EXPANSIONS,
        experimental.EXPANSIONS,
        functions.EXPANSIONS,
        fused.EXPANSIONS,
        features.EXPANSIONS,
        grouped_attention.EXPANSIONS,
        integer_arithmetic.EXPANSIONS,
        linear.EXPANSIONS,
        ml_refused.EXPANSIONS,
        normalization.EXPANSIONS,
        quantized.EXPANSIONS,
        recurrent.EXPANSIONS,
        refused.EXPANSIONS,
        rois.EXPANSIONS,
        rotary.EXPANSIONS,
        sequences.EXPANSIONS,
        signal.EXPANSIONS,
        svm.EXPANSIONS,
        writing.EXPANSIONS,
    ]
    merged: dict[tuple[str, str], Expansion] = {}
    for table in tables:
        if merged.keys() & table.keys():
            raise ValueError(f"expanded twice: {sorted(merged.keys() & table.keys())}")
        merged.update(table)
    return merged
