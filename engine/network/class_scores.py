"""Where a network says how sure it is of each class: one number, or one for each box or place.

Scores are what a softmax is given. Its probabilities push each other down, and scores do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError, LayerError
from ..graph.tensor import Tensor
from ..graph.traits import Trait, has
from .box_scores import score_advice

if TYPE_CHECKING:
    from .model import Model

# What makes probabilities of scores: of all classes together, or of each by itself.
_TOGETHER = ("Softmax", "LogSoftmax")
_SQUASHED = (*_TOGETHER, "Sigmoid")

# In an output of YOLO's four numbers of a box come first, and in older ones whether there is
# anything; in SSD's the background.
_BEFORE = (0, 4, 5, 1)
_LAST = 3
_DIVIDED = re.compile(r"the channels of ([\d×]+) are divided")


@dataclass(frozen=True)
class ClassScores:
    """The units of a layer that are classes.

    Attributes:
        layer: Its name.
        first: The unit of the first class.
        count: How many classes there are.
        places: Whether each has a score for every box or place, of which the mean is taken.
    """

    layer: str
    first: int
    count: int
    places: bool = False

    def unit(self, index: int) -> tuple[str, int]:
        """Return the layer and the unit of a class.

        Raises:
            LayerError: there is no such class.
        """
        if not 0 <= index < self.count:
            raise LayerError(
                f"there is no class {index}: {self.layer} has the scores of {self.count} classes, "
                f"0 to {self.count - 1}"
            )
        return self.layer, self.first + index


def logits_of(model: Model) -> str:
    """Return the name of a classifier's layer of class scores before the softmax.

    Raises:
        LayerError: the model does not end in classes.
    """
    found = _logits(model)
    if found is not None:
        return found
    raise LayerError(
        f"{model.name} has no layer of class scores: name a layer and a unit, as LAYER:UNIT"
        f"{_advice(model, len(model.labels))}"
    )


def _logits(model: Model) -> str | None:
    scores = [layer for layer in model.layers.values() if len(layer.shape) == 1]
    # Behind other heads there may be other numbers than scores of classes.
    named = [layer for layer in scores if layer.channels == len(model.labels)] or scores
    for number, layer in reversed(list(enumerate(named))):
        if layer.op_type in _TOGETHER:
            continue
        # A sigmoid loses all slope where it is saturated; what it is given does not.
        before = named[number - 1] if number else None
        if layer.op_type == "Sigmoid" and before and before.channels == layer.channels:
            continue
        return layer.name
    return None


def before_softmax(layer: Tensor) -> Tensor:
    """Return the scores of a layer of classes: the layer, or what the softmax behind them is given.

    Args:
        layer: (N, C), in the graph under construction.
    """
    node = layer.value.producer()
    while node is not None and node.inputs[0] is not None:
        if node.op_type in _TOGETHER and node.domain == "":
            given = Tensor(layer.builder, node.inputs[0]).astype(layer.dtype)
            return given if given.shape == layer.shape else given.reshape(*layer.shape)
        if not (has(node, Trait.COPYING) or has(node, Trait.RESHAPING)):
            break
        node = node.inputs[0].producer()
    return layer


def class_scores(model: Model) -> ClassScores:
    """Find a network's scores of its classes, before they are made probabilities.

    Of a detector or a segmentation, that is the last layer that has as many channels as the model
    names classes, or with the numbers of a box before them.

    Raises:
        LayerError: there are none; where they are in a value whose channels cannot be told, the
            message says how to say it.
    """
    name = _logits(model)
    layer = None if name is None else model.layers[name]
    count = len(model.labels)
    if layer is not None and count in (0, layer.channels):
        return ClassScores(layer.name, 0, layer.channels)
    if count:
        found = _in_places(model, count)
        if found is not None:
            return found
    if layer is not None:
        return ClassScores(layer.name, 0, layer.channels)
    raise LayerError(f"{model.name} has no layer of class scores{_advice(model, count)}")


def check_labels(model: Model) -> None:
    """See that there are as many names of classes as scores, where the model has scores.

    Raises:
        InputError: there are not.
    """
    try:
        scores = class_scores(model)
    except LayerError:
        return
    if len(model.labels) != scores.count:
        raise InputError(
            f"there are {len(model.labels)} labels, and {model.layers[scores.layer].title} of "
            f"{model.name} has {scores.count} scores"
        )


def _in_places(model: Model, count: int) -> ClassScores | None:
    layers = list(model.layers.values())
    # Maps of classes end a network; what has as many channels before that has them by chance.
    candidates = [
        layer
        for number, layer in enumerate(layers, 1)
        if len(layer.shape) == 2 or (len(layer.shape) == 3 and number > len(layers) - _LAST)
    ]
    for squashed in (False, True):
        for before in _BEFORE:
            for layer in reversed(candidates):
                fits = layer.channels == count + before and (len(layer.shape) == 2 or not before)
                if fits and (layer.op_type in _SQUASHED) is squashed:
                    return ClassScores(layer.name, before, count, places=True)
    return None


def _advice(model: Model, count: int) -> str:
    """What to say where boxes lie along the axis that channels usually have."""
    if not count:
        return score_advice(model)
    places = _in_places(model, count)
    if places is not None:
        title = model.layers[places.layer].title
        return (
            f"; its classes have a score for every box or place, {title}:{places.first} to "
            f"{title}:{places.first + count - 1}"
        )
    for name, reason in reversed(model.layers.left_out.items()):
        divided = _DIVIDED.match(reason)
        sizes = divided[1].split("×") if divided else []
        if len(sizes) != 3:
            continue
        if int(sizes[2]) - count in _BEFORE:
            title = model.names.naming.aliases.get(name, name)
            return (
                f"; they seem to be in {title} ({divided[1] if divided else ''}), "
                f"along axis 2: say channel_axis={{{title!r}: 2}} (--channel-axis {title}=2)"
            )
    return ""
