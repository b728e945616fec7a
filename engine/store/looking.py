"""What a layer answers to a finished picture, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..network.alone import as_input, input_for_one
from ..network.layers.layer import Layer
from ..network.model import Model
from ..objectives.preactivation import without_activation
from ..runtime.session import open_session

_MOST_CELLS = 32
"""Rows and columns of a map at most; of more, the mean of several is one."""

_SHADES = 255


class Look:
    """Runs one layer on pictures of one size.

    The network is opened once for all units of the layer.
    """

    def __init__(
        self,
        model: Model,
        layer: Layer,
        size: tuple[int, int],
        provider: str,
        *,
        before_activation: bool = False,
    ) -> None:
        """Open the network.

        Args:
            model: The network.
            layer: Which of its layers.
            size: Of the pictures, height and width.
            provider: See `onnxscope.render`.
            before_activation: Whether to look at what the layer's activation function is given.

        Raises:
            OnnxscopeError: the size does not fit the network.
        """
        self.layer = layer
        builder = Builder(opset=model.opset)
        image = input_for_one(builder, model, size)
        values = model.append(image, [layer.name])[layer.name]
        builder.output("values", without_activation(values) if before_activation else values)
        self._model = model
        self._session = open_session(model_of(builder), provider)

    def at(self, picture: np.ndarray) -> np.ndarray:
        """Return what the layer answers to a picture: (C, H, W), (C, L), (C,), (C, D, H, W).

        Args:
            picture: (H, W, 3) float in [0, 1], or what else the network takes (see `Model.form`).

        Raises:
            InputError: it answers with infinity or NaN, which JSON has no words for.
        """
        values = self._session.run({"image": as_input(self._model, picture)})["values"]
        answer = np.asarray(values[0])
        if not np.isfinite(answer).all():
            raise InputError(
                f"{self.layer.title} answers to the picture with numbers that are not finite, so "
                "that nothing can be said of it; try another preprocessing, or a layer before it"
            )
        return answer

    def of_unit(self, values: np.ndarray, unit: int) -> dict[str, Any]:
        """Return what of an answer is one unit's, as plain data.

        Args:
            values: As `at` returns them.
            unit: Its number.

        Returns:
            `mean` and `max` over its cells and `middle`, the cell of a neuron; and where it has
            cells in rows and columns, a `map` of at most 32×32: `rows`, `columns`, `low`, `high`,
            and `shades` from 0 for low to 255 for high, row by row.
        """
        cells = self.cells(values[unit : unit + 1])[0]
        middle = cells[tuple(size // 2 for size in cells.shape)]
        found = {
            "mean": _digits(cells.mean(dtype=np.float64)),
            "max": _digits(cells.max()),
            "middle": _digits(middle),
        }
        return found | ({"map": _map(cells)} if cells.ndim == 2 else {})

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Return an answer by cells: tokens that are patches of the picture in rows and columns.

        Args:
            values: As `at` returns them, of all units or some.
        """
        grid = self.layer.grid
        if values.ndim != 2 or grid is None:
            return values
        places = [[grid.token(y, x) for x in range(grid.width)] for y in range(grid.height)]
        return np.asarray(values[:, np.asarray(places)])


def means(values: np.ndarray) -> list[float]:
    """Return the mean of each unit's cells, of what `Look.at` returns."""
    flat = values.reshape(len(values), -1)
    return [_digits(mean) for mean in flat.mean(1, dtype=np.float64)]


def _map(cells: np.ndarray) -> Mapping[str, Any]:
    rows, columns = cells.shape
    down, across = -(-rows // _MOST_CELLS), -(-columns // _MOST_CELLS)
    if down > 1 or across > 1:
        starts = np.arange(0, rows, down), np.arange(0, columns, across)
        summed = np.add.reduceat(np.add.reduceat(cells, starts[0], 0), starts[1], 1)
        counts = np.add.reduceat(np.add.reduceat(np.ones_like(cells), starts[0], 0), starts[1], 1)
        cells = summed / counts
    low, high = float(cells.min()), float(cells.max())
    shades = np.round((cells - low) / ((high - low) or 1) * _SHADES).astype(int)
    return {
        "rows": cells.shape[0],
        "columns": cells.shape[1],
        "low": _digits(low),
        "high": _digits(high),
        "shades": shades.ravel().tolist(),
    }


def _digits(value: float) -> float:
    # What more there is depends on the machine.
    return float(f"{float(value):.5g}")
