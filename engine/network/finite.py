"""Why a network gives what is no number: weights that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import OnnxscopeError

if TYPE_CHECKING:
    from .model import Model

_ELSE = (
    "nothing was climbed yet, so that neither fewer steps nor a smaller learning rate help: try "
    "another preprocessing or seed, or a layer before it"
)


def why_not_finite(model: Model) -> str:
    """Return why a network gives what is not finite for a random picture, and what can help."""
    try:
        found = _weight(model)
    except OnnxscopeError:
        found = None
    if found is None:
        return _ELSE
    name, what = found
    return (
        f"the file itself is at fault: its weight {name!r} holds {what}; what does not depend on "
        "that can be rendered, the rest needs a file with other weights"
    )


def _weight(model: Model) -> tuple[str, str] | None:
    """The first weight that is not finite, and what it holds: NaN before infinity."""
    infinite = None
    for name, value in model.weights():
        if value.dtype.kind != "f":
            continue
        if np.isnan(value).any():
            return name, "NaN"
        # Masks of an attention are −∞ for a reason.
        if infinite is None and np.isposinf(value).any():
            infinite = name, "infinity"
    return infinite
