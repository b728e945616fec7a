"""What of a unit is made into pictures: channel, neuron, what it likes least, varieties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..network.layers.layer import Layer
from ..objectives.algebra import BeforeActivation, Objective
from ..objectives.batches import diversity
from ..objectives.units import Channel, Neuron

VARIETIES = 4
"""How many different pictures of one unit are made, which stand two by two."""

_DIVERSITY = 1.0
"""How much it counts that they differ; see `onnxscope.diversity`."""


@dataclass(frozen=True)
class Kind:
    """One kind of picture of a unit.

    Attributes:
        name: What it is called, in files and at the command line.
        title: What people read above it.
        objective: From a layer and one of its units to what is maximised.
        pictures: How many are made together.
        needs_cells: Whether a layer without positions has none: it would be the channel's.
        tells_likeness: Whether it is kept how much it excites each unit of the layer.
    """

    name: str
    title: str
    objective: Callable[[Layer, int], Objective]
    pictures: int = 1
    needs_cells: bool = False
    tells_likeness: bool = False


def _channel(layer: Layer, unit: int) -> Objective:
    return Channel(layer.title, unit)


def _neuron(layer: Layer, unit: int) -> Objective:
    # Where patches among tokens are unknown there is no middle; the token in the middle is one.
    if len(layer.shape) == 2 and layer.grid is None:
        return Neuron(layer.title, unit, token=layer.shape[1] // 2)
    return Neuron(layer.title, unit)


def _negative(layer: Layer, unit: int) -> Objective:
    # Behind a ReLU there is nothing below zero that it could be.
    return -BeforeActivation(Channel(layer.title, unit))


def _diverse(layer: Layer, unit: int) -> Objective:
    return Channel(layer.title, unit) - _DIVERSITY * diversity(layer.title)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("channel", "channel", _channel, tells_likeness=True),
        Kind("neuron", "neuron", _neuron, needs_cells=True),
        Kind("negative", "negative channel", _negative),
        Kind("diversity", "diversity", _diverse, VARIETIES, needs_cells=True),
    )
}
"""The kinds by name, in the order in which they are made: those that say most come first."""
