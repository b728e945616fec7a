"""Directions in a layer: sums of channels, each with its weight.

Units need not be channels. A probe, a component of a factorisation, a latent of a sparse
autoencoder or the difference of two photos is a vector of as many numbers as a layer has channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import numpy.typing as npt

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..plain import array_in_words, numbers, real, shown, whole
from .algebra import OBJECTIVES, Objective, layer_named
from .places import Place, Placed, mean_over
from .seen import Seen
from .sums import lengths_of, over_channels
from .units import check_unit

LEAST_COSINE = 0.1
"""What a cosine counts as at least, so that opposite cells have a gradient as well; Lucid's."""


def direction(
    layer: str,
    vector: npt.ArrayLike,
    *,
    cosine: float = 0.0,
    whitening: npt.ArrayLike | None = None,
    **place: Unpack[Place],
) -> Objective:
    """Look along a direction: the mean over cells of v·a · max(0.1, cos(v, a))^cosine.

    Lucid's `direction` and, at a place, `direction_neuron` (`dot_cossim`): a power of the cosine
    asks for cells that point along v, and not only far along it (Carter et al., *Activation Atlas*,
    2019, take 2 to 4).

    Args:
        layer: Layer name.
        vector: v, (C,): one number for each channel.
        cosine: The power, at least 0.
        whitening: (C, C), such as the inverse of the activations' covariance, which v is multiplied
            by, v W: the *Activation Atlas* looks for what sets a direction apart from the usual.
        place: Where to look (see `Placed`): `y`, `x` and `radius`, or `token`, `box` or `mask`. By
            default everywhere; `radius=0` is the middle cell.

    Raises:
        OnnxscopeError: an argument is of another kind or shape.
    """
    return Direction(layer, whitened(vector, whitening), cosine, **place)


def cosine(layer: str, vector: npt.ArrayLike, **place: Unpack[Place]) -> Objective:
    """Look at how well cells point along a direction: the mean of cos(v, a), in [−1, 1].

    Lucid's `direction_cossim`.

    Args:
        layer: Layer name.
        vector: v, (C,): one number for each channel.
        place: Where to look, as for `direction`.

    Raises:
        OnnxscopeError: an argument is of another kind or shape.
    """
    return Cosine(layer, numbers("a direction", vector, "(C,)"), **place)


def channels(layer: str, weights: Mapping[int, float], **place: Unpack[Place]) -> Objective:
    """Look at several channels: Σ w · the mean of a channel, over the channels of `weights`.

    Joint optimisation of neurons (Olah, Mordvintsev & Schubert, *Feature Visualization*, 2017).

    Args:
        layer: Layer name.
        weights: By channel number, such as `{11: 1, 84: -0.5}`.
        place: Where to look, as for `direction`.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    if not isinstance(weights, Mapping):
        raise TargetError(
            f"channels takes weights by channel number, such as {{11: 1}}, not {shown(weights)}"
        )
    return Channels(layer, tuple(weights), tuple(weights.values()), **place)


def neurons(
    layer: str, unit: int, *, y: int | None = None, x: int | None = None, radius: int = 1
) -> Objective:
    """Look at a group of neighbouring neurons of one channel: their mean.

    Lucid's `localgroup_weighted`, with one weight.

    Args:
        layer: Layer name.
        unit: Channel number, from 0.
        y: Row of the group's middle, by default the layer's.
        x: Column of the group's middle, by default the layer's.
        radius: How many rows and columns around it count; 1 makes 3×3 neurons.

    Raises:
        OnnxscopeError: an argument is of another kind.
    """
    unit = whole("the unit of neurons", unit, 0)
    return Channels(layer, (unit,), (1.0,), y=y, x=x, radius=radius)


@OBJECTIVES.add("direction")
@dataclass(frozen=True, eq=False)
class Direction(Placed):
    """The mean of v·a times a power of the cosine (see `direction`)."""

    layer: str
    vector: np.ndarray
    power: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        layer_named(self.layer)
        object.__setattr__(self, "vector", numbers("a direction", self.vector, "(C,)"))
        object.__setattr__(self, "power", checked_power(self.power))

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W), tokens (N, C, L) or (N, C)."""
        cells, weights = self.cells(seen, self.layer)
        dot = along(cells, self.vector, self.layer)
        if self.power:
            cosines = dot / lengths(cells, self.vector)
            dot = dot * floored_power(cosines, self.power)
        return mean_over(dot, weights)

    def __str__(self) -> str:
        power = f" · cos^{self.power:g}" if self.power else ""
        words = f"direction {self.layer} {self.name or array_in_words(self.vector)}{power}"
        return self.at_place(words)


@OBJECTIVES.add("cosine")
@dataclass(frozen=True, eq=False)
class Cosine(Placed):
    """The mean cosine between cells and a direction (see `cosine`)."""

    layer: str
    vector: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        layer_named(self.layer)
        object.__setattr__(self, "vector", numbers("a direction", self.vector, "(C,)"))

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W), tokens (N, C, L) or (N, C)."""
        cells, weights = self.cells(seen, self.layer)
        dot = along(cells, self.vector, self.layer)
        return mean_over(dot / lengths(cells, self.vector), weights)

    def __str__(self) -> str:
        return self.at_place(f"cosine {self.layer} {array_in_words(self.vector)}")


@OBJECTIVES.add("channels")
@dataclass(frozen=True, eq=False)
class Channels(Placed):
    """The weighted sum of some channels' means (see `channels`)."""

    layer: str
    units: tuple[int, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        layer_named(self.layer)
        units = tuple(whole("each channel of channels", unit, 0) for unit in self.units)
        weights = tuple(real("each weight of channels", weight) for weight in self.weights)
        if not units or len(units) != len(weights) or len(set(units)) < len(units):
            raise TargetError(
                "channels must name at least one channel, each once and with a weight, not "
                f"{units} with {weights}"
            )
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "weights", weights)

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from (N, C, H, W), tokens (N, C, L) or (N, C)."""
        for unit in self.units:
            check_unit(seen[self.layer], self.layer, unit)
        cells, weights = self.cells(seen, self.layer)
        # Slices, not one product: the channels that nobody looks at are not even computed.
        means = [mean_over(cells[:, unit], weights) for unit in self.units]
        terms = [
            mean if weight == 1 else mean * weight
            for mean, weight in zip(means, self.weights, strict=True)
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def __str__(self) -> str:
        parts = [f"{self.layer}:{self.units[0]}", *(f":{unit}" for unit in self.units[1:])]
        listed = ", ".join(
            part if weight == 1 else f"{weight:g}·{part}"
            for part, weight in zip(parts, self.weights, strict=True)
        )
        return self.at_place(f"channels {listed}".replace("-", "−"))


def whitened(vector: npt.ArrayLike, whitening: npt.ArrayLike | None) -> np.ndarray:
    """Return v W, or v where there is no W.

    Raises:
        OnnxscopeError: they do not fit together.
    """
    given = numbers("a direction", vector, "(C,)")
    if whitening is None:
        return given
    matrix = numbers("whitening", whitening, "(C, C)")
    if matrix.shape != (given.size, given.size):
        raise TargetError(
            f"whitening of a direction of {given.size} numbers is {given.size}×{given.size}, not "
            f"{'×'.join(map(str, matrix.shape))}"
        )
    product: np.ndarray = given.astype(np.float64) @ matrix.astype(np.float64)
    return product


def checked_power(power: object) -> float:
    """Return a power of a cosine.

    Raises:
        OnnxscopeError: it is none, or below 0.
    """
    number = real("the power of a cosine", power)
    if number < 0:
        raise TargetError(f"the power of a cosine must be at least 0, not {number:g}")
    return number


def along(cells: Tensor, vector: np.ndarray, layer: str) -> Tensor:
    """Append v·a for cells (N, C, …), (N, …).

    Raises:
        LayerError: the vector has another length.
    """
    if cells.rank < 2 or cells.shape[1] != vector.size:
        raise LayerError(
            f"{layer} has {cells.shape[1]} channels, and a direction in it as many numbers, not "
            f"{vector.size}"
        )
    return over_channels(cells, vector)


def lengths(cells: Tensor, vector: np.ndarray) -> Tensor:
    """Append ‖v‖ ‖a‖ for cells (N, C, …), (N, …); a dead cell has a length as well."""
    return lengths_of(cells) * max(float(np.linalg.norm(vector.astype(np.float64))), 1e-12)


def floored_power(cosines: Tensor, power: float) -> Tensor:
    """Append max(0.1, cosine)^power."""
    floor = cosines.builder.constant(LEAST_COSINE, cosines.dtype)
    return cosines.op.Max(cosines, floor) ** float(power)
