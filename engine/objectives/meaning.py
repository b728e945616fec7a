"""What an objective's value is, in words for those who see the number first."""

from __future__ import annotations

from .algebra import BeforeActivation, Negative, Objective
from .units import Channel, LayerEnergy, Neuron


def meaning(objective: Objective, *, score: bool = False) -> str:
    """Return what the number says; empty for objectives whose formula says it.

    Args:
        objective: What was maximised.
        score: Whether a unit of it is a class, whose score is one number.
    """
    if isinstance(objective, Negative):
        inner = meaning(objective.operand, score=score)
        return f"minus {inner}" if inner else ""
    if isinstance(objective, BeforeActivation):
        inner = meaning(objective.operand, score=score)
        return f"{inner}, before its activation function" if inner else ""
    if isinstance(objective, Channel):
        if score:
            return "the class's score, before any softmax"
        over = "mean" if objective.reduction == "mean" else "sum"
        return f"the {over} of the channel's activation over all positions"
    if isinstance(objective, Neuron):
        return "the activation of that one cell"
    if isinstance(objective, LayerEnergy):
        return "the mean of the squares of all activations of the layer"
    return ""
