"""The algebra of objectives.

What an objective is; numbers, sums, products and negation; before activation functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from ..errors import TargetError
from ..graph.tensor import Tensor
from ..plain import array_in_words, real, shown
from ..registry import Registry
from .preactivation import without_activation
from .seen import Seen


class Objective(ABC):
    """A number for each picture, as an expression over layers and the picture.

    Combine objectives with `+`, `-`, `*` and unary `-`; numbers take part.

    One of your own is a class with the methods below, most of which `Leaf` answers for one that
    takes each picture alone. A recipe can only name it: `remake` takes it as `objective`.
    """

    # NumPy's scalars leave `2 * objective` to `__rmul__` and its like.
    __array_ufunc__ = None

    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """Name the layers that the objective reads, each once."""

    @abstractmethod
    def build(self, seen: Seen) -> Tensor:
        """Append the objective to the graph.

        Args:
            seen: Its layers, and perhaps more, the pictures and the labels.

        Returns:
            (N,): one value for each picture.
        """

    @abstractmethod
    def parts(self) -> tuple[Objective, ...]:
        """Name the objectives that it is made of, none of a leaf."""

    @abstractmethod
    def part(self, start: int, stop: int) -> Objective:
        """Return the objective for the pictures from `start` to before `stop`.

        One that mixes pictures is only asked for all of them.
        """

    @property
    @abstractmethod
    def mixes_pictures(self) -> bool:
        """Whether the value of a picture depends on the others, so that they are made together."""

    @property
    @abstractmethod
    def sees_picture(self) -> bool:
        """Whether it looks at the picture itself, `seen.image`, and not at layers alone."""

    def to_json(self) -> dict[str, Any]:
        """Write the objective down as plain data, for a recipe; code of the user's by its name."""
        if OBJECTIVES.name_of(self) is None:
            return {"custom": type(self).__name__, "layers": list(self.layers())}
        return OBJECTIVES.to_json(self)

    def __str__(self) -> str:
        name = OBJECTIVES.name_of(self)
        words = type(self).__name__ if name is None else name.replace("_", " ")
        if not is_dataclass(self):
            return words
        given = {f.name: f.default for f in fields(self) if f.init}
        values = {name: getattr(self, name) for name in given}
        plain = [_in_words(values[name]) for name in given if given[name] is MISSING]
        if list(given)[:2] == ["layer", "unit"]:
            plain[:2] = [":".join(plain[:2])]
        named = [
            f"{name}={_in_words(values[name])}"
            for name, default in given.items()
            if default is not MISSING and not _is_same(values[name], default)
        ]
        return " ".join([words, *filter(None, [", ".join(plain)])]) + (
            f" ({', '.join(named)})" if named else ""
        )

    def __add__(self, other: Objective | float) -> Objective:
        return Sum((self, as_objective(other)))

    def __radd__(self, other: float) -> Objective:
        number = as_objective(other)
        # `sum` starts from 0.
        return self if number == Number(0) else Sum((number, self))

    def __sub__(self, other: Objective | float) -> Objective:
        return Sum((self, -as_objective(other)))

    def __rsub__(self, other: float) -> Objective:
        return Sum((as_objective(other), -self))

    def __mul__(self, other: Objective | float) -> Objective:
        return Product(self, as_objective(other))

    def __rmul__(self, other: float) -> Objective:
        return Product(as_objective(other), self)

    def __neg__(self) -> Objective:
        return Negative(self)


OBJECTIVES: Registry[Objective] = Registry(
    "objective",
    Objective,
    TargetError,
    foreign=lambda objective: objective.to_json(),
    homes={
        "objectives.algebra": (
            "number",
            "sum",
            "product",
            "negative",
            "before_activation",
        ),
        "objectives.batches": ("diversity", "alignment"),
        "objectives.classes": ("logit", "probability"),
        "objectives.directions": ("direction", "cosine", "channels"),
        "objectives.encoders": ("encoded",),
        "objectives.levels": ("toward",),
        "objectives.others": ("seen_by",),
        "objectives.own_directions": ("directions",),
        "objectives.own_objectives": ("each",),
        "objectives.own_units": ("each_unit",),
        "objectives.penalties": (
            "total_variation",
            "l1",
            "l2",
            "linf",
            "sharpness",
            "boundary",
        ),
        "objectives.photos": ("difference", "inversion", "caricature", "style", "distance"),
        "objectives.populations": ("statistics", "distribution"),
        "objectives.transparency": ("opacity",),
        "objectives.units": ("channel", "neuron", "layer"),
    },
)
"""The kinds of objectives that recipes know."""


class Leaf(Objective):
    """An objective that is made of no other, treats every picture alike, and each alone.

    It looks at layers alone. One that differs from picture to picture says so in `part`; one for
    which a picture's value depends on the others in `mixes_pictures`; one that looks at the picture
    itself in `sees_picture`.
    """

    def parts(self) -> tuple[Objective, ...]:
        """Return none."""
        return ()

    def part(self, start: int, stop: int) -> Objective:  # noqa: ARG002  # all are alike
        """Return itself."""
        return self

    @property
    def mixes_pictures(self) -> bool:
        """No."""
        return False

    @property
    def sees_picture(self) -> bool:
        """No."""
        return False


class Compound(Objective):
    """An objective that is made of others, and reads what they read."""

    def layers(self) -> tuple[str, ...]:
        """Name all parts' layers."""
        return tuple(dict.fromkeys(name for part in self.parts() for name in part.layers()))

    @property
    def mixes_pictures(self) -> bool:
        """Whether any of the parts does."""
        return any(part.mixes_pictures for part in self.parts())

    @property
    def sees_picture(self) -> bool:
        """Whether any of the parts does."""
        return any(part.sees_picture for part in self.parts())


@OBJECTIVES.add("number")
@dataclass(frozen=True)
class Number(Leaf):
    """A constant in an expression."""

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", real("a number in an objective", self.value))

    def layers(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    def build(self, seen: Seen) -> Tensor:
        """Append a scalar of the layers' type."""
        return seen.number(self.value)

    def __str__(self) -> str:
        return f"{self.value:g}".replace("-", "−")


def _flat(terms: Any) -> Any:
    """A recipe's sum in one list; sums had two terms once, and more were nested to the left."""
    later: list[Any] = []
    while isinstance(terms, list) and terms:
        later.extend(reversed(terms[1:]))
        if not (isinstance(terms[0], Mapping) and terms[0].keys() == {"sum"}):
            return [terms[0], *reversed(later)]
        terms = terms[0]["sum"]
    return [{"sum": terms}, *reversed(later)] if later else terms


@OBJECTIVES.add("sum", older=_flat)
@dataclass(frozen=True)
class Sum(Compound):
    """Objectives added, from left to right."""

    terms: tuple[Objective, ...]

    def __post_init__(self) -> None:
        terms = objectives_in("a sum", self.terms)
        # So that hundreds of terms are no deeper than two.
        if isinstance(terms[0], Sum):
            terms = (*terms[0].terms, *terms[1:])
        object.__setattr__(self, "terms", terms)

    def build(self, seen: Seen) -> Tensor:
        """Append the sum of all terms."""
        total = self.terms[0].build(seen)
        for term in self.terms[1:]:
            total = total + term.build(seen)
        return total

    def parts(self) -> tuple[Objective, ...]:
        """Name the terms."""
        return self.terms

    def part(self, start: int, stop: int) -> Objective:
        """Return the sum of the terms for these pictures."""
        return Sum(tuple(term.part(start, stop) for term in self.terms))

    def __str__(self) -> str:
        words = [str(self.terms[0])]
        for term in self.terms[1:]:
            text = str(term)
            if isinstance(term, Sum) or not text.startswith("−"):
                words += ["+", bracketed(term)]
            else:
                words += ["−", text[1:]]
        return " ".join(words)


@OBJECTIVES.add("product")
@dataclass(frozen=True)
class Product(Compound):
    """Two objectives multiplied."""

    left: Objective
    right: Objective

    def __post_init__(self) -> None:
        check_objective(self.left)
        check_objective(self.right)

    def build(self, seen: Seen) -> Tensor:
        """Append the product of both."""
        return self.left.build(seen) * self.right.build(seen)

    def parts(self) -> tuple[Objective, ...]:
        """Name both factors."""
        return self.left, self.right

    def part(self, start: int, stop: int) -> Objective:
        """Return the product of the factors for these pictures."""
        return Product(self.left.part(start, stop), self.right.part(start, stop))

    def __str__(self) -> str:
        left = f"({self.left})" if isinstance(self.left, Sum) else str(self.left)
        return f"{left} × {bracketed(self.right)}"


@dataclass(frozen=True)
class OfOne(Compound):
    """An objective that is made of one other."""

    operand: Objective

    def __post_init__(self) -> None:
        check_objective(self.operand)

    def parts(self) -> tuple[Objective, ...]:
        """Name the operand."""
        return (self.operand,)

    def part(self, start: int, stop: int) -> Objective:
        """Return the same of the operand for these pictures."""
        return replace(self, operand=self.operand.part(start, stop))


@OBJECTIVES.add("negative")
@dataclass(frozen=True)
class Negative(OfOne):
    """An objective's negation: what the unit likes least."""

    def build(self, seen: Seen) -> Tensor:
        """Append minus the operand."""
        return -self.operand.build(seen)

    def __neg__(self) -> Objective:
        return self.operand

    def __str__(self) -> str:
        return f"−{bracketed(self.operand)}"


@OBJECTIVES.add("before_activation")
@dataclass(frozen=True)
class BeforeActivation(OfOne):
    """An objective on what its layers' activation functions are given (see `before_activation`)."""

    def build(self, seen: Seen) -> Tensor:
        """Append the operand, on the values before the layers' last activation functions."""
        return self.operand.build(seen.changed(without_activation))

    def __str__(self) -> str:
        return f"{bracketed(self.operand)} before activation"


def check_objective(value: object) -> Objective:
    """Return an objective as it is.

    Raises:
        TargetError: it is something else.
    """
    if isinstance(value, Objective):
        return value
    raise TargetError(f'expected an objective such as channel("mixed4a", 11), not {shown(value)}')


def as_objective(value: Objective | float) -> Objective:
    """Return an objective as it is, a number as an objective.

    Raises:
        TargetError: it is neither.
    """
    if isinstance(value, Objective):
        return value
    if isinstance(value, Real):
        return Number(real("a number in an objective", value))
    raise TargetError(
        f"an objective is combined with objectives and numbers, not with {shown(value)}"
    )


def objectives_in(what: str, values: object) -> tuple[Objective, ...]:
    """Return a list of objectives as a tuple.

    Args:
        what: Takes the list, for messages.
        values: The list.

    Raises:
        TargetError: it is no list, an empty one, or holds something else.
    """
    given = tuple(values) if isinstance(values, Iterable) else ()
    if not given:
        raise TargetError(f"{what} takes a list of objectives, at least one, not {shown(values)}")
    return tuple(check_objective(value) for value in given)


def layer_named(name: object) -> str:
    """Return the name of a layer as it is.

    Raises:
        TargetError: it is no text, or empty.
    """
    if isinstance(name, str) and name:
        return name
    raise TargetError(f"a layer is given by its name, such as 'mixed4a', not {shown(name)}")


def bracketed(operand: Objective) -> str:
    """Return an objective in words, a sum and what begins with a minus in brackets."""
    text = str(operand)
    return f"({text})" if isinstance(operand, Sum) or text.startswith("−") else text


def _is_same(value: object, default: object) -> bool:
    """Whether a field has its default; no default is an array, which has no one answer to `==`."""
    return not isinstance(value, np.ndarray) and bool(value == default)


def _in_words(value: object) -> str:
    if isinstance(value, str | Objective):
        return str(value)
    if isinstance(value, np.ndarray):
        return array_in_words(value)
    return f"{value:g}".replace("-", "−") if isinstance(value, float) else shown(value)
