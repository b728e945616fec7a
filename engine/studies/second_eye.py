"""Does another network agree that a picture is like the photographs that a unit looks for?"""

from __future__ import annotations

import numpy as np

from .. import models
from ..errors import LayerError
from ..graph.builder import Builder
from ..graph.finish import model_of
from ..images import as_batch, fitted_to
from ..network.model import Model
from ..network.photos import pixels_of
from ..runtime.session import open_for


def other_network(model: Model) -> str | None:
    """Return a network of the catalogue that is here, and of another architecture.

    Args:
        model: The network that a second one is wanted for.
    """
    own = None if model.metadata is None else model.metadata.architecture
    for name, entry in models.catalogue().items():
        if entry.architecture != own and name != model.name and models.is_cached(name):
            return name
    return None


class SecondEye:
    """A network's features of pictures: the means of its last cells.

    Attributes:
        name: The network's.
        layer: The layer that they are of, the last main one with cells.
    """

    def __init__(self, model: Model, provider: str) -> None:
        """Open a session.

        Args:
            model: The network.
            provider: Where to compute.

        Raises:
            LayerError: it has no layer of cells.
            OnnxscopeError: see `onnxscope.render`.
        """
        cells = [known for known in model.layers.values() if len(known.shape) in (2, 3)]
        cells = [k for k in cells if len(k.shape) == 2 or k.shape[1] * k.shape[2] > 1]
        main = [known for known in cells if known.main] or cells
        if not main:
            raise LayerError(f"{model.name} has no layer of cells to compare pictures by")
        self.name = model.name
        self.layer = main[-1].title
        self.size = pixels_of(model, None)
        self._batch = model.fixed_batch or 8
        builder = Builder("eye", opset=model.opset)
        image = builder.input("image", (self._batch, 3, *self.size), np.float32)
        value = model.append(image, [self.layer])[self.layer]
        builder.output("features", value.mean(list(range(2, value.rank))))
        graph = model_of(builder)
        self._session = open_for(lambda _: graph, provider)

    def features(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Return what the network makes of pictures.

        Args:
            pictures: Each (h, w, 3) uint8, of any size.

        Returns:
            (N, C) float32.
        """
        seen = np.concatenate([as_batch(fitted_to(one, *self.size)) for one in pictures])
        found = []
        for start in range(0, len(seen), self._batch):
            part = seen[start : start + self._batch]
            count = len(part)
            filled = np.concatenate([part, np.repeat(part[-1:], self._batch - count, axis=0)])
            found.append(self._session.run({"image": filled})["features"][:count])
        return np.concatenate(found)


def agreement(picture: np.ndarray, best: np.ndarray, others: np.ndarray) -> float:
    """Return how much nearer a picture is to a unit's best photos than to random ones.

    Args:
        picture: Its features, (C,).
        best: Those of the best photos, (B, C).
        others: Those of random ones, (R, C).

    Returns:
        The share of pairs of a best and a random photo of which the best is nearer: an area under
        the curve (AUC), 0.5 where it is chance, 1 where each best photo is nearer than any other.
        Near is the cosine of the angle between directions of features around the mean direction of
        the random photos: how strong features are, as of pictures rich in contrast, has no say.
    """
    directions = _of_length_one(np.concatenate([picture[None], best, others]).astype(np.float64))
    directions = _of_length_one(directions - directions[len(best) + 1 :].mean(axis=0))
    near = directions[1:] @ directions[0]
    near_best, near_others = near[: len(best), None], near[None, len(best) :]
    return float(((near_best > near_others) + 0.5 * (near_best == near_others)).mean())


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found
