"""Activations as a whole: that they are distributed as on natural pictures.

What a unit likes can be made of activations that no photograph has. These priors ask for usual
ones: for the means and variances that batch normalisation has kept from training, or for the whole
distribution of each channel on some photographs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..identity import ByContent
from ..plain import array_in_words, numbers, shown
from .algebra import OBJECTIVES, Leaf, Objective, Sum, layer_named
from .seen import Seen
from .sums import TINY, length, summed

if TYPE_CHECKING:
    from ..network.model import Model

_QUANTILES = 256
"""How many numbers are kept of a channel's distribution at most."""


def statistics(layer: str, means: npt.ArrayLike, variances: npt.ArrayLike) -> Objective:
    """Measure how unusual the means and variances of a layer's channels are, to be subtracted.

    ‖μ − means‖ + ‖σ² − variances‖, where μ and σ² are each channel's mean and variance over the
    cells of one picture (Yin et al., *Dreaming to Distill: DeepInversion*, 2020, who take them over
    a batch: here pictures do not depend on each other).

    Args:
        layer: Layer name, (N, C, H, W) or tokens (N, C, L).
        means: (C,), what is usual.
        variances: (C,), likewise, at least 0.

    Returns:
        A penalty, at least 0.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    return Statistics(
        layer, numbers("means", means, "(C,)"), numbers("variances", variances, "(C,)")
    )


def batch_norm_prior(model: Model) -> Objective:
    """Measure how unusual all layers are that the file normalises, to be subtracted.

    The sum of `statistics` over the batch normalisations of the file, with what each of them has
    kept from training: `logit("daisy") - 0.01 * batch_norm_prior(model)` is DeepInversion's.

    Args:
        model: The model; of one whose batch normalisations were folded before it was written,
            nothing is known.

    Raises:
        TargetError: the file has none.
    """
    from ..network.model import Model

    if not isinstance(model, Model):
        raise TargetError(f"model must be one that load has given, not {shown(model)}")
    found = model.expected_statistics()
    if not found:
        raise TargetError(
            f"{model.name} has no batch normalisations, from which what is usual could be told: "
            "measure it on photographs, with statistics or distribution"
        )
    terms = tuple(statistics(name, *kept) for name, kept in found.items())
    return terms[0] if len(terms) == 1 else Sum(terms)


def distribution(
    layer: str, activations: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Objective:
    """Measure how unusual the distribution of each channel's activations is, to be subtracted.

    Σ w (sort(a) − sort(b))² / Σ w sort(b)² over cells and channels: the activations a of the
    picture, each channel's sorted, against those b of photographs, sorted and averaged, with the
    weight w of each channel (Görgün et al., *VITAL*, 2025, who weigh them by relevance).

    Args:
        layer: Layer name, (N, C, H, W) or tokens (N, C, L).
        activations: Of photographs at that layer, (M, C, …), such as
            `model.activations(photos, "fire5")["fire5"]`. At most 256 quantiles of each channel are
            kept, and at another size of picture what lies between them.
        weights: How much each channel counts, (C,), at least 0, such as `onnxscope.relevance`
            gives them; by default all alike.

    Returns:
        A penalty, at least 0.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    try:
        given = np.asarray(activations)
    except ValueError:  # lists of several lengths
        given = np.empty(0)
    if given.ndim not in (3, 4) or given.dtype.kind != "f" or 0 in given.shape:
        raise TargetError(
            "a distribution is of activations (M, C, H, W) or (M, C, L), as Model.activations "
            f"gives them, not of an array of shape {given.shape}"
        )
    ordered = np.sort(given.reshape(*given.shape[:2], -1).astype(np.float64), axis=2).mean(axis=0)
    kept = ordered if ordered.shape[1] <= _QUANTILES else _quantiles(ordered, _QUANTILES)
    quantiles = numbers("the quantiles of a distribution", kept, "(C, Q)")
    return Distribution(layer, quantiles, None if weights is None else _weights(weights))


@dataclass(frozen=True, eq=False)
class _OfLayer(ByContent, Leaf):
    """A leaf that looks at one layer."""

    layer: str

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def cells(self, seen: Seen, channels: int) -> Tensor:
        """Return the layer as (N, C, cells).

        Raises:
            LayerError: it has no cells, or another number of channels.
        """
        values = seen[self.layer]
        if values.rank not in (3, 4, 5) or values.shape[1] != channels:
            raise LayerError(
                f"{self.layer} has the shape {values.shape}; expected {channels} channels, as (N, "
                "C, H, W) or tokens (N, C, L)"
            )
        return values.reshape(*values.shape[:2], int(np.prod(values.shape[2:])))


@OBJECTIVES.add("statistics")
@dataclass(frozen=True, eq=False)
class Statistics(_OfLayer):
    """How unusual means and variances of channels are (see `statistics`)."""

    means: np.ndarray
    variances: np.ndarray

    def __post_init__(self) -> None:
        layer_named(self.layer)
        means = numbers("means", self.means, "(C,)")
        variances = numbers("variances", self.variances, "(C,)")
        if means.shape != variances.shape or variances.min() < 0:
            raise TargetError(
                "variances are as many as means, and at least 0, not of shape "
                f"{variances.shape} beside {means.shape}, from {variances.min():g}"
            )
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "variances", variances)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W) or tokens (N, C, L)."""
        cells = self.cells(seen, self.means.size)
        means = cells.mean(2, keepdims=True)
        variances = ((cells - means) ** 2).mean(2)
        apart = means[:, :, 0] - self.means, variances - self.variances
        return length(apart[0]) + length(apart[1])

    def __str__(self) -> str:
        return f"statistics {self.layer} {array_in_words(np.stack([self.means, self.variances]))}"


@OBJECTIVES.add("distribution")
@dataclass(frozen=True, eq=False)
class Distribution(_OfLayer):
    """How unusual the distribution of channels is (see `distribution`)."""

    quantiles: np.ndarray
    weights: np.ndarray | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        layer_named(self.layer)
        quantiles = numbers("the quantiles of a distribution", self.quantiles, "(C, Q)")
        if (np.diff(quantiles, axis=1) < 0).any():
            raise TargetError("the quantiles of a distribution go up from one to the next")
        object.__setattr__(self, "quantiles", quantiles)
        if self.weights is not None:
            weights = _weights(self.weights)
            if weights.shape != quantiles.shape[:1]:
                raise TargetError(
                    f"the weights of a distribution are one for each of {len(quantiles)} channels, "
                    f"not {weights.size}"
                )
            object.__setattr__(self, "weights", weights)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W) or tokens (N, C, L)."""
        cells = self.cells(seen, len(self.quantiles))
        count, channels, places = cells.shape
        number = cells.builder.constant([places], np.int64)
        ordered, _ = cells.builder.append(
            "TopK", [cells, number], {"axis": 2, "largest": 0, "sorted": 1}, outputs=2
        )
        wanted = _quantiles(self.quantiles.astype(np.float64), places)
        apart = (ordered - wanted) ** 2
        if self.weights is not None:
            weights = self.weights.astype(np.float64)[:, None]
            apart, wanted = apart * weights, wanted * np.sqrt(weights)
        flat = apart.reshape(count, channels * places)
        return summed(flat) / float((wanted**2).sum() + TINY)

    def __str__(self) -> str:
        weighed = "" if self.weights is None else f", weighed by {array_in_words(self.weights)}"
        return f"distribution {self.layer} {array_in_words(self.quantiles)}{weighed}"


def _weights(weights: object) -> np.ndarray:
    """Weights of channels, (C,).

    Raises:
        OnnxscopeError: they are something else, below 0, or all 0.
    """
    found = numbers("the weights of a distribution", weights, "(C,)")
    if found.min() < 0 or not found.any():
        raise TargetError(
            "the weights of a distribution are at least 0, and some above it, not "
            f"{found.min():g} to {found.max():g}"
        )
    return found


def _quantiles(ordered: np.ndarray, count: int) -> np.ndarray:
    """Sorted numbers (C, Q) as so many, (C, count): at the middles of as many equal parts."""
    known = (np.arange(ordered.shape[1]) + 0.5) / ordered.shape[1]
    wanted = (np.arange(count) + 0.5) / count
    return np.stack([np.interp(wanted, known, line) for line in ordered])
