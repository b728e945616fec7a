"""Objectives that are a function of the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import TargetError
from ..graph.tensor import Tensor
from ..plain import shown
from .algebra import Leaf
from .seen import Seen

_OFFERED = ("image", "labels")
"""What a function may ask for beside its layers, by a parameter's name."""


@dataclass(frozen=True)
class Custom(Leaf):
    """A function of the user's (see `objective`).

    It may compare the pictures of a batch. Since its code says nothing that could be kept or
    compared, all pictures are made together (see `Composition.separable`).
    """

    names: tuple[str, ...]
    function: Callable[..., Tensor]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TargetError(f"objective decorates a function, not {shown(self.function)}")
        known = " and ".join(_OFFERED)
        for parameter in _keywords(self.function):
            if parameter.name not in _OFFERED and parameter.default is parameter.empty:
                raise TargetError(
                    f"the objective {self} asks for {parameter.name!r}; what a function is given "
                    f"by name is {known}"
                )
        if not self.names and not self.sees_picture:
            raise TargetError(
                f"the objective {self} looks at no layer and not at the picture: name its layers, "
                'as in @objective("mixed4a"), or ask for the picture, as in '
                f"def {self._name}(*, image)"
            )

    def layers(self) -> tuple[str, ...]:
        """Name the layers that the function takes."""
        return self.names

    @property
    def sees_picture(self) -> bool:
        """Whether the function asks for it."""
        return "image" in self._asked

    def build(self, seen: Seen) -> Tensor:
        """Append the function's result, which must be (N,) or, for one picture, a scalar.

        Raises:
            TargetError: it is something else.
        """
        asked = {name: getattr(seen, name) for name in self._asked}
        result = self.function(*(seen[name] for name in self.names), **asked)
        if not isinstance(result, Tensor):
            raise TargetError(
                f"the objective {self} must return a symbolic value, not {type(result).__name__}"
            )
        if result.shape == () and seen.count == 1:
            return result.reshape(1)
        if result.shape != (seen.count,):
            raise TargetError(
                f"the objective {self} must give one number for each of {seen.count} pictures, "
                f"shape ({seen.count},), and gives {result.shape}"
            )
        return result

    def to_json(self) -> dict[str, Any]:
        """Name the function, which cannot be written down."""
        return {"custom": self._name, "layers": list(self.names)}

    def __str__(self) -> str:
        return f"{self._name}({', '.join(self.names)})"

    @property
    def _asked(self) -> list[str]:
        """What the function asks for beside its layers."""
        names = [parameter.name for parameter in _keywords(self.function)]
        return [name for name in _OFFERED if name in names]

    @property
    def _name(self) -> str:
        return str(getattr(self.function, "__name__", type(self.function).__name__))


def _keywords(function: Callable[..., Tensor]) -> list[inspect.Parameter]:
    """The parameters of a function that are given by name alone."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        # Written in C, with no signature to read: it takes its layers.
        return []
    return [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
