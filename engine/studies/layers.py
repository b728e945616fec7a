"""Which layers a study looks at where none are given: on the trunk, with cells, by their depth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, LayerError, TargetError
from ..network.model import Model
from ..objectives.algebra import Objective
from ..plain import real, text, whole

if TYPE_CHECKING:
    from ..network.layers.layer import Layer

_EVERY = 10_000


def usual_layers(model: Model, count: int = 5) -> tuple[str, ...]:
    """Return layers on the trunk that have cells, evenly from the first to the last.

    Raises:
        LayerError: there are none.
    """
    found = [
        known.title
        for known in model.layers.values()
        if known.main and _has_cells(known) and not known.op_type.endswith("Pool")
    ]
    if not found:
        raise LayerError(f"{model.name} has no layers with cells: name some")
    at = np.linspace(0, len(found) - 1, min(count, len(found)))
    return tuple(dict.fromkeys(found[round(float(one))] for one in at))


def early_layer(model: Model) -> str:
    """Return a layer a third of the way, at which a photo is kept and its objects may change.

    Raises:
        LayerError: there is none that has cells.
    """
    every = usual_layers(model, _EVERY)
    return every[len(every) // 3]


def layer_of(model: Model, objective: Objective) -> str:
    """Return where pictures for an objective are compared with each other.

    It is the last of its layers that has cells; for a class, whose scores have none, the layer
    three quarters of the way.

    Raises:
        TargetError: it looks at no layer.
        LayerError: there is no such layer.
    """
    names = objective.layers()
    if not names:
        raise TargetError(f"{objective} looks at no layer: say at which pictures are compared")
    for name in reversed(names):
        known = model.layers.get(model.names.find(name))
        if known is not None and _has_cells(known):
            return name
    every = usual_layers(model, _EVERY)
    return every[3 * len(every) // 4]


def check_comparison(count: int, strength: float, layer: str | None) -> tuple[int, float]:
    """Check what says how pictures are compared with each other, before any work.

    Raises:
        InputError: there are less than two pictures, or the strength is no number from 0.
        LayerError: the layer is no text.
    """
    count, strength = whole("count", count, 2), real("strength", strength)
    if strength < 0:
        raise InputError(f"strength must be at least 0, not {strength:g}")
    if layer is not None:
        text("layer", layer, "the name of a layer", LayerError)
    return count, strength


def compared_at(model: Model, objective: Objective, layer: str | None) -> str:
    """Return the layer at which pictures are compared: the given one, or `layer_of` an objective.

    Raises:
        LayerError: the model has no such layer.
        TargetError: see `layer_of`.
    """
    if layer is None:
        layer = layer_of(model, objective)
    model.names.find(layer)
    return layer


def _has_cells(layer: Layer) -> bool:
    if layer.grid is not None:
        return layer.grid.height * layer.grid.width > 1
    return len(layer.shape) > 2 and math.prod(layer.shape[1:]) > 1
