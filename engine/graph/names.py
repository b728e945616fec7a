"""Names of which no two are the same, and what a node is called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


class Names:
    """Names that are taken; for one that is wanted again, the same with a number behind it."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        # The last number of each name, from which the search goes on.
        self._counts: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def take(self, name: str) -> str:
        """Take `name`, with a number behind it where it is taken."""
        unique, count = name, 1
        if name in self._taken:
            count = self._counts.get(name, 1)
        while unique in self._taken:
            count += 1
            unique = f"{name}_{count}"
        self._taken.add(unique)
        self._counts[name] = count
        return unique

    def free(self, name: str | None) -> None:
        """Give a name back, taken or not."""
        self._taken.discard(name or "")


def node_name(node: ir.Node) -> str:
    """Return what to call a node in messages: its name, or that of what it gives first."""
    given = node.outputs[0].name if node.outputs else ""
    return node.name or given or ""
