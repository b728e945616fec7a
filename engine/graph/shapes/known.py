"""What is known of a node's inputs before anything runs: shapes, and elements of small vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .algebra import Dim, Sizes

Elements = tuple[Dim | None, ...]
"""What is known of the elements of a small tensor of integers or truth values."""

Shape = Sequence[Dim | None] | None
"""What is known of a shape, `None` where not even the rank is."""

LIMIT = 64
"""Tensors of more elements are no shapes, and are not looked into."""


@dataclass(frozen=True)
class Known:
    """What is known of a node's inputs.

    Attributes:
        node: The node.
        sizes: The algebra of sizes.
        shapes: Of the inputs; `None` where the rank is unknown or the input is left out.
        elements: Of the inputs.
    """

    node: ir.Node
    sizes: Sizes
    shapes: Sequence[tuple[Dim, ...] | None]
    elements: Sequence[Elements | None]

    def shape(self, index: int = 0) -> tuple[Dim, ...] | None:
        """Return the shape of one input."""
        return self.shapes[index] if index < len(self.shapes) else None

    def data(self, index: int) -> Elements | None:
        """Return the elements of one input."""
        return self.elements[index] if index < len(self.elements) else None

    def numbers(self, index: int) -> list[int] | None:
        """Return the elements of one input, where all are numbers."""
        data = self.data(index)
        if data is None:
            return None
        found = [n for n in data if isinstance(n, int)]
        return found if len(found) == len(data) else None

    def given(self, index: int) -> bool:
        """Return whether an optional input is there."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def axis(self, default: int, rank: int) -> int:
        """Return the node's axis, counted from the front of a value of this rank."""
        return self.node.attributes.get_int("axis", default) % max(rank, 1)


def elements_of_array(array: np.ndarray | None) -> Elements | None:
    """Return the elements of a small constant of integers or truth values."""
    if array is None or array.size > LIMIT or array.ndim > 1 or array.dtype.kind not in "iub":
        return None
    return tuple(int(n) for n in array.ravel())
