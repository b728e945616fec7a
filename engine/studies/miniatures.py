"""Hundreds of small pictures of a layer's directions, from one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..ascent.optimizers import Adam
from ..errors import InputError
from ..images import as_uint8
from ..network.layers.layer import Layer
from ..network.model import Model
from ..objectives.own_directions import Directions
from ..pictures.rendering import render
from ..transforms.geometric import jitter, pad, rotate, scale

if TYPE_CHECKING:
    from ..ascent.loop import Progress
    from ..transforms.base import Transform

Report = Callable[[str], object]
"""Is called with what is being done, in words."""

_SMALL, _LARGE = 40, 64
"""The sides of pictures, in pixels: of a layer whose cells see less than the large one is wide, and
of others."""

_MIDDLE = (0.25, 0.25, 0.75, 0.75)
"""The cells that a picture is for: at its edges stands what lies around them."""

_COSINE = 1.0
"""Pictures are for what points along a direction, not only far along it."""

_RATE = 0.1
_GREY = 128


class Miniatures:
    """Makes small pictures of directions in a layer; those of units are kept.

    Attributes:
        side: Of the pictures, in pixels.
    """

    def __init__(
        self,
        model: Model,
        layer: Layer,
        *,
        side: int | None,
        steps: int,
        seed: int,
        provider: str,
    ) -> None:
        """Find the size of the pictures, where it is not given.

        Raises:
            InputError: the network takes no such pictures.
        """
        self._model = model
        self._layer = layer
        self._steps = steps
        self._seed = seed
        self._provider = provider
        self._field = model.receptive_field(layer.name)
        self._kept: dict[int, np.ndarray] = {}
        self.side = side or self._usual_side()
        # What takes pictures of one size only is cut to what its cells see, and made smaller.
        self._rendered = model.fixed_size or (self._least(), self._least())

    def units(self, units: Sequence[int]) -> dict[int, np.ndarray]:
        """Return the pictures of units that were made, by number."""
        return {unit: self._kept[unit] for unit in sorted(set(units))}

    def make(
        self, vectors: Sequence[np.ndarray], units: Sequence[int], report: Report
    ) -> list[np.ndarray]:
        """Make the pictures of directions, and of those units that have none yet.

        Args:
            vectors: Arrays (…, C).
            units: Numbers of channels.
            report: Called as it goes on.

        Returns:
            For each array of directions their pictures, (…, S, S, 3) uint8; grey where a direction
            is zero.
        """
        channels = self._layer.channels
        new = [unit for unit in sorted(set(units)) if unit not in self._kept]
        ones = np.zeros((len(new), channels), np.float32)
        ones[np.arange(len(new)), new] = 1
        flat = [ones, *(array.reshape(-1, channels) for array in vectors)]
        every = np.concatenate(flat)
        made = self._made(every, report)
        ends = np.cumsum([len(one) for one in flat])
        parts = np.split(made, ends[:-1])
        self._kept |= dict(zip(new, parts[0], strict=True))
        return [
            part.reshape(*array.shape[:-1], self.side, self.side, 3)
            for part, array in zip(parts[1:], vectors, strict=True)
        ]

    def _made(self, vectors: np.ndarray, report: Report) -> np.ndarray:
        pictures = np.full((len(vectors), self.side, self.side, 3), _GREY, np.uint8)
        alive = np.flatnonzero(vectors.any(axis=1))
        if not len(alive):
            return pictures
        # Lengths play no part, and would be steps of different sizes to an optimizer's floor.
        chosen = vectors[alive] / np.linalg.norm(vectors[alive], axis=1, keepdims=True)
        what = f"{self._layer.title}: {len(alive)} pictures"
        report(what)

        def told(progress: Progress) -> None:
            done = (progress.run - 1) * progress.steps + progress.step
            report(f"{what}, step {done} of {progress.runs * progress.steps}")

        made = render(
            self._model,
            self._objective(chosen),
            size=self._rendered,
            steps=self._steps,
            seed=self._seed,
            same_start=len(chosen) > 1,
            batch_size=self._model.fixed_batch,
            provider=self._provider,
            transforms=_transforms(),
            optimizer=Adam(_RATE, beta1=0.9, beta2=0.999),
            callback=told,
            progress=False,
        )
        if made.interrupted:
            # Pictures that are missing or less far would be taken for what the network sees.
            raise KeyboardInterrupt
        for at, image in zip(alive, made.images, strict=True):
            pictures[at] = self._cut(as_uint8(image))
        return pictures

    def _objective(self, vectors: np.ndarray) -> Directions:
        name = self._layer.name
        if self._model.fixed_size:
            # Of a large picture the middle half would be many cells, each of which shows the same.
            return Directions(name, vectors, _COSINE, radius=1)
        return Directions(name, vectors, _COSINE, box=_MIDDLE)

    def _usual_side(self) -> int:
        if self._model.fixed_size is None and self._field is not None:
            return _SMALL if max(self._field) < _LARGE else _LARGE
        return _LARGE

    def _least(self) -> int:
        """The side that is asked for, or the least that the network takes."""
        try:
            self._model.layer_shape(self._layer.name, 1, self.side, self.side)
        except InputError:
            return -(-self._model.smallest_size([self._layer.name]) // 8) * 8
        return self.side

    def _cut(self, image: np.ndarray) -> np.ndarray:
        """A rendered picture in the size that is wanted."""
        height, width = image.shape[:2]
        if (height, width) == (self.side, self.side):
            return image
        across = min(height, width)
        if self._model.fixed_size and self._field is not None:
            across = min(across, max(*self._field, _SMALL))
        top, left = (height - across) // 2, (width - across) // 2
        box = (left, top, left + across, top + across)
        small = Image.fromarray(image).resize((self.side, self.side), Image.Resampling.LANCZOS, box)
        return np.asarray(small)


def _transforms() -> list[Transform]:
    """Smaller ones than for pictures of the usual size."""
    return [pad(3), jitter(4), scale([1, 0.95, 1.05]), rotate([-5, 0, 5]), jitter(2)]
