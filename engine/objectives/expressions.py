"""Objectives written as text: what one writes in Python, and nothing else that Python can do.

`channel("fire5", 11) - 0.02 * total_variation()` is a sum of calls of the functions that make
objectives, of numbers, and of targets in quotation marks, as in `"fire5:11" - 0.01 * l2()`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..calls import Calls
from ..errors import TargetError
from . import (
    batches,
    classes,
    dictionaries,
    directions,
    encoders,
    levels,
    making,
    others,
    own_directions,
    own_units,
    penalties,
    photos,
    populations,
    transparency,
)
from .algebra import Objective, as_objective, check_objective

if TYPE_CHECKING:
    from ..network.model import Model


def _array(path: str) -> Any:
    """Read the one array of a file, for what takes a direction or a mask."""
    return dictionaries.read_array(path)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        making.channel,
        making.neuron,
        making.layer,
        making.before_activation,
        making.each,
        directions.direction,
        own_directions.directions,
        own_units.each_unit,
        directions.cosine,
        directions.channels,
        directions.neurons,
        encoders.encoder,
        classes.logit,
        classes.probability,
        batches.interpolate,
        batches.diversity,
        batches.alignment,
        levels.toward,
        photos.difference,
        photos.inversion,
        photos.caricature,
        photos.style,
        photos.distance,
        penalties.total_variation,
        penalties.l1,
        penalties.l2,
        penalties.linf,
        penalties.sharpness,
        penalties.boundary,
        populations.statistics,
        transparency.opacity,
    )
} | {"array": _array}
"""What may be called, by name: each is what `onnxscope` calls so."""

_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
}

_MADE_OF = "numbers, targets in quotation marks, +, -, *, and calls such as channel('fire5', 11)"

_OF_OBJECTIVES = frozenset({"before_activation", "each", "interpolate", "toward"})
"""Functions of objectives: texts among their arguments are targets."""


Resolve = Callable[["Model", str], Objective]
"""Returns the objective that a target means in a model."""


def evaluate(text: str, model: Model, resolve: Resolve) -> Objective:
    """Return the objective that an expression means.

    Args:
        text: The expression.
        model: The model that it is for.
        resolve: Returns the objective that a target in quotation marks means in a model.

    Raises:
        TargetError: it is no expression, or calls what is no objective.
        OnnxscopeError: a function refuses what it is given.
    """
    value = _Reader(text, model, resolve).read()
    if isinstance(value, str):
        return resolve(model, value)
    return as_objective(value)


class _Reader(Calls):
    """Reads one expression: calls, their sums and products, and targets."""

    def __init__(self, text: str, model: Model, resolve: Resolve) -> None:
        self._model = model
        self._resolve = resolve
        # What needs the model itself.
        of_model: Mapping[str, Callable[..., Any]] = {
            "batch_norm_prior": lambda: populations.batch_norm_prior(model),
            "distribution": self._distribution,
            "seen_by": self._seen_by,
        }
        super().__init__(
            text,
            {**_FUNCTIONS, **of_model},
            what="objective",
            made_of=_MADE_OF,
            error=TargetError,
        )

    def _distribution(self, layer: str, *photos: str, weights: Any = None) -> Objective:
        """The distribution of a layer on photographs, which are files."""
        found = self._model.activations(list(photos), layer)[layer]
        return populations.distribution(layer, found, weights)

    def _seen_by(self, name: str, objective: object) -> Objective:
        """An objective or a target of another network, which is a file or a name."""
        from ..network.loading import load

        other = load(name)
        wanted = self._resolve(other, objective) if isinstance(objective, str) else objective
        return others.seen_by(other, check_objective(wanted))

    def of(self, node: ast.expr) -> Any:
        """Return the value of a part: an objective, a number, a text, or several of these."""
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._operand(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](self._operand(left), self._operand(right))
        return super().of(node)

    def argument(self, function: str, node: ast.expr) -> Any:
        """Return the value of an argument; what takes objectives takes targets."""
        value = self.of(node)
        if function not in _OF_OBJECTIVES:
            return value
        if isinstance(value, list):
            return [self._target(one) if isinstance(one, str) else one for one in value]
        return self._target(value) if isinstance(value, str) else value

    def _operand(self, node: ast.expr) -> Any:
        value = self.of(node)
        return self._target(value) if isinstance(value, str) else value

    def _target(self, text: str) -> Objective:
        return self._resolve(self._model, text)
