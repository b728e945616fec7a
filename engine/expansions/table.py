"""The table of expansions, and what an expansion is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import onnx_ir as ir

from ..errors import OperatorError
from ..graph.advice import called, shapes_to_give
from ..graph.builder import Builder, Operators
from ..graph.names import node_name
from ..graph.tensor import Tensor
from ..graph.walks import read_by


class Replay(Protocol):
    """How the nodes of a graph are written again (see `importer.replay`)."""

    def __call__(
        self,
        builder: Builder,
        graph: ir.Graph,
        inputs: Mapping[str, Tensor],
        wanted: Collection[str],
        *,
        outer: Callable[[ir.Value], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Append the nodes that compute the `wanted` values of `graph`, by name."""


@dataclass(frozen=True)
class Call:
    """One node to expand.

    Attributes:
        builder: The graph to append to.
        node: The node as the model has it; read its attributes here.
        inputs: Its inputs in the new graph; `None` where one is left out.
        outer: From values of the model to those of the new graph, for subgraphs.
        replay: Writes the nodes of a graph again behind given values.
    """

    builder: Builder
    node: ir.Node
    inputs: Sequence[Tensor | None]
    outer: Callable[[ir.Value], Tensor]
    replay: Replay

    @property
    def op(self) -> Operators:
        """The operators of the graph."""
        return self.builder.op

    @property
    def where(self) -> str:
        """The operator and the node, for messages."""
        return f"{self.node.op_type} (node {node_name(self.node)!r})"

    def subgraph(
        self, body: ir.Graph, inputs: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        """Append a graph of the node's, which may read values of the graph around it."""
        return self.replay(self.builder, body, inputs, wanted, outer=self.outer)

    def input(self, index: int) -> Tensor | None:
        """Return one input, `None` where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def required(self, index: int) -> Tensor:
        """Return one input that must be there.

        Raises:
            OperatorError: it is left out.
        """
        tensor = self.input(index)
        if tensor is None:
            raise OperatorError(f"{self.where} lacks its input {index}")
        return tensor

    def remedy(self, tensor: Tensor) -> str:
        """Return what to give a model so that a value is known before it runs, in words.

        Empty where that is nothing: where the value follows from real numbers, or from other runs.
        """
        numbers, by_shape = _sources(tensor.value)
        if any(value.dtype is None or value.dtype.is_floating_point() for value in numbers):
            return ""
        names = [value.name or "" for value in numbers]
        if names:
            values = ", ".join(f"{name!r}: VALUE" for name in names)
            options = " ".join(f"--input {name}=VALUE" for name in names)
            given = f"{called('inputs')}={{{values}}} ({options})"
            return f"; give the {_plural(names)}, such as {given}"
        return self.shapes_to_give if by_shape else ""

    @property
    def shapes_to_give(self) -> str:
        """What to type so that all inputs have known shapes; empty where they have."""
        return shapes_to_give(self.builder.graph)

    def integer(self, name: str, least: int = 1) -> int:
        """Return an attribute that must be there, a whole number of at least so much.

        Raises:
            OperatorError: it is left out, or smaller.
        """
        value = int(self.attribute(name).as_int())
        if value < least:
            raise OperatorError(
                f"the attribute {name!r} of {self.where} is {value}; it must be at least {least}"
            )
        return value

    def number(self, name: str) -> float:
        """Return an attribute that must be there, a real number.

        Raises:
            OperatorError: it is left out.
        """
        return float(self.attribute(name).as_float())

    def integers(self, name: str) -> Sequence[int]:
        """Return an attribute that must be there, a list of whole numbers.

        Raises:
            OperatorError: it is left out.
        """
        return self.attribute(name).as_ints()

    def numbers(self, name: str) -> Sequence[float]:
        """Return an attribute that must be there, a list of real numbers.

        Raises:
            OperatorError: it is left out.
        """
        return self.attribute(name).as_floats()

    def text(self, name: str) -> str:
        """Return an attribute that must be there, a string.

        Raises:
            OperatorError: it is left out.
        """
        return self.attribute(name).as_string()

    def graph(self, name: str) -> ir.Graph:
        """Return an attribute that must be there, a subgraph.

        Raises:
            OperatorError: it is left out.
        """
        return self.attribute(name).as_graph()

    def attribute(self, name: str) -> ir.Attr:
        """Return an attribute that must be there.

        Raises:
            OperatorError: it is left out.
        """
        attribute = self.node.attributes.get(name)
        if attribute is None:
            raise OperatorError(f"{self.where} lacks its attribute {name!r}")
        return attribute


def _sources(value: ir.Value) -> tuple[list[ir.Value], bool]:
    """The inputs whose numbers a value is computed from, and whether shapes go into it."""
    found: dict[ir.Value, None] = {}
    by_shape = False
    seen = {value}
    waiting = [value]
    while waiting:
        current = waiting.pop()
        node = current.producer()
        if node is None:
            if current.is_graph_input():
                found[current] = None
        elif node.op_type in ("Shape", "Size"):
            by_shape = True
        else:
            read = [other for other in read_by(node) if other not in seen]
            seen.update(read)
            waiting += read
    return list(found), by_shape


def _plural(names: Sequence[str]) -> str:
    listed = ", ".join(map(repr, names))
    return f"value of the input {listed}" if len(names) == 1 else f"values of the inputs {listed}"


Expansion = Callable[[Call], Sequence[Tensor | None] | None]
"""Appends standard nodes; gives as many outputs as the node has, `None` for one that it lacks.

`None` instead of outputs: this node stays as it is.
"""
