"""The algebra of objectives: numbers, sums, products, negation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from .errors import TargetError
from .graph.tensor import Tensor
from .plain import real, shown

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
