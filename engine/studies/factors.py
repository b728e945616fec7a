"""Groups of neurons that fire together: a layer's activations as a sum of few patterns."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from ..errors import InputError

_SWEEPS = 400
"""How many times the factors are improved at most; most settle in under 100."""


@dataclass(frozen=True)
class Factors:
    """A layer's cells as sums of groups, by non-negative matrix factorisation.

    What stands at a cell is nearly Σ maps[cell, g] · vectors[g].

    Attributes:
        maps: How much of each group there is at each cell, (height, width, groups), at least 0.
        vectors: What each group is made of, (groups, C), of length 1 and at least 0.
        share: The part of the squared activations that the groups explain, in [0, 1].
    """

    maps: np.ndarray
    vectors: np.ndarray
    share: float

    def __len__(self) -> int:
        return len(self.vectors)


def check_scikit_learn() -> None:
    """See that what factorises is installed.

    Raises:
        InputError: it is not; says how to install it.
    """
    if find_spec("sklearn") is None:
        raise InputError(
            "groups of neurons need scikit-learn: pip install 'onnxscope[pages]', or leave groups "
            "out (groups=(), --groups 0)"
        )


def factorised(vectors: np.ndarray, count: int) -> Factors:
    """Divide a layer's cells into groups of neurons (Olah et al. 2018, *Building Blocks*).

    The factorisation starts from the singular vectors, so that it is the same each time. What is
    below 0, as in layers without a ReLU, counts as 0.

    Args:
        vectors: What stands at each cell, (height, width, C).
        count: How many groups; no more than there are cells or channels.

    Returns:
        The groups, the one with the most of the activations first.

    Raises:
        InputError: scikit-learn is not installed.
    """
    check_scikit_learn()
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    height, width, channels = vectors.shape
    cells = np.maximum(vectors.reshape(-1, channels), 0).astype(np.float64)
    total = float((cells**2).sum())
    count = min(count, *cells.shape)
    if total == 0:
        empty = np.zeros((height, width, count), np.float32)
        return Factors(empty, np.zeros((count, channels), np.float32), 0.0)
    # Scaled, since the tolerance is not relative to the numbers.
    scale = float(np.sqrt(total / cells.size))
    model = NMF(count, init="nndsvda", random_state=0, max_iter=_SWEEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        maps = np.asarray(model.fit_transform(cells / scale)) * scale
    parts = np.asarray(model.components_)
    lengths = np.linalg.norm(parts, axis=1)
    parts = np.divide(parts, lengths[:, None], out=np.zeros_like(parts), where=lengths[:, None] > 0)
    maps = maps * lengths
    order = np.argsort(-maps.sum(0), kind="stable")
    maps, parts = maps[:, order], parts[order]
    missed = float(((cells - maps @ parts) ** 2).sum())
    return Factors(
        maps.reshape(height, width, count).astype(np.float32),
        parts.astype(np.float32),
        max(1 - missed / total, 0.0),
    )
