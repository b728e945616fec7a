"""Blocks of a network: modules that follow one another and are built alike.

`layer1.0` and `layer1.1`, `inception4a` and `inception4b`: what is inside of them is detail, their
results are what a network is told by.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .naming import Naming, Scope

_LAST_NUMBER = re.compile(r"(\d+[a-z]?|[a-z])$")


def find_blocks(naming: Naming, trunk: Collection[str]) -> list[Scope]:
    """Return the innermost modules that are one of a sequence on the trunk of the network.

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
