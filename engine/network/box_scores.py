"""Where a network without names of classes has scores for every box or place, and what to type.

How many classes there are is known by their names alone. Without these one value is the likely one:
what a sigmoid or a softmax makes behind the last convolution, or an output with a row for each box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..graph.traits import Trait, operators_with

if TYPE_CHECKING:
    from .layers.layer import Layer
    from .model import Model

_SQUASHED = ("Sigmoid", "Softmax", "LogSoftmax")
_WEIGHTED = operators_with(Trait.WEIGHTED)

# A box has four numbers; what has more for each has scores among them.
_BOX = 4
_OPEN = re.compile(r"(?:the channels|which axis) of (\d+(?:×\d+){2}) ")


@dataclass(frozen=True)
class BoxScores:
    """A value that seems to have the scores of classes, for every box or place.

    Attributes:
        title: What people call it.
        shape: Its shape in words.
        unit: Its last channel: a class, whatever numbers of a box come before the classes.
        axis: The axis of the channels, where it has to be said; else `None`.
        boxes: Whether there are boxes, and not the places of a map.
    """

    title: str
    shape: str
    unit: int
    axis: int | None = None
    boxes: bool = True


def find_box_scores(model: Model) -> BoxScores | None:
    """Return the value that seems to have a model's scores; `None` where nothing looks like it."""
    layers = list(model.layers.values())
    said = model.arguments().get("channel_axis", {})
    for layer in reversed(layers):
        if layer.name in said and len(layer.shape) == 2:
            return _of_layer(layer, said[layer.name])
    for number, layer in reversed(list(enumerate(layers))):
        if layer.op_type in _WEIGHTED:
            break
        if layer.op_type in _SQUASHED and len(layer.shape) == 2:
            # A sigmoid loses all slope where it is saturated; what it is given does not.
            before = layers[number - 1] if number else layer
            return _of_layer(before if before.shape == layer.shape else layer)
    found = _among_left_out(model)
    if found is None and layers and len(layers[-1].shape) == 3:
        return _of_layer(layers[-1], boxes=False)
    return found


def score_advice(model: Model) -> str:
    """Return what to type for a class of a model without names of classes, to end a message with.

    It is empty where nothing looks like scores.
    """
    found = find_box_scores(model)
    if found is None:
        return ""
    typed, python = f"{found.title}:{found.unit}", ""
    if found.axis is not None:
        typed += f" --channel-axis {found.title}={found.axis}"
        python = f"channel_axis={{{found.title!r}: {found.axis}}}, "
    if found.boxes and model.preprocessing is None and model.form.is_rgb:
        typed += " --preprocessing yolo"
    what = "those of a detector seem to be in" if found.boxes else "its last layer is"
    return (
        f"; {what} {found.title} ({found.shape}): `onnxscope render` takes {typed}; or name the "
        f"classes with --labels FILE (in Python {python}labels=[…])"
    )


def _of_layer(layer: Layer, axis: int | None = None, *, boxes: bool = True) -> BoxScores:
    shape = "×".join(map(str, layer.shape))
    return BoxScores(layer.title, shape, layer.channels - 1, axis, boxes)


def _among_left_out(model: Model) -> BoxScores | None:
    """The last value whose channels cannot be told, and that has more than boxes."""
    found = []
    for name, reason in model.layers.left_out.items():
        match = _OPEN.search(reason)
        if match is None:
            continue
        _, *sides = map(int, match[1].split("×"))
        # There are more boxes than numbers for each.
        axis = 1 if sides[0] < sides[1] else 2
        title = model.names.naming.aliases.get(name, name)
        found.append(BoxScores(title, match[1], min(sides) - 1, axis))
    scores = [one for one in found if one.unit >= _BOX] or found
    return scores[-1] if scores else None
