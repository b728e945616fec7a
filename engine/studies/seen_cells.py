"""What each cell of a layer sees of the picture, by rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..graph.builder import Builder
from ..graph.passes.crop import Box, needed_part
from ..graph.tensor import Tensor
from ..network.model import Model


def fields_of(
    model: Model, layers: Sequence[str], size: tuple[int, int], cells: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the exact receptive fields of all cells of layers.

    They are followed through every operator of the network, and end at the picture's border. Rows
    of pixels depend on rows of cells alone, and columns on columns.

    Args:
        model: The network.
        layers: The names of their values.
        size: Height and width of the picture.
        cells: How many rows and columns of cells each has.

    Returns:
        By layer the first row of pixels and the one behind the last, of each row of cells, (rows,
        2) int64, and likewise of the columns.
    """
    if not layers:
        return {}
    height, width = size
    builder = Builder(opset=model.opset)
    image = builder.input("image", (model.fixed_batch or 1, 3, height, width), np.float32)
    values = model.append(image, layers)
    found = {}
    for name in layers:
        rows, columns = cells[name]
        value = values[name]
        if value.rank != 4:
            # Tokens see what attention brings them, all of the picture.
            whole = np.array([[0, height]]), np.array([[0, width]])
            found[name] = np.repeat(whole[0], rows, axis=0), np.repeat(whole[1], columns, axis=0)
            continue
        down = [_box(builder, image, value, y, columns // 2) for y in range(rows)]
        across = [_box(builder, image, value, rows // 2, x) for x in range(columns)]
        found[name] = (
            np.array([(box.top, box.bottom) for box in down]),
            np.array([(box.left, box.right) for box in across]),
        )
    return found


def _box(builder: Builder, image: Tensor, value: Tensor, y: int, x: int) -> Box:
    builder.graph.outputs.clear()
    builder.output("cell", value[:, :, y : y + 1, x : x + 1])
    box = needed_part(builder, image)
    return box or Box(0, image.shape[2], 0, image.shape[3])
