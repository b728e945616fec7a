"""Blocks of a network: modules that follow one another and are built alike.

`layer1.0` and `layer1.1`, `inception4a` and `inception4b`: what is inside of them is detail, their
results are what a network is told by. What goes from one side of a U-Net to the other makes no
block of what lies between.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from .naming import Naming, Scope

if TYPE_CHECKING:
    import onnx_ir as ir

_ENLARGING = frozenset({"ConvTranspose", "DepthToSpace", "MaxUnpool", "Resize", "Upsample"})

_LAST_NUMBER = re.compile(r"(\d+[a-z]?|[a-z])$")


def find_blocks(naming: Naming, trunk: Collection[str]) -> list[Scope]:
    """The innermost modules that are one of a sequence on the trunk of the network.

    Args:
        naming: The model's names.
        trunk: The values that everything behind them is computed from alone.
    """
    able = [
        scope
        for scope in naming.scopes.values()
        if not scope.leaf and scope.outputs[-1] in trunk and scope.large
    ]
    sequences: dict[tuple[object, ...], list[Scope]] = {}
    for scope in able:
        stem = _LAST_NUMBER.sub("", scope.path[-1])
        sequences.setdefault((scope.path[:-1], stem), []).append(scope)
    found = [scope for like in sequences.values() if len(like) > 1 for scope in like]
    outer = {scope.path[:end] for scope in found for end in range(len(scope.path))}
    return [scope for scope in found if scope.path not in outer]


def long_skips(nodes: Sequence[ir.Node]) -> dict[ir.Node, set[ir.Value]]:
    """Of each node the inputs that come to it past a descent to a smaller size and the way back.

    Such as from the left side of a U-Net to its right: what lies between is no branch of a block,
    but the network.

    Args:
        nodes: Of a graph, in topological order.
    """
    number = {node: index for index, node in enumerate(nodes)}
    enlarging = [index for node, index in number.items() if node.op_type in _ENLARGING]
    # Of each node, as bits, the nodes that it is computed from.
    above: list[int] = []
    found: dict[ir.Node, set[ir.Value]] = {}
    for node in nodes:
        producers = {
            value: number[producer]
            for value in node.inputs
            if value is not None and (producer := value.producer()) in number
        }
        ways = {value: above[index] | 1 << index for value, index in producers.items()}
        found[node] = set()
        for value, index in producers.items():
            others = 0
            for other, way in ways.items():
                others |= way if other is not value else 0
            if any(others >> up & 1 and above[up] >> index & 1 for up in enlarging):
                found[node].add(value)
        behind = 0
        for way in ways.values():
            behind |= way
        above.append(behind)
    return found
