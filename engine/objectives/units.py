"""The leaves of objectives: a channel, a neuron, a layer, a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import LayerError, TargetError
from ..graph.tensor import Tensor
from ..network.activations import Activations
from ..network.layers.axes import Grid
from .algebra import Objective, Values


@dataclass(frozen=True)
class Channel(Objective):
    """The mean or sum of one channel over all its positions (see `channel`)."""

    layer: str
    unit: int
    reduction: str = "mean"

    def layers(self) -> tuple[str, ...]:
        """The one layer."""
        return (self.layer,)

    def build(self, values: Values) -> Tensor:
        """(N,) from (N, C, H, W) or tokens (N, C, L); a logit from (N, C)."""
        _check_unit(values[self.layer], self.layer, self.unit)
        cells = values[self.layer][:, self.unit]
        if cells.rank == 1:
            return cells
        axes = list(range(1, cells.rank))
        return cells.mean(axes) if self.reduction == "mean" else cells.sum(axes)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"channel": [self.layer, self.unit], "reduction": self.reduction}

    def __str__(self) -> str:
        return f"channel {self.layer}:{self.unit}" + (" (sum)" if self.reduction == "sum" else "")


@dataclass(frozen=True)
class Neuron(Objective):
    """One cell or token of a layer (see `neuron`)."""

    layer: str
    unit: int
    y: int | None = None
    x: int | None = None
    token: int | None = None

    def layers(self) -> tuple[str, ...]:
        """The one layer."""
        return (self.layer,)

    def position(self, height: int, width: int) -> tuple[int, int]:
        """The cell in a layer of this size.

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

    def build(self, values: Values) -> Tensor:
        """(N,) from (N, C, H, W) or tokens (N, C, L); a logit from (N, C)."""
        activations = values[self.layer]
        _check_unit(activations, self.layer, self.unit)
        if self.token is not None and activations.rank != 3:
            raise LayerError(f"{self.layer} has no tokens: leave token={self.token} out")
        if activations.rank == 2:
            if self.y is not None or self.x is not None:
                raise LayerError(f"{self.layer} has no positions: leave y and x out")
            return activations[:, self.unit]
        if activations.rank == 3:
            grid = values.grids.get(self.layer) if isinstance(values, Activations) else None
            return activations[:, self.unit, self._token(activations.shape[2], grid)]
        y, x = self.position(*activations.shape[2:])
        return activations[:, self.unit, y, x]

    def _token(self, count: int, grid: Grid | None) -> int:
        """Which of a layer's tokens it is."""
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

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        data: dict[str, Any] = {"neuron": [self.layer, self.unit], "y": self.y, "x": self.x}
        return data if self.token is None else data | {"token": self.token}

    def __str__(self) -> str:
        places = (("token ", self.token), ("y=", self.y), ("x=", self.x))
        given = [f"{axis}{at}" for axis, at in places if at is not None]
        where = f" at {', '.join(given)}" if given else ""
        return f"neuron {self.layer}:{self.unit}{where}"


@dataclass(frozen=True)
class LayerEnergy(Objective):
    """The mean of a layer's squared activations (see `layer`)."""

    layer: str

    def layers(self) -> tuple[str, ...]:
        """The one layer."""
        return (self.layer,)

    def build(self, values: Values) -> Tensor:
        """(N,) from any layer."""
        activations = values[self.layer]
        return (activations**2).mean(list(range(1, activations.rank)))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"layer": self.layer}

    def __str__(self) -> str:
        return f"layer {self.layer}"


@dataclass(frozen=True)
class Custom(Objective):
    """A function of the user's (see `objective`)."""

    names: tuple[str, ...]
    function: Callable[..., Tensor]

    def layers(self) -> tuple[str, ...]:
        """The layers that the function takes."""
        return self.names

    def build(self, values: Values) -> Tensor:
        """The function's result, which must be (N,) or, for one picture, a scalar."""
        given = [values[name] for name in self.names]
        result = self.function(*given)
        if not isinstance(result, Tensor):
            raise TargetError(
                f"the objective {self} must return a symbolic value, not {type(result).__name__}"
            )
        batch = given[0].shape[0]
        if result.shape == () and batch == 1:
            return result.reshape(1)
        if result.shape != (batch,):
            raise TargetError(
                f"the objective {self} must give one number for each of {batch} pictures, "
                f"shape ({batch},), and gives {result.shape}"
            )
        return result

    def to_json(self) -> dict[str, Any]:
        """Named only: a function cannot be written down."""
        return {"custom": self.function.__name__, "layers": list(self.names)}

    def __str__(self) -> str:
        return f"{self.function.__name__}({', '.join(self.names)})"


def _check_unit(activations: Tensor, layer_name: str, unit: int) -> None:
    if activations.rank not in (2, 3, 4):
        raise LayerError(
            f"{layer_name} has the shape {activations.shape}; expected (N, C, H, W), tokens "
            "(N, C, L), or (N, C)"
        )
    channels = activations.shape[1]
    if not 0 <= unit < channels:
        raise LayerError(
            f"{layer_name} has {channels} channels, 0 to {channels - 1}; there is no channel {unit}"
        )
