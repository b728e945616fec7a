"""The table of expansions, and what an expansion is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import onnx_ir as ir

from ..errors import OperatorError
from ..graph.builder import Builder, Operators
from ..graph.tensor import Tensor


@dataclass(frozen=True)
class Call:
    """One node to expand.

    Attributes:
        builder: The graph to append to.
        node: The node as the model has it; read its attributes here.
        inputs: Its inputs in the new graph; `None` where one is left out.
        outer: From values of the model to those of the new graph, for subgraphs.
    """

    builder: Builder
    node: ir.Node
    inputs: Sequence[Tensor | None]
    outer: Callable[[ir.Value], Tensor]

    @property
    def op(self) -> Operators:
        """The operators of the graph."""
        return self.builder.op

    @property
    def where(self) -> str:
        """Operator and node, for messages."""
        name = self.node.name or self.node.outputs[0].name
        return f"{self.node.op_type} (node {name!r})"

    def input(self, index: int) -> Tensor | None:
        """One input, `None` where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def required(self, index: int) -> Tensor:
        """One input that must be there.

        Raises:
            OperatorError: it is left out.
        """
        tensor = self.input(index)
        if tensor is None:
            raise OperatorError(f"{self.where} lacks its input {index}")
        return tensor


Expansion = Callable[[Call], Sequence[Tensor | None] | None]
"""Appends standard nodes; gives as many outputs as the node has, `None` for one that it lacks.

`None` instead of outputs: this node stays as it is.
"""


def expansion_of(domain: str, op_type: str) -> Expansion | None:
    """How an operator is expanded, `None` where it is kept."""
    found = _table().get(("" if domain == "ai.onnx" else domain, op_type))
    return found or _domains().get(domain)


def all_expansions() -> Mapping[tuple[str, str], Expansion]:
    """All expansions by domain and operator."""
    return MappingProxyType(_table())


def _domains() -> Mapping[str, Expansion]:
    """Expansions of all other operators of a domain."""
    from . import contrib

    return contrib.DOMAINS


@cache
def _table() -> dict[tuple[str, str], Expansion]:
    # Imported when first asked for: they write graphs with what imports this module.
    from . import (
        affine_grid,
        attention,
        block_quantized,
        contrib,
        contrib_attention,
        contrib_normalization,
        contrib_refused,
        control,
        deformable,
        functions,
        grouped_attention,
        normalization,
        quantized,
        recurrent,
        rois,
        rotary,
        sequences,
        signal,
        writing,
    )

    tables: list[Mapping[tuple[str, str], Expansion]] = [
        affine_grid.EXPANSIONS,
        attention.EXPANSIONS,
        block_quantized.EXPANSIONS,
        contrib.EXPANSIONS,
        contrib_attention.EXPANSIONS,
        contrib_normalization.EXPANSIONS,
        contrib_refused.EXPANSIONS,
        control.EXPANSIONS,
        deformable.EXPANSIONS,
        functions.EXPANSIONS,
        grouped_attention.EXPANSIONS,
        normalization.EXPANSIONS,
        quantized.EXPANSIONS,
        recurrent.EXPANSIONS,
        rois.EXPANSIONS,
        rotary.EXPANSIONS,
        sequences.EXPANSIONS,
        signal.EXPANSIONS,
        writing.EXPANSIONS,
    ]
    merged: dict[tuple[str, str], Expansion] = {}
    for table in tables:
        if merged.keys() & table.keys():
            raise ValueError(f"expanded twice: {sorted(merged.keys() & table.keys())}")
        merged.update(table)
    return merged
