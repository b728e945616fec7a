"""Objectives: what a picture is optimised for.

An objective is a small expression over a network's layers. Leaves are a channel, a neuron, a layer
or a function of the user's (see `leaves`); `+`, `-`, `*` and negation combine them (see
`expressions`). Its value is one number for each picture, the larger the better. Here is what users
call, and how a recipe's objective is read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import InputError, TargetError
from ..graph.tensor import Tensor
from ..plain import real, shown, whole
from .algebra import BeforeActivation, Each, Negative, Number, Objective, Product, Sum, operands
from .units import Channel, Custom, LayerEnergy, Neuron

_DEEPEST = 300
"""How far an objective may be nested, well within Python's own limit."""


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
        level = [part for outer in level for part in operands(outer)]
    if depth > _DEEPEST:
        raise TargetError(
            f"the objective is nested {depth} deep, at most {_DEEPEST} are possible; "
            "a function with @objective sums as many channels as it likes"
        )


def _name(layer: object) -> str:
    if isinstance(layer, str):
        return layer
    raise TargetError(f"a layer is given by its name, not {shown(layer)}")
