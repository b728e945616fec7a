"""Does a picture travel through the layers as such photographs do?

Geirhos, Zimmermann, Bilodeau, Brendel & Kim, *Don't trust your eyes: on the (un)reliability of
feature visualizations*, 2024 (arXiv 2306.04719): a unit can be made to show one thing and to look
for another, and then the picture takes another way through the network than photographs.

They compare activations of a class's picture with those of photographs of the class, by Spearman's
rank correlation, in every layer, on a scale on which 0 is what photographs of other classes have
with these and 1 what these have among each other. So it is here, with three differences: in the
place of photographs of a class stand those that excite a unit most, and random ones in the place of
other classes'; where a unit sees a part of the picture, that part is compared, laid over those of
the photographs; and beside the layers there is one number for all, for which each layer is cut off
at 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.builder import Builder
from ..graph.finish import model_of
from ..images import as_batch
from ..network.model import Model
from ..runtime.session import open_for

_ACROSS = 7
"""At so many places down and across what the unit sees activations are compared."""

_ELEMENTS = 4096
"""So many of them at most in each layer, drawn without replacement."""

_PICTURE = (0.0, 1.0, 0.0, 1.0)
"""What a unit sees to which no place belongs, such as a class."""

_FEW_LAYERS = 4
_FEWEST = 8
"""Ranks of fewer activations say little: such layers are left out, where there are others."""


@dataclass(frozen=True)
class PathLayer:
    """How alike activations of a layer are, as rank correlations (Spearman).

    Attributes:
        layer: The layer.
        picture: Of the picture and the unit's best photos.
        photos: Of the best photos among each other.
        others: Of the best photos and random ones.
    """

    layer: str
    picture: float
    photos: float
    others: float

    @property
    def similarity(self) -> float | None:
        """The picture's likeness: 0 as random photos, 1 as the unit's; `None` for no difference."""
        apart = self.photos - self.others
        if apart <= 0.01:
            return None
        return float(np.clip((self.picture - self.others) / apart, 0, 1))


def path_similarity(layers: Sequence[PathLayer]) -> float | None:
    """Return in how far a picture travels as the unit's photos do.

    Args:
        layers: Of the way to the unit.

    Returns:
        From 0 to 1, the mean of the layers' similarities, each with the weight of how much more the
        unit's photos are alike than random ones: layers in which they are nothing special have no
        say. `None` where that is so in all.
    """
    weights = [one.photos - one.others for one in layers]
    found = [one.similarity for one in layers]
    telling = [(w, s) for w, s in zip(weights, found, strict=True) if s is not None]
    if not telling:
        return None
    return sum(weight * one for weight, one in telling) / sum(weight for weight, _ in telling)


def sees_all(fields: np.ndarray) -> np.ndarray:
    """Return for each field of a unit whether whole layers are compared: where all are the picture.

    Of a unit that sees the picture from its middle, and a part of it from the border, places are.

    Args:
        fields: As parts of height and width (N, 4).
    """
    return np.full(len(fields), bool((fields == _PICTURE).all()))


class Way:
    """The layers on the way to a unit, and activations of these.

    Attributes:
        layers: Their names: the main layers as far as the unit's, or all where there are few.
    """

    def __init__(
        self, model: Model, layer: str, size: tuple[int, int], provider: str, seed: int
    ) -> None:
        """Open a session.

        Args:
            model: The network.
            layer: The unit's layer.
            size: Height and width of the pictures.
            provider: Where to compute.
            seed: Which activations of large layers are compared.

        Raises:
            OnnxscopeError: see `onnxscope.render`.
        """
        names = list(model.layers)
        until = names[: names.index(model.names.find(layer)) + 1]
        wanted = [name for name in until if model.layers[name].main or name == until[-1]]
        if len(wanted) < _FEW_LAYERS:
            # Where ways part early there is no trunk to speak of.
            wanted = until
        large = [name for name in wanted if math.prod(model.layers[name].shape) >= _FEWEST]
        self.layers = large or wanted
        self._seed = seed
        self._chosen: dict[int, np.ndarray] = {}
        self._batch = model.fixed_batch or 4
        builder = Builder("way", opset=model.opset)
        image = builder.input("image", (self._batch, 3, *size), np.float32)
        values = model.append(image, self.layers)
        for number, name in enumerate(self.layers):
            value, grid = values[name], values.grids.get(name)
            if grid is not None:
                patches = value[:, :, grid.before : grid.before + grid.height * grid.width]
                value = patches.reshape(*value.shape[:2], grid.height, grid.width)
            builder.output(f"layers/{number}", value)
        graph = model_of(builder)
        self._session = open_for(lambda _: graph, provider)

    def activations(
        self,
        pictures: Sequence[np.ndarray],
        seen: np.ndarray,
        fields: np.ndarray,
        whole: np.ndarray,
    ) -> list[list[np.ndarray]]:
        """Return each layer's activations within fields of pictures.

        Args:
            pictures: Each (H, W, 3) uint8; each is computed once.
            seen: Which of them a field is of, (M,).
            fields: What a unit sees of it, as parts of its height and width: top, bottom, left,
                right, (M, 4).
            whole: Whether whole layers are compared instead, (M,).

        Returns:
            For each layer M vectors: of fields one length, of whole layers another.
        """
        found: list[dict[int, np.ndarray]] = [{} for _ in self.layers]
        for start in range(0, len(pictures), self._batch):
            part = as_batch(np.stack(pictures[start : start + self._batch]))
            count = len(part)
            filled = np.concatenate([part, np.repeat(part[-1:], self._batch - count, axis=0)])
            given = self._session.run({"image": filled})
            for number, rows in enumerate(found):
                values = given[f"layers/{number}"]
                for row in np.flatnonzero((seen >= start) & (seen < start + count)):
                    field = None if whole[row] else fields[row]
                    rows[int(row)] = self._taken(values[seen[row] - start], field)
        return [[rows[row] for row in range(len(seen))] for rows in found]

    def _taken(self, values: np.ndarray, field: np.ndarray | None) -> np.ndarray:
        """Activations at places of a field of (C, H, W); of others, and without a field, all."""
        if values.ndim == 3 and field is not None:
            inside = (np.arange(_ACROSS) + 0.5) / _ACROSS
            top, bottom, left, right = field
            places = (top + inside * (bottom - top), left + inside * (right - left))
            rows, columns = (
                np.clip(np.floor(at * side), 0, side - 1).astype(int)
                for at, side in zip(places, values.shape[1:], strict=True)
            )
            values = values[:, rows][:, :, columns]
        flat = values.reshape(-1)
        if flat.size <= _ELEMENTS:
            return flat
        # The same for every picture.
        if flat.size not in self._chosen:
            order = np.random.default_rng(self._seed).permutation(flat.size)
            self._chosen[flat.size] = order[:_ELEMENTS]
        return np.asarray(flat[self._chosen[flat.size]])

    def compare(
        self, activations: Sequence[Sequence[np.ndarray]], count: int
    ) -> tuple[PathLayer, ...]:
        """Compare a picture with photographs in every layer.

        Args:
            activations: For each layer those of the picture, of the unit's photos, two at least,
                and of random ones, N vectors of one length.
            count: How many are the unit's photos.
        """
        pairs = ~np.eye(count, dtype=bool)
        found = []
        for name, rows in zip(self.layers, activations, strict=True):
            ranks = _standard_ranks(np.stack(rows))
            own, of_best, of_others = ranks[0], ranks[1 : count + 1], ranks[count + 1 :]
            found.append(
                PathLayer(
                    name,
                    float((of_best @ own).mean()),
                    float((of_best @ of_best.T)[pairs].mean()),
                    float((of_best @ of_others.T).mean()),
                )
            )
        return tuple(found)


def _standard_ranks(rows: np.ndarray) -> np.ndarray:
    """The ranks of each row, of equal values their mean, with mean 0 and length 1."""
    found = np.zeros(rows.shape)
    for row, ranks in zip(rows, found, strict=True):
        _, inverse, counts = np.unique(row, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        ranks[:] = (ends - (counts - 1) / 2)[inverse]
        ranks -= ranks.mean()
        length = np.linalg.norm(ranks)
        if length:
            ranks /= length
    return found
