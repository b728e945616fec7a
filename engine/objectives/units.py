"""The leaves of objectives that look at units: a channel, a neuron, a layer."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..network.layers.axes import Grid
from ..plain import shown, whole
from .algebra import OBJECTIVES, Leaf, layer_named
from .seen import Seen


@OBJECTIVES.add("channel")
@dataclass(frozen=True)
class Channel(Leaf):
    """The mean or sum of one channel over all its positions (see `channel`)."""

    layer: str
    unit: int
    reduction: str = "mean"

    def __post_init__(self) -> None:
        layer_named(self.layer)
        object.__setattr__(self, "unit", whole("the unit of a channel", self.unit, 0))
        if not isinstance(self.reduction, str) or self.reduction not in ("mean", "sum"):
            raise TargetError(f"reduction must be 'mean' or 'sum', not {shown(self.reduction)}")

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from cells (N, C, …) or tokens (N, C, L); a logit from (N, C)."""
        check_unit(seen[self.layer], self.layer, self.unit)
        cells = seen[self.layer][:, self.unit]
        if cells.rank == 1:
            return cells
        axes = list(range(1, cells.rank))
        return cells.mean(axes) if self.reduction == "mean" else cells.sum(axes)

    def __str__(self) -> str:
        return f"channel {self.layer}:{self.unit}" + (" (sum)" if self.reduction == "sum" else "")


@OBJECTIVES.add("neuron")
@dataclass(frozen=True)
class Neuron(Leaf):
    """One cell or token of a layer (see `neuron`)."""

    layer: str
    unit: int
    y: int | None = None
    x: int | None = None
    token: int | None = None
    z: int | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        layer_named(self.layer)
        object.__setattr__(self, "unit", whole("the unit of a neuron", self.unit, 0))
        if self.token is not None and (self.y, self.x, self.z) != (None, None, None):
            raise TargetError("a neuron is at y and x, or at a token, not at both")
        for axis in ("z", "y", "x", "token"):
            at = getattr(self, axis)
            if at is not None:
                object.__setattr__(self, axis, whole(f"{axis} of a neuron", at, 0))

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def position(self, height: int, width: int) -> tuple[int, int]:
        """Return the cell in a layer of this size.

        Raises:
            LayerError: it lies outside.
        """
        y = height // 2 if self.y is None else self.y
        x = width // 2 if self.x is None else self.x
        if not (0 <= y < height and 0 <= x < width):
            raise LayerError(
                f"{self.layer} has {height}×{width} cells at this picture size; there is no cell "
                f"y={y}, x={x}"
            )
        return y, x

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from cells (N, C, H, W) or (N, C, D, H, W), tokens (N, C, L), or (N, C).

        Raises:
            LayerError: the layer has no such position or token.
        """
        activations = seen[self.layer]
        check_unit(activations, self.layer, self.unit)
        if self.token is not None and activations.rank != 3:
            raise LayerError(f"{self.layer} has no tokens: leave token={self.token} out")
        if self.z is not None and activations.rank in (3, 4):
            raise LayerError(f"{self.layer} has no slices or frames: leave z={self.z} out")
        if activations.rank == 2:
            if (self.y, self.x, self.z) != (None, None, None):
                raise LayerError(f"{self.layer} has no positions: leave y and x out")
            return activations[:, self.unit]
        if activations.rank == 3:
            grid = seen.grids.get(self.layer)
            return activations[:, self.unit, self._token(activations.shape[2], grid)]
        y, x = self.position(*activations.shape[-2:])
        if activations.rank == 5:
            return activations[:, self.unit, self.slice(activations.shape[2]), y, x]
        return activations[:, self.unit, y, x]

    def slice(self, depth: int) -> int:
        """Return the slice or frame in a layer of so many.

        Raises:
            LayerError: there is none of that number.
        """
        z = depth // 2 if self.z is None else self.z
        if z >= depth:
            raise LayerError(
                f"{self.layer} has {depth} slices of cells, 0 to {depth - 1}, at this picture "
                f"size; there is no slice z={z}"
            )
        return z

    def _token(self, count: int, grid: Grid | None) -> int:
        """Return which of a layer's tokens it is."""
        if self.token is None:
            if grid is None:
                raise LayerError(
                    f"{self.layer} has {count} tokens, and where the picture's patches are among "
                    f"them cannot be told; say token=0 to {count - 1} (--token)"
                )
            return grid.token(*self.position(grid.height, grid.width))
        if not self.token < count:
            raise LayerError(
                f"{self.layer} has {count} tokens, 0 to {count - 1}, at this picture size; there "
                f"is no token {self.token}"
            )
        return self.token

    def __str__(self) -> str:
        places = (("token ", self.token), ("z=", self.z), ("y=", self.y), ("x=", self.x))
        given = [f"{axis}{at}" for axis, at in places if at is not None]
        where = f" at {', '.join(given)}" if given else ""
        return f"neuron {self.layer}:{self.unit}{where}"


@OBJECTIVES.add("layer")
@dataclass(frozen=True)
class LayerEnergy(Leaf):
    """The mean of a layer's squared activations (see `layer`)."""

    layer: str

    def __post_init__(self) -> None:
        layer_named(self.layer)

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def build(self, seen: Seen) -> Tensor:
        """Append (N,) from any layer."""
        activations = seen[self.layer]
        return (activations**2).mean(list(range(1, activations.rank)))


def check_unit(activations: Tensor, layer_name: str, unit: int) -> None:
    """See that a layer has a unit, and that it is of a rank that objectives read.

    Raises:
        LayerError: it has not, or is not.
    """
    if activations.rank not in (2, 3, 4, 5):
        raise LayerError(
            f"{layer_name} has the shape {activations.shape}; expected (N, C, H, W), tokens "
            "(N, C, L), or (N, C)"
        )
    channels = activations.shape[1]
    if not 0 <= unit < channels:
        raise LayerError(
            f"{layer_name} has {channels} channels, 0 to {channels - 1}; there is no channel {unit}"
        )
