"""Objectives: what a picture is optimised for.

An objective is a small expression over a network's layers. Leaves are a channel, a neuron, a layer
or a function of the user's; `+`, `-`, `*` and negation combine them. Its value is one number for
each picture, the larger the better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from .activations import Activations
from .errors import InputError, LayerError, TargetError
from .expressions import Negative, Number, Objective, Product, Sum, Values, bracketed
from .graph.axes import Grid
from .graph.preactivation import without_activation
from .graph.tensor import Tensor
from .plain import real, shown, whole

_DEEPEST = 300
"""How far an objective may be nested, well within Python's own limit."""


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


@dataclass(frozen=True)
class Each(Objective):
    """To each picture of a batch its own objective (see `each`)."""

    parts: tuple[Objective, ...]

    def layers(self) -> tuple[str, ...]:
        """All parts' layers."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.layers()))

    def build(self, values: Values) -> Tensor:
        """(N,), picture n by part n."""
        pictures = next(iter(values.values())).shape[0]
        if pictures != len(self.parts):
            raise TargetError(
                f"{len(self.parts)} objectives are for as many pictures, not for {pictures}"
            )
        results = [
            part.build(_changed(values, part.layers(), itemgetter(slice(index, index + 1))))
            for index, part in enumerate(self.parts)
        ]
        return results[0] if len(results) == 1 else results[0].op.Concat(*results, axis=0)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"each": [part.to_json() for part in self.parts]}

    def __str__(self) -> str:
        return "; ".join(str(part) for part in self.parts)


@dataclass(frozen=True)
class BeforeActivation(Objective):
    """An objective on what its layers' activation functions are given (see `before_activation`)."""

    operand: Objective

    def layers(self) -> tuple[str, ...]:
        """The operand's layers."""
        return self.operand.layers()

    def build(self, values: Values) -> Tensor:
        """The operand, on the values before the layers' last activation functions."""
        return self.operand.build(_changed(values, values, without_activation))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"before_activation": self.operand.to_json()}

    def __str__(self) -> str:
        return f"{bracketed(self.operand)} before activation"


# What users call ---------------------------------------------------------------------------------


def channel(layer: str, unit: int, *, reduction: str = "mean") -> Objective:
    """The mean of a channel over all its positions (Lucid's `channel`).

    Args:
        layer: Layer name.
        unit: Channel number, from 0.
        reduction: `"mean"` or `"sum"`.
    """
    if reduction not in ("mean", "sum"):
        raise TargetError(f"reduction is 'mean' or 'sum', not {shown(reduction)}")
    return Channel(_name(layer), whole("the unit of a channel", unit), reduction)


def neuron(
    layer: str,
    unit: int,
    *,
    y: int | None = None,
    x: int | None = None,
    token: int | None = None,
) -> Objective:
    """One cell of a channel, by default the middle one (Lucid's `neuron`).

    Of an even number of rows or columns the middle is the one behind the half. Which cell it is
    does not matter to what it looks for, as long as its receptive field stays in the picture. Of a
    layer of tokens, rows and columns are those of the picture's patches.

    Args:
        layer: Layer name.
        unit: Channel number, from 0.
        y: Row of the cell, from 0.
        x: Column of the cell, from 0.
        token: Instead of both, the number of a token, from 0, such as 0 for a class token.
    """
    y, x = (None if at is None else whole(axis, at) for axis, at in (("y", y), ("x", x)))
    if token is not None:
        if y is not None or x is not None:
            raise TargetError("a neuron is at y and x, or at a token, not at both")
        token = whole("token", token, 0)
    return Neuron(_name(layer), whole("the unit of a neuron", unit), y, x, token)


def layer(name: str) -> Objective:
    """The mean of a layer's squared activations (DeepDream, Mordvintsev et al. 2015)."""
    return LayerEnergy(_name(name))


def each(objectives: Sequence[Objective]) -> Objective:
    """To each picture of a batch its own objective: many units in one run.

    Args:
        objectives: As many as there are pictures.
    """
    parts = tuple(objectives) if isinstance(objectives, Iterable) else ()
    if not parts:
        raise TargetError(f"each takes a list of objectives, at least one, not {shown(objectives)}")
    return Each(tuple(check_objective(part) for part in parts))


def part_of(objective: Objective, start: int, stop: int) -> Objective:
    """An objective for some of its pictures: those from `start` to before `stop`."""
    match objective:
        case Each():
            chosen = objective.parts[start:stop]
            return chosen[0] if len(chosen) == 1 else Each(chosen)
        case Sum() | Product():
            left, right = (part_of(p, start, stop) for p in (objective.left, objective.right))
            return replace(objective, left=left, right=right)
        case Negative() | BeforeActivation():
            return replace(objective, operand=part_of(objective.operand, start, stop))
    return objective


def before_activation(objective: Objective) -> Objective:
    """The same objective on the values before the layers' activation functions.

    Behind a ReLU nothing goes below 0, so that a negative objective stops as soon as the unit is
    off. Before it there is something to descend: `-before_activation(channel("mixed4a", 11))` is
    what Lucid writes as the negative of a `_pre_relu` layer.
    """
    return BeforeActivation(check_objective(objective))


def objective(*layers: str) -> Callable[[Callable[..., Tensor]], Objective]:
    """Make an objective of a function of symbolic activations.

        @objective("mixed4a", "mixed4b")
        def both(a, b):
            return a[:, 11].mean((1, 2)) + b[:, 3].mean((1, 2))

    Args:
        layers: The layers that the function takes, in this order.
    """
    if not layers or not all(isinstance(name, str) for name in layers):
        given = ", ".join(map(shown, layers)) or "nothing"
        raise TargetError(
            f"objective takes the names of the function's layers, as in "
            f'@objective("mixed4a", "mixed4b"), not {given}'
        )

    def decorate(function: Callable[..., Tensor]) -> Objective:
        if not callable(function):
            raise TargetError(f"objective decorates a function, not {shown(function)}")
        return Custom(tuple(layers), function)

    return decorate


def from_json(data: Mapping[str, Any]) -> Objective:
    """The objective that `Objective.to_json` wrote down.

    Raises:
        TargetError: the data names no objective, or a function of the user's.
    """
    try:
        return _from_json(data)
    except InputError as error:
        raise TargetError(f"the recipe's objective {shown(data)} is damaged: {error}") from error


def _from_json(data: Any, depth: int = 0) -> Objective:
    if depth > _DEEPEST:
        raise InputError(f"it is nested more than {_DEEPEST} deep")

    def part(operand: Any) -> Objective:
        return _from_json(operand, depth + 1)

    match data:
        case {"channel": [name, unit], "reduction": reduction}:
            return channel(name, unit, reduction=reduction)
        case {"neuron": [name, unit], "y": y, "x": x}:
            return neuron(name, unit, y=y, x=x, token=data.get("token"))
        case {"layer": name}:
            return layer(name)
        case {"number": value}:
            return Number(real("a number in it", value))
        case {"sum": [left, right]}:
            return Sum(part(left), part(right))
        case {"product": [left, right]}:
            return Product(part(left), part(right))
        case {"each": list(parts)}:
            return each([part(one) for one in parts])
        case {"before_activation": operand}:
            return before_activation(part(operand))
        case {"negative": operand}:
            return Negative(part(operand))
        case {"custom": name}:
            raise TargetError(
                f"the picture was made for a function of its author, {shown(name)}; pass it"
            )
    raise TargetError(f"the recipe's objective {shown(data)} is unknown")


def check_objective(value: object) -> Objective:
    """An objective, as it is.

    Raises:
        TargetError: it is something else.
    """
    if isinstance(value, Objective):
        return value
    raise TargetError(f'expected an objective such as channel("mixed4a", 11), not {shown(value)}')


def check_depth(objective: Objective) -> None:
    """See, before any work, that an objective's recipe can be read back.

    Raises:
        TargetError: it is nested too deeply.
    """
    level, depth = [objective], -1
    while level:
        depth += 1
        level = [part for outer in level for part in _parts(outer)]
    if depth > _DEEPEST:
        raise TargetError(
            f"the objective is nested {depth} deep, at most {_DEEPEST} are possible; "
            "a function with @objective sums as many channels as it likes"
        )


def _parts(objective: Objective) -> Sequence[Objective]:
    match objective:
        case Sum() | Product():
            return objective.left, objective.right
        case Negative() | BeforeActivation():
            return (objective.operand,)
        case Each():
            return objective.parts
    return ()


def _name(layer: object) -> str:
    if isinstance(layer, str):
        return layer
    raise TargetError(f"a layer is given by its name, not {shown(layer)}")


def _changed(
    values: Values, names: Iterable[str], change: Callable[[Tensor], Tensor]
) -> Activations:
    """Some layers, each changed; where their patches are stays known."""
    grids = values.grids if isinstance(values, Activations) else {}
    return Activations({name: change(values[name]) for name in names}, grids)


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
