"""The algebra of objectives.

Numbers, sums, products and negation; to each picture its own; before activation functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from operator import itemgetter
from typing import Any

from ..errors import TargetError
from ..graph.tensor import Tensor
from ..network.activations import Activations
from ..plain import real, shown
from .preactivation import without_activation

Values = Mapping[str, Tensor]


class Objective:
    """A number for each picture, as an expression over layers.

    Combine objectives with `+`, `-`, `*` and unary `-`; numbers take part.
    """

    # NumPy's scalars leave `2 * objective` to `__rmul__` and its like.
    __array_ufunc__ = None

    def layers(self) -> tuple[str, ...]:
        """Names of the layers that the objective reads, each once."""
        raise NotImplementedError

    def build(self, values: Values) -> Tensor:
        """Append the objective to the graph.

        Args:
            values: The activations of its layers, (N, C, H, W), (N, C, L) for tokens, or (N, C),
                by name.

        Returns:
            (N,): one value for each picture.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """As plain data, for a recipe."""
        raise NotImplementedError

    def __add__(self, other: Objective | float) -> Objective:
        return Sum(self, _as_objective(other))

    def __radd__(self, other: float) -> Objective:
        number = _as_objective(other)
        # `sum` starts from 0.
        return self if number == Number(0) else Sum(number, self)

    def __sub__(self, other: Objective | float) -> Objective:
        return Sum(self, -_as_objective(other))

    def __rsub__(self, other: float) -> Objective:
        return Sum(_as_objective(other), -self)

    def __mul__(self, other: Objective | float) -> Objective:
        return Product(self, _as_objective(other))

    def __rmul__(self, other: float) -> Objective:
        return Product(_as_objective(other), self)

    def __neg__(self) -> Objective:
        return Negative(self)


@dataclass(frozen=True)
class Number(Objective):
    """A constant in an expression."""

    value: float

    def layers(self) -> tuple[str, ...]:
        """None."""
        return ()

    def build(self, values: Values) -> Tensor:
        """A scalar of the layers' type."""
        some = next(iter(values.values()))
        return some.builder.constant(self.value, some.dtype)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"number": self.value}

    def __str__(self) -> str:
        return f"{self.value:g}".replace("-", "−")


@dataclass(frozen=True)
class Sum(Objective):
    """Two objectives added."""

    left: Objective
    right: Objective

    def layers(self) -> tuple[str, ...]:
        """Both operands' layers."""
        return _union(self.left, self.right)

    def build(self, values: Values) -> Tensor:
        """The sum of both."""
        return self.left.build(values) + self.right.build(values)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"sum": [self.left.to_json(), self.right.to_json()]}

    def __str__(self) -> str:
        right = str(self.right)
        if isinstance(self.right, Sum) or not right.startswith("−"):
            return f"{self.left} + {bracketed(self.right)}"
        return f"{self.left} − {right[1:]}"


@dataclass(frozen=True)
class Product(Objective):
    """Two objectives multiplied."""

    left: Objective
    right: Objective

    def layers(self) -> tuple[str, ...]:
        """Both operands' layers."""
        return _union(self.left, self.right)

    def build(self, values: Values) -> Tensor:
        """The product of both."""
        return self.left.build(values) * self.right.build(values)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"product": [self.left.to_json(), self.right.to_json()]}

    def __str__(self) -> str:
        left = f"({self.left})" if isinstance(self.left, Sum) else str(self.left)
        return f"{left} × {bracketed(self.right)}"


@dataclass(frozen=True)
class Negative(Objective):
    """An objective's negation: what the unit likes least."""

    operand: Objective

    def layers(self) -> tuple[str, ...]:
        """The operand's layers."""
        return self.operand.layers()

    def build(self, values: Values) -> Tensor:
        """Minus the operand."""
        return -self.operand.build(values)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"negative": self.operand.to_json()}

    def __neg__(self) -> Objective:
        return self.operand

    def __str__(self) -> str:
        return f"−{bracketed(self.operand)}"


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


def operands(objective: Objective) -> Sequence[Objective]:
    """The objectives that one is made of, none of a leaf."""
    match objective:
        case Sum() | Product():
            return objective.left, objective.right
        case Negative() | BeforeActivation():
            return (objective.operand,)
        case Each():
            return objective.parts
    return ()


def _as_objective(value: Objective | float) -> Objective:
    if isinstance(value, Objective):
        return value
    if isinstance(value, Real):
        return Number(real("a number in an objective", value))
    raise TargetError(f"cannot combine an objective with {shown(value)}")


def _union(left: Objective, right: Objective) -> tuple[str, ...]:
    return tuple(dict.fromkeys(left.layers() + right.layers()))


def bracketed(operand: Objective) -> str:
    """In words, with brackets around a sum and around what begins with a minus."""
    text = str(operand)
    return f"({text})" if isinstance(operand, Sum) or text.startswith("−") else text


def _changed(
    values: Values, names: Iterable[str], change: Callable[[Tensor], Tensor]
) -> Activations:
    """Some layers, each changed; where their patches are stays known."""
    grids = values.grids if isinstance(values, Activations) else {}
    return Activations({name: change(values[name]) for name in names}, grids)
