"""What determines a model, as a part of keys."""

from __future__ import annotations

from ..identity import NoIdentityError
from .model import Model


def identity_of(model: Model) -> dict[str, object]:
    """Return what determines a model.

    Raises:
        NoIdentityError: it is of a class of the user's, or reads weights from files beside its own,
            which may change.
    """
    if type(model) is not Model:
        raise NoIdentityError(f"a {type(model).__name__}")
    if not model.self_contained:
        raise NoIdentityError("weights in other files")
    return model.identity
