"""What an objective's value is, in words for those who see the number first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LayerError
from ..network.class_scores import class_scores
from .algebra import BeforeActivation, Negative, Objective
from .units import Channel, LayerEnergy, Neuron

_BOUNDED = ("Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid", "Tanh")

if TYPE_CHECKING:
    from ..network.model import Model


def score_words(model: Model, objective: Objective) -> str:
    """Return what the number of a class is: a score, or what a bounded function made of it.

    Nothing is looked at but what is known of the layers without the graph.

    Args:
        model: The model.
        objective: What is maximised; where it is no class's channel, there are no words.
    """
    while isinstance(objective, (Negative, BeforeActivation)):
        objective = objective.operand
    if not isinstance(objective, Channel):
        return ""
    try:
        scores = class_scores(model)
    except LayerError:
        return ""
    if objective.layer != scores.layer or not 0 <= objective.unit - scores.first < scores.count:
        return ""
    if scores.places:
        return "the class's value, the mean over all boxes or places"
    by = model.layers[scores.layer].op_type
    if by in _BOUNDED:
        return f"the class's value behind a {by}"
    return "the class's score, before any softmax"


def meaning(objective: Objective, *, score: str = "") -> str:
    """Return what the number says; empty for objectives whose formula says it.

    Args:
        objective: What was maximised.
        score: Where a unit of it is a class, what its number is (see `score_words`).
    """
    if isinstance(objective, Negative):
        inner = meaning(objective.operand, score=score)
        return f"minus {inner}" if inner else ""
    if isinstance(objective, BeforeActivation):
        inner = meaning(objective.operand, score=score)
        return f"{inner}, before its activation function" if inner else ""
    if isinstance(objective, Channel):
        if score:
            return score
        over = "mean" if objective.reduction == "mean" else "sum"
        return f"the {over} of the channel's activation over all positions"
    if isinstance(objective, Neuron):
        return "the activation of that one cell"
    if isinstance(objective, LayerEnergy):
        return "the mean of the squares of all activations of the layer"
    return ""
