"""Why a unit cannot be moved: a bounded function on the way that has come to its end.

Behind a softmax or a sigmoid that is saturated nothing that a picture changes comes through in
float32; what it is given still moves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import OnnxscopeError
from ..graph.traits import Trait, operators_with
from .model import Model

_FLAT = 1e-6
"""A slope that is this small everywhere is none: of a sigmoid in the middle it is 0.25."""

_FAR = 64
"""How many values are looked at, from the target towards the picture."""


def _of_probability(y: np.ndarray) -> np.ndarray:
    return np.asarray(y * (1 - y))


# The slope of each, up to a factor, from what it gives.
_SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Softmax": _of_probability,
    "Sigmoid": _of_probability,
    "HardSigmoid": _of_probability,
    "Tanh": lambda y: np.asarray(1 - y**2),
}

_KEEPING = operators_with(Trait.COPYING) | operators_with(Trait.MOVING)


@dataclass(frozen=True)
class Saturated:
    """A bounded function that has come to its end.

    Attributes:
        layer: Its result, as people call it.
        op_type: The operator.
        value: What it gives on the picture that is furthest from its ends.
        before: What to look at instead, a layer or one of its units; empty where there is none.
    """

    layer: str
    op_type: str
    value: float
    before: str


def find_saturated(
    model: Model, layer: str, unit: int | None, picture: np.ndarray
) -> Saturated | None:
    """Look for a saturated function at a layer or behind it.

    Args:
        model: The network.
        layer: The layer that is looked at.
        unit: The unit, where it is one.
        picture: (H, W, 3), where it was looked at.

    Returns:
        The nearest to the layer, or `None`.
    """
    for name, own in _bounded(model, model.names.find(layer)):
        if name not in model.layers:
            continue
        try:
            found = model.activations(picture, name)[name][0]
        except OnnxscopeError:
            continue
        op_type, sources = model.origin_of(name)
        looked_at = found[unit] if own and unit is not None and unit < len(found) else found
        if not _SLOPES[op_type](looked_at.astype(np.float64)).max() < _FLAT:
            continue
        middle = np.ravel(looked_at)
        value = float(middle[np.argmax(_SLOPES[op_type](middle))])
        before = _before(model, name, sources, unit if own else None)
        return Saturated(model.layers[name].title, op_type, value, before)
    return None


def _bounded(model: Model, start: str) -> Iterator[tuple[str, bool]]:
    """Values of bounded functions from a layer towards the picture.

    With each, whether its units are those of the layer.
    """
    waiting, seen = deque([(start, True)]), {start}
    for _ in range(_FAR):
        if not waiting:
            return
        name, own = waiting.popleft()
        op_type, sources = model.origin_of(name)
        if op_type in _SLOPES:
            yield name, own
        keeps = own and op_type in _KEEPING
        for source in sources:
            if source not in seen:
                seen.add(source)
                waiting.append((source, keeps))


def _before(model: Model, name: str, sources: tuple[str, ...], unit: int | None) -> str:
    """What a bounded function is given, as a target: the nearest layer of as many units."""
    channels = model.layers[name].channels
    while sources:
        source = sources[0]
        if source in model.layers:
            layer = model.layers[source]
            if unit is None:
                return layer.title
            return f"{layer.title}:{unit}" if layer.channels == channels else layer.title
        op_type, sources = model.origin_of(source)
        if op_type not in _KEEPING:
            break
    return ""
