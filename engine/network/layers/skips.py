"""Ways past the network: what goes from one side of a U-Net to the other.

What lies between is no branch of a block, but the network. The way itself may hold an operator or
two with weights, as from the stages of an encoder to a feature pyramid or to a decoder that takes
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from ...graph.traits import Trait, has
from ...graph.walks import read_by

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Skips:
    """What is no part of the way that the network goes.

    Attributes:
        values: Of each node the inputs that come to it past a descent to a smaller size and the way
            back.
        nodes: Those that compute nothing but such inputs.
    """

    values: Mapping[ir.Node, set[ir.Value]]
    nodes: set[ir.Node]


def find_skips(nodes: Sequence[ir.Node]) -> Skips:
    """Return the ways past a descent and the way back.

    Args:
        nodes: Of a graph, in topological order.
    """
    ways = _Ways(nodes)
    values: dict[ir.Node, set[ir.Value]] = {}
    aside: set[ir.Node] = set()
    for node in nodes:
        inputs = ways.inputs(node)
        values[node] = set()
        for value in inputs:
            others = [inputs[other] for other in inputs if other is not value]
            if ways.leads_past(value, others):
                values[node].add(value)
            elif (lateral := ways.lateral(node, inputs[value], others)) is not None:
                values[node].add(value)
                aside.update(lateral)
        ways.add(inputs.values())
    return Skips(values, aside)


class _Ways:
    """Of each node what it is computed from: sets of nodes, as the bits of numbers."""

    def __init__(self, nodes: Sequence[ir.Node]) -> None:
        self._nodes = nodes
        self._number = {node: index for index, node in enumerate(nodes)}
        self._above: list[int] = []
        self._enlarging = self._those(lambda node: has(node, Trait.ENLARGING))
        self._descending = self._those(_descends)
        self._weighted = self._those(lambda node: has(node, Trait.WEIGHTED))

    def _those(self, condition: Callable[[ir.Node], bool]) -> int:
        return sum(1 << index for node, index in self._number.items() if condition(node))

    def inputs(self, node: ir.Node) -> dict[ir.Value, int]:
        """Of each input that is computed, the nodes on the way to it, that of its own included."""
        found = {}
        for value in read_by(node):
            index = self._index(value)
            if index is not None:
                found[value] = self._above[index] | 1 << index
        return found

    def _index(self, value: ir.Value) -> int | None:
        """The number of the node that computes a value."""
        node = value.producer()
        return None if node is None else self._number.get(node)

    def add(self, ways: Iterable[int]) -> None:
        """Let the next node in order be known, with the ways to its inputs."""
        self._above.append(reduce(or_, ways, 0))

    def leads_past(self, value: ir.Value, others: Sequence[int]) -> bool:
        """Whether on another way the value itself is enlarged."""
        index = self._index(value)
        ups = reduce(or_, others, 0) & self._enlarging
        return index is not None and any(self._above[up] >> index & 1 for up in _bits(ups))

    def lateral(self, node: ir.Node, way: int, others: Sequence[int]) -> list[ir.Node] | None:
        """The nodes that are on one way to a node alone, where it leads past a descent."""
        own = way & ~reduce(or_, others, 0)
        if not others or own & self._descending:
            return None
        weight = (own & self._weighted).bit_count()
        for at, other in enumerate(others):
            longer = other & ~reduce(or_, (*others[:at], *others[at + 1 :]), way)
            if 2 * weight > (longer & self._weighted).bit_count():
                continue
            if self._goes_down_and_up(longer, self._sources(own)) and self._leads_to(own, node):
                return [self._nodes[index] for index in _bits(own)]
        return None

    def _goes_down_and_up(self, way: int, sources: int) -> bool:
        """Whether on a way what comes from all of the sources is made smaller, and larger again."""
        downs = [down for down in _bits(way & self._descending) if not sources & ~self._above[down]]
        return any(
            self._above[up] >> down & 1 for up in _bits(way & self._enlarging) for down in downs
        )

    def _sources(self, way: int) -> int:
        """The nodes that a way begins at."""
        sources = 0
        for index in _bits(way):
            for value in read_by(self._nodes[index]):
                source = self._index(value)
                sources |= 0 if source is None else 1 << source
        return sources & ~way

    def _leads_to(self, way: int, end: ir.Node) -> bool:
        """Whether what a way's nodes compute is read on the way and at its end alone."""
        inside = {self._nodes[index] for index in _bits(way)} | {end}
        return all(
            reader in inside
            for node in inside - {end}
            for value in node.outputs
            for reader, _ in value.uses()
            if reader in self._number
        )


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _descends(node: ir.Node) -> bool:
    """Whether a node makes a picture smaller."""
    if node.op_type == "SpaceToDepth":
        return True
    if not has(node, Trait.WINDOWED) and node.op_type != "DeformConv":
        return False
    return max(node.attributes.get_ints("strides", ()), default=1) > 1
