"""The cells of a layer on a photograph: what stands at each, pooled where there are too many."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import LayerError
from ..images import shares
from ..network.layers.layer import Layer
from ..network.model import Model

MOST_CELLS = 200
"""A layer with more cells is shown with fewer, 14×14 of a square one."""

_EARLY = 5
"""Which part of the layers is too early to be chosen, as one in so many."""


@dataclass(frozen=True)
class Places:
    """The cells of a layer, and those that it is shown with.

    Attributes:
        rows: Rows of cells in the layer.
        columns: Columns likewise.
        height: Rows that are shown, at most as many.
        width: Columns likewise.
    """

    rows: int
    columns: int
    height: int
    width: int

    @staticmethod
    def of(rows: int, columns: int, most: int = MOST_CELLS) -> Places:
        """Return how a layer of so many cells is shown with `most` cells or fewer."""
        if rows * columns <= most:
            return Places(rows, columns, rows, columns)
        less = math.sqrt(most / (rows * columns))
        return Places(rows, columns, max(int(rows * less), 1), max(int(columns * less), 1))

    @property
    def pooled(self) -> bool:
        """Whether fewer cells are shown than there are."""
        return (self.rows, self.columns) != (self.height, self.width)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return values (…, rows, columns) as (…, height, width): means over the areas' shares."""
        down, across = shares(self.rows, self.height), shares(self.columns, self.width)
        return np.asarray(down @ values @ across.T, np.float32)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return values (…, rows, columns) as (…, height, width), of the same sum."""
        cells = self.rows * self.columns / (self.height * self.width)
        return np.asarray(self.means(values) * cells, np.float32)

    def spread(self, weights: np.ndarray) -> np.ndarray:
        """Return weights of shown cells (…, height, width) as those of the layer's cells.

        Σ weights · means(values) is Σ spread(weights) · values.
        """
        down, across = shares(self.rows, self.height), shares(self.columns, self.width)
        return np.asarray(down.T @ weights @ across, np.float32)


@dataclass(frozen=True)
class PhotoLayer:
    """A layer on a photograph.

    Attributes:
        layer: Which.
        values: Its activations (C, rows, columns) float32.
        places: How its cells are shown.
    """

    layer: Layer
    values: np.ndarray
    places: Places

    @property
    def vectors(self) -> np.ndarray:
        """What stands at each cell that is shown, (height, width, C)."""
        return np.ascontiguousarray(self.places.means(self.values).transpose(1, 2, 0))


def cells_of(
    model: Model, photo: np.ndarray, layers: list[Layer], provider: str
) -> list[PhotoLayer]:
    """Compute layers on a photograph.

    Args:
        model: The model.
        photo: (H, W, 3) uint8, of the model's usual size.
        layers: With cells or patches.
        provider: See `onnxscope.render`.
    """
    names = [layer.name for layer in layers]
    count = model.fixed_batch or 1
    found = model.activations(np.repeat(photo[None], count, axis=0), names, provider)
    cells = []
    for layer in layers:
        values = found[layer.name][0]
        if layer.grid is not None and values.ndim == 2:
            grid = layer.grid
            patches = values[:, grid.before : grid.before + grid.height * grid.width]
            values = patches.reshape(len(values), grid.height, grid.width)
        cells.append(PhotoLayer(layer, values, Places.of(*values.shape[1:])))
    return cells


def has_places(layer: Layer) -> bool:
    """Return whether a layer has cells or patches in more than one place."""
    if layer.grid is not None:
        return layer.grid.height * layer.grid.width > 1
    return len(layer.shape) == 3 and layer.shape[1] * layer.shape[2] > 1


def usual_layers(model: Model, count: int = 4) -> list[Layer]:
    """Return layers that show how a network builds up what it sees, from the first to the last.

    They are evenly spaced among the main layers with cells that have at least as many channels as
    every one before them, as ends of blocks have, and are no scores of classes in places.

    Raises:
        LayerError: there is none.
    """
    every = list(model.layers.values())
    flat = {len(model.labels)} | {layer.channels for layer in every if len(layer.shape) == 1}
    # The first ones see a few pixels, of which there is little to say.
    late = every[len(every) // _EARLY :]
    cells = [layer for layer in late if has_places(layer) and "Pool" not in layer.op_type]
    cells = cells or [layer for layer in every if has_places(layer)]
    main = [layer for layer in cells if layer.main and layer.channels not in flat] or cells
    widest, chosen = 0, []
    for layer in main:
        if layer.channels >= widest:
            widest = layer.channels
            chosen.append(layer)
    if not chosen:
        raise LayerError(
            f"{model.name} has no layer whose cells are places in the picture: there is nothing to "
            "lay over a photo"
        )
    return [
        chosen[at] for at in sorted({*np.rint(np.linspace(0, len(chosen) - 1, count)).astype(int)})
    ]


def layers_called(model: Model, names: list[str]) -> list[Layer]:
    """Return layers by their names, in the network's order.

    Raises:
        LayerError: there is no such layer, or it has no cells.
    """
    found = {}
    for name in names:
        layer = model.layers[name]
        if not has_places(layer):
            shape = "×".join(map(str, layer.shape))
            raise LayerError(
                f"{layer.title} ({shape}) has no cells that are places in the picture: choose "
                "layers of cells or of patches"
            )
        found[layer.name] = layer
    order = list(model.layers)
    return sorted(found.values(), key=lambda layer: order.index(layer.name))
