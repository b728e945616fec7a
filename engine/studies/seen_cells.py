"""What each cell of a layer sees of the picture, by rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.builder import Builder
from ..graph.passes.crop import Box, needed_part
from ..graph.passes.narrow import narrow
from ..graph.passes.plan import Plan
from ..graph.tensor import Tensor
from ..network.model import Model


@dataclass(frozen=True)
class Fields:
    """What the cells of a layer see of the picture.

    Attributes:
        rows: Of each branch and each row of cells the first row of pixels that it sees and the one
            behind the last, (branches, rows, 2) int64.
        columns: Likewise of the columns.
        branch: The branch of each unit, (units,) int64.
    """

    rows: np.ndarray
    columns: np.ndarray
    branch: np.ndarray


def no_fields(units: int) -> Fields:
    """Return those of a layer without places."""
    nothing = np.zeros((1, 0, 2), np.int64)
    return Fields(nothing, nothing, np.zeros(units, np.int64))


def fields_of(
    model: Model,
    layer: str,
    units: Sequence[int],
    size: tuple[int, int],
    cells: tuple[int, int],
) -> Fields:
    """Return the exact receptive fields of all cells of a layer.

    They are followed through every operator of the network, and end at the picture's border. Rows
    of pixels depend on rows of cells alone, and columns on columns. Where a layer joins branches,
    units of each have fields of their own.

    Args:
        model: The network.
        layer: The name of the layer's value.
        units: Of which of its units.
        size: Height and width of the picture.
        cells: How many rows and columns of cells there are.
    """
    known = model.layers[layer]
    starts = [branch.start for branch in known.branches] or [0]
    of_units = np.searchsorted(starts, units, side="right") - 1
    needed, branch = np.unique(of_units, return_inverse=True)
    rows, columns = _seen(model, layer, None, size, cells)
    if len(starts) == 1:
        return Fields(rows[None], columns[None], branch.astype(np.int64))
    alone = [_seen(model, layer, starts[number], size, cells) for number in needed]
    # Either way may lose track where the other does not, and what is seen lies in both.
    return Fields(
        np.stack([_common(rows, of) for of, _ in alone]),
        np.stack([_common(columns, of) for _, of in alone]),
        branch.astype(np.int64),
    )


def _common(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The pixels that are in both of two ranges, (…, 2)."""
    return np.stack([np.maximum(a[:, 0], b[:, 0]), np.minimum(a[:, 1], b[:, 1])], axis=1)


def _seen(
    model: Model, layer: str, channel: int | None, size: tuple[int, int], cells: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that rows of cells see, of a channel or all, (rows, 2), and the columns."""
    builder = Builder(opset=model.opset)
    image = builder.input("image", (model.fixed_batch or 1, 3, *size), np.float32)
    value = model.append(image, [layer])[layer]
    if value.rank != 4:
        # Tokens see what attention brings them, all of the picture.
        whole = np.array([[0, size[0]]]), np.array([[0, size[1]]])
        return np.repeat(whole[0], cells[0], axis=0), np.repeat(whole[1], cells[1], axis=0)
    if channel is None:
        return _rows_and_columns(builder, image, value, cells)
    cut = builder.output("channel", value.op.Neg(value[:, channel : channel + 1]))
    # Rows and columns are taken of one channel, which has to be taken of the network first.
    narrow(builder, Plan())
    alone = Tensor(builder, builder.graph.outputs[0])
    assert alone.value is cut.value  # narrowing changes what it is computed from
    return _rows_and_columns(builder, image, alone, cells)


def _rows_and_columns(
    builder: Builder, image: Tensor, value: Tensor, cells: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = cells
    down = [_box(builder, image, value, y, columns // 2) for y in range(rows)]
    across = [_box(builder, image, value, rows // 2, x) for x in range(columns)]
    return (
        np.array([(box.top, box.bottom) for box in down]),
        np.array([(box.left, box.right) for box in across]),
    )


def _box(builder: Builder, image: Tensor, value: Tensor, y: int, x: int) -> Box:
    builder.graph.outputs.clear()
    builder.output("cell", value[:, :, y : y + 1, x : x + 1])
    box = needed_part(builder, image)
    return box or Box(0, image.shape[2], 0, image.shape[3])
