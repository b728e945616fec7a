"""Where in a feature map a unit is active, and which part of a picture each of its cells sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import LayerError
from ..gradient.objective import append_objective
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..graph.tensor import Tensor
from ..network.alone import input_for_one
from ..network.model import Model
from ..objectives.making import before_activation, channel, neuron
from ..pictures.fields import seen_part
from ..runtime.session import open_for

if TYPE_CHECKING:
    from ..graph.passes.crop import Box
    from ..network.activations import Activations


@dataclass(frozen=True)
class Cells:
    """A unit's cells at one size of picture.

    Attributes:
        model: The network.
        layer: The unit's layer.
        unit: Its channel.
        size: Of the pictures, height and width.
        height: Rows of cells.
        width: Columns of cells.
        are_tokens: Whether they are tokens, whose fields are not followed through a network.
    """

    model: Model
    layer: str
    unit: int
    size: tuple[int, int]
    height: int
    width: int
    are_tokens: bool

    @staticmethod
    def of(model: Model, layer: str, unit: int, size: tuple[int, int]) -> Cells:
        """Find them.

        Raises:
            LayerError: the layer has no cells, or no such unit.
        """
        builder = Builder(opset=model.opset)
        image = input_for_one(builder, model, size)
        values = model.append(image, [layer])
        found = _maps(values, layer)
        if found is None:
            shape = model.layer_shape(layer, model.fixed_batch or 1, *size)
            raise LayerError(
                f"{layer} has the shape {shape}, without cells in rows and columns: there a neuron "
                "and a channel are the same"
            )
        if not unit < found.shape[1]:
            raise LayerError(
                f"{layer} has {found.shape[1]} channels, 0 to {found.shape[1] - 1}; there is no "
                f"channel {unit}"
            )
        height, width = found.shape[2:]
        return Cells(model, layer, unit, size, height, width, values[layer].rank == 3)

    def field(self, y: int, x: int) -> Box:
        """Return what a cell sees, as rows and columns of the picture."""
        return seen_part(self.model, neuron(self.layer, self.unit, y=y, x=x), self.size)

    def whole_field(self, y: int, x: int) -> tuple[int, int] | None:
        """Return height and width of what a cell sees; `None` where the border cuts it off."""
        box = self.field(y, x)
        if box.top == 0 or box.left == 0 or (box.bottom, box.right) == self.size:
            return None
        if box.bottom == self.size[0] or box.right == self.size[1]:
            return None
        return box.bottom - box.top, box.right - box.left

    def stride(self) -> tuple[int, int]:
        """Return by how many pixels the fields of neighbouring cells are apart, down and across."""
        y, x = self.height // 2, self.width // 2
        here = self.field(y, x)
        apart = []
        for axis, (count, pixels) in enumerate(
            zip((self.height, self.width), self.size, strict=True)
        ):
            found = 0
            if (y, x)[axis]:
                there = self.field(y - (axis == 0), x - (axis == 1))
                first, last = ("top", "bottom") if axis == 0 else ("left", "right")
                if getattr(there, first) > 0:
                    found = getattr(here, first) - getattr(there, first)
                elif getattr(here, last) < pixels:
                    found = getattr(here, last) - getattr(there, last)
            # Where each sees the whole picture they are as far apart as there is room.
            apart.append(found or round(pixels / count))
        return apart[0], apart[1]

    def on(self, images: np.ndarray, provider: str) -> tuple[np.ndarray, np.ndarray]:
        """Compute the cells on pictures as they are, without transforms.

        Args:
            images: (N, H, W, C) in [0, 1].
            provider: Where.

        Returns:
            The cells (N, height, width), and the channel's mean before the activation function,
            (N,), float32.
        """
        form = self.model.form
        pictures = form.as_batch(images).astype(np.float32, copy=False)
        count = self.model.fixed_batch or len(pictures)
        builder = Builder(opset=self.model.opset)
        image = builder.input("image", (count, form.planes, *self.size), np.float32)
        cells = _maps(self.model.append(image, [self.layer]), self.layer)
        assert cells is not None  # `of` has seen to it
        builder.output("cells", cells[:, self.unit])
        before = before_activation(channel(self.layer, self.unit))
        builder.output("before", append_objective(self.model, before, image))
        graph = model_of(builder)
        session = open_for(lambda _: graph, provider)
        found = [
            {name: values[:used] for name, values in session.run({"image": part}).items()}
            for part, used in _parts(pictures, count)
        ]
        return (
            np.concatenate([one["cells"] for one in found]),
            np.concatenate([one["before"] for one in found]),
        )


def _maps(found: Activations, layer: str) -> Tensor | None:
    """A layer as (N, C, H, W), that of tokens by where their patches are; else `None`."""
    values = found[layer]
    if values.rank == 4:
        return values
    grid = found.grids.get(layer)
    if values.rank != 3 or grid is None:
        return None
    patches = values[:, :, grid.before : grid.before + grid.height * grid.width]
    return patches.reshape(*values.shape[:2], grid.height, grid.width)


def _parts(pictures: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, int]]:
    """Pictures in parts of one size, with how many of each count; the last is filled up."""
    for start in range(0, len(pictures), count):
        part = pictures[start : start + count]
        used = len(part)
        yield np.concatenate([part, np.repeat(part[-1:], count - used, axis=0)]), used
