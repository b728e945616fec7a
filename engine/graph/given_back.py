"""What code of the user's gives back, checked where it comes in.

Objectives, transforms, parameterizations and rules may be anybody's. What is wrong with a result is
said of the code that gave it, and not where a node stumbles over it later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InputError, OnnxscopeError, nearest
from ..plain import shown
from .tensor import Tensor


def symbolic(result: object, giver: str, error: type[OnnxscopeError] = InputError) -> Tensor:
    """Return a result that is a symbolic value.

    Args:
        result: What was given back.
        giver: What gave it, for the message.
        error: What is raised.

    Raises:
        OnnxscopeError: of the kind `error`: it is something else.
    """
    if isinstance(result, Tensor):
        return result
    raise error(f"{giver} must give a symbolic value, not {shown(result)}")


def pictures(result: object, giver: str, shape: Sequence[int]) -> Tensor:
    """Return a result that is pictures of a shape.

    Args:
        result: What was given back.
        giver: What gave it, for the message.
        shape: N, 3, H and W.

    Raises:
        InputError: it is something else.
    """
    tensor = symbolic(result, giver)
    if tensor.dims != tuple(shape):
        wanted, given = ("×".join(map(str, dims)) for dims in (shape, tensor.dims))
        raise InputError(f"{giver} must give pictures of {wanted}, not {given or 'a scalar'}")
    return tensor


class Declared(dict[str, Tensor]):
    """Values by the names that code of the user's has declared; it may ask for no others.

    Attributes:
        asker: What asks for them, for the message.
    """

    def __init__(self, asker: str, values: Mapping[str, Tensor]) -> None:
        super().__init__(values)
        self.asker = asker

    def __missing__(self, name: object) -> Tensor:
        """Refuse.

        Raises:
            InputError: always, and says what was declared.
        """
        declared = ", ".join(map(repr, self)) or "nothing"
        hint = nearest(str(name), self)
        raise InputError(f"{self.asker} asks for {shown(name)}, but declares {declared}{hint}")


def fits_in(given: Sequence[object], target: Sequence[object]) -> bool:
    """Return whether a cotangent may be that of a value: of its shape, or of it broadcast."""
    behind = given[len(given) - len(target) :]
    return len(given) >= len(target) and all(
        not (isinstance(a, int) and isinstance(b, int)) or b in (a, 1)
        for a, b in zip(behind, target, strict=True)
    )
