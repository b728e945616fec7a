"""Objectives over several pictures: alike where they shall be compared, different where not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import TargetError
from ..graph.tensor import Tensor
from ..plain import real, whole
from .algebra import OBJECTIVES, Leaf, Objective, check_objective, layer_named
from .own_objectives import Each
from .seen import Seen
from .sums import gram

_FARTHEST = 4
"""How far apart pictures may be that are to be alike; Lucid's."""

_TINY = 1e-10
"""The least squared length that a Gram matrix is divided by; Lucid's."""


def interpolate(start: Objective, stop: Objective, count: int) -> Objective:
    """Go from one objective to another, in as many pictures (Lucid's `channel_interpolate`).

    Picture n of N is for (1 − w) · start + w · stop with w = n / (N − 1). Shown side by side they
    want `- alignment(layer)`, or a parameterization that they share, to be comparable.

    Args:
        start: The first picture's.
        stop: The last picture's.
        count: N, at least 2.

    Raises:
        OnnxscopeError: an argument is of another kind, or an objective compares pictures.
    """
    check_objective(start)
    check_objective(stop)
    last = whole("the count of pictures", count, 2) - 1
    between = [(1 - at / last) * start + at / last * stop for at in range(1, last)]
    return Each((start, *between, stop))


def diversity(layer: str) -> Objective:
    """Measure how alike the pictures of a batch are, to be subtracted (Lucid's `diversity`).

    Of picture i it is Σ over the others j of ⟨Gᵢ, Gⱼ⟩ / (‖Gᵢ‖ ‖Gⱼ‖), where G = AᵀA is the Gram
    matrix of the layer's channels over its cells: textures that are alike, wherever they are. With
    a mean over pictures in the place of a sum it is Lucid's, so that weights of its notebooks, some
    1 to 100, mean the same here.

    Args:
        layer: Layer name, (N, C, H, W) or tokens (N, C, L).

    Returns:
        A penalty that compares pictures, from −1 to 1 for each other picture (behind a ReLU, from
        0); 0 for a single one.

    Raises:
        TargetError: `layer` is no text.
    """
    return Diversity(layer)


def alignment(layer: str, decay_ratio: float = 2.0) -> Objective:
    """Measure how far neighbouring pictures are from each other, to be subtracted.

    Of picture i it is ½ Σ mean((aᵢ − aⱼ)²) / decay_ratio^|i − j| over the pictures j at most four
    away: of each pair, each of both has a half. Lucid's `alignment` is minus the sum over all
    pictures.

    Args:
        layer: Layer name, of any shape.
        decay_ratio: How much less it counts for each picture further away, above 0.

    Returns:
        A penalty that compares pictures, at least 0; 0 for a single one.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    return Alignment(layer, decay_ratio)


@dataclass(frozen=True)
class _Comparing(Leaf):
    """A leaf that compares the pictures of a batch at a layer."""

    layer: str

    def __post_init__(self) -> None:
        layer_named(self.layer)

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    @property
    def mixes_pictures(self) -> bool:
        """Yes."""
        return True


@OBJECTIVES.add("diversity")
@dataclass(frozen=True)
class Diversity(_Comparing):
    """How alike the textures of the pictures are (see `diversity`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W) or tokens (N, C, L).

        Raises:
            LayerError: the layer has no cells.
        """
        values = seen[self.layer]
        count = values.shape[0]
        grams = gram(values, self.layer)
        squared = (grams**2).sum(1, keepdims=True)
        floor = grams.builder.constant(_TINY, grams.dtype)
        unit = grams / grams.op.Max(squared, floor).sqrt()
        others = np.ones((count, count)) - np.eye(count)
        return ((unit @ unit.transpose(1, 0)) * others).sum(1)


@OBJECTIVES.add("alignment")
@dataclass(frozen=True)
class Alignment(_Comparing):
    """How far neighbouring pictures are from each other (see `alignment`)."""

    decay_ratio: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        ratio = real("decay_ratio", self.decay_ratio)
        if ratio <= 0:
            raise TargetError(f"decay_ratio must be above 0, not {ratio:g}")
        object.__setattr__(self, "decay_ratio", ratio)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from a layer of any shape."""
        values = seen[self.layer]
        count = values.shape[0]
        axes = list(range(1, values.rank))
        total = (values[:, :1] * 0).sum(axes) if count == 1 else None
        for away in range(1, min(_FARTHEST, count - 1) + 1):
            apart = ((values[away:] - values[:-away]) ** 2).mean(axes)
            # (pairs, N): to both pictures of a pair the half of it.
            to_both = np.eye(count)[away:] + np.eye(count)[:-away]
            share = apart @ (to_both / (2 * self.decay_ratio**away))
            total = share if total is None else total + share
        assert total is not None  # a batch has one picture or several
        return total
