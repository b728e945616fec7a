"""What of a unit is made into pictures: channel, neuron, what it likes least, varieties."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..network.layers.layer import Layer
from ..objectives.algebra import BeforeActivation, Objective
from ..objectives.batches import diversity
from ..objectives.own_units import each_unit
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
        words: From the same to what `onnxscope render` takes for it.
        pictures: How many are made together.
        needs_cells: Whether a layer without positions has none: it would be the channel's.
        tells_likeness: Whether it is kept how much it excites each unit of the layer.
        before_activation: Whether it is looked at before the layer's activation function: what a
            unit likes least it answers with nothing.
        shared: From a layer and units to an objective for all of them, whose pictures share one
            graph (see `onnxscope.each_unit`); `None` where there is none.
        shared_words: What `onnxscope render` takes for that of one unit.
    """

    name: str
    title: str
    objective: Callable[[Layer, int], Objective]
    words: Callable[[Layer, int], list[str]]
    pictures: int = 1
    needs_cells: bool = False
    tells_likeness: bool = False
    before_activation: bool = False
    shared: Callable[[Layer, Sequence[int]], Objective] | None = None
    shared_words: Callable[[Layer, int], list[str]] | None = None

    def goal(self, layer: Layer, unit: int, *, shared: bool) -> Objective:
        """Return what is maximised.

        Args:
            layer: The layer.
            unit: Its unit.
            shared: Whether by a graph that all units of the layer share, where there is one.
        """
        if shared and self.shared is not None:
            return self.shared(layer, [unit])
        return self.objective(layer, unit)

    def typed(self, layer: Layer, unit: int, *, shared: bool) -> list[str]:
        """Return what `onnxscope render` takes for that goal (see `goal`)."""
        if shared and self.shared_words is not None:
            return self.shared_words(layer, unit)
        return self.words(layer, unit)


def _channel(layer: Layer, unit: int) -> Objective:
    return Channel(layer.title, unit)


def _channel_words(layer: Layer, unit: int) -> list[str]:
    return [f"{layer.title}:{unit}"]


def _middle_token(layer: Layer) -> int | None:
    """The token of a neuron, where patches among tokens are unknown, so that there is no middle."""
    return layer.shape[1] // 2 if len(layer.shape) == 2 and layer.grid is None else None


def _neuron(layer: Layer, unit: int) -> Objective:
    return Neuron(layer.title, unit, token=_middle_token(layer))


def _neuron_words(layer: Layer, unit: int) -> list[str]:
    token = _middle_token(layer)
    where = [] if token is None else ["--token", str(token)]
    return [*_channel_words(layer, unit), "--objective", "neuron", *where]


def _negative(layer: Layer, unit: int) -> Objective:
    # Behind a ReLU there is nothing below zero that it could be.
    return -BeforeActivation(Channel(layer.title, unit))


def _negative_words(layer: Layer, unit: int) -> list[str]:
    return [*_channel_words(layer, unit), "--negative"]


def _shared_channel(layer: Layer, units: Sequence[int]) -> Objective:
    return each_unit(layer.title, units)


def _shared_neuron(layer: Layer, units: Sequence[int]) -> Objective:
    token = _middle_token(layer)
    if token is not None:
        return each_unit(layer.title, units, token=token)
    return each_unit(layer.title, units, radius=0)


def _shared_least(layer: Layer, units: Sequence[int]) -> Objective:
    return each_unit(layer.title, units, least=True)


def _shared_channel_words(layer: Layer, unit: int) -> list[str]:
    return [f"each_unit({_quoted(layer)}, [{unit}])"]


def _shared_neuron_words(layer: Layer, unit: int) -> list[str]:
    token = _middle_token(layer)
    where = "radius=0" if token is None else f"token={token}"
    return [f"each_unit({_quoted(layer)}, [{unit}], {where})"]


def _shared_least_words(layer: Layer, unit: int) -> list[str]:
    return [f"each_unit({_quoted(layer)}, [{unit}], least=True)"]


def _diverse(layer: Layer, unit: int) -> Objective:
    return Channel(layer.title, unit) - _DIVERSITY * diversity(layer.title)


def _quoted(layer: Layer) -> str:
    # Names of layers are texts of Python's in expressions.
    return json.dumps(layer.title, ensure_ascii=False)


def _diverse_words(layer: Layer, unit: int) -> list[str]:
    name = _quoted(layer)
    expression = f"channel({name}, {unit}) - {_DIVERSITY:g} * diversity({name})"
    return [expression, "--batch", str(VARIETIES)]


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "channel",
            "channel",
            _channel,
            _channel_words,
            tells_likeness=True,
            shared=_shared_channel,
            shared_words=_shared_channel_words,
        ),
        Kind(
            "neuron",
            "neuron",
            _neuron,
            _neuron_words,
            needs_cells=True,
            shared=_shared_neuron,
            shared_words=_shared_neuron_words,
        ),
        Kind(
            "negative",
            "negative channel",
            _negative,
            _negative_words,
            before_activation=True,
            shared=_shared_least,
            shared_words=_shared_least_words,
        ),
        Kind("diversity", "diversity", _diverse, _diverse_words, VARIETIES, needs_cells=True),
    )
}
"""The kinds by name, in the order in which they are made: those that say most come first."""
