"""What a Slice takes, where its ends are numbers: one reader for all who ask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir


@dataclass(frozen=True)
class Cut:
    """What a Slice takes along one axis, as the node says: ends may be negative or outside.

    Attributes:
        axis: Counted from the front.
        start: First position.
        end: Where it stops.
        step: From one position to the next, not zero.
    """

    axis: int
    start: int
    end: int
    step: int

    def positions(self, size: int) -> range:
        """Return the positions that it takes of an axis of this size."""
        # Python clips both ends as ONNX does.
        return range(*slice(self.start, self.end, self.step).indices(size))


def constant_cuts(node: ir.Node) -> list[Cut] | None:
    """Return the cuts of a Slice; `None` where one of its ends, axes or steps is computed."""
    source, *columns = node.inputs
    if source is None or source.shape is None:
        return None
    arrays: list[np.ndarray | None] = []
    for value in columns:
        constant = None if value is None else value.const_value
        if value is not None and constant is None:
            return None
        arrays.append(None if constant is None else constant.numpy())
    starts, ends, axes, steps = [*arrays, None, None][:4]
    return cuts_of(len(source.shape), starts, ends, axes, steps)


def cuts_of(
    rank: int,
    starts: np.ndarray | None,
    ends: np.ndarray | None,
    axes: np.ndarray | None,
    steps: np.ndarray | None,
) -> list[Cut] | None:
    """Return the cuts of a value of this rank, with ONNX's defaults; `None` without both ends."""
    if starts is None or ends is None:
        return None
    where = range(starts.size) if axes is None else np.ravel(axes)
    strides = [1] * starts.size if steps is None else np.ravel(steps)
    columns = zip(where, np.ravel(starts), np.ravel(ends), strides, strict=True)
    return [
        Cut(int(axis) % rank, int(start), int(end), int(step)) for axis, start, end, step in columns
    ]
