"""One architecture as one publication trained, named and stored it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import numpy as np

from .network import Network
from .parameters import Names, Parameters
from .steps import Step, append_steps

PerChannel = tuple[float, float, float]


@dataclass(frozen=True)
class Variant:
    """What is particular to one publication.

    Attributes:
        title: The publication, for people.
        signature: Tensor names of which any tells the variant.
        names: From a layer to the published names of its tensors.
        steps: The layers.
        scale: Red, green and blue in [0, 1] are multiplied by it first.
        shift: Then this is added.
        preprocessing: The same in words.
        channels_last: Whether kernels are stored in TensorFlow's order.
        foreign: Tensor names that belong to another network with the same signature.
        bgr_layer: The first layer, where it expects blue, green, red (see `Parameters`).
    """

    title: str
    signature: tuple[str, ...]
    names: Callable[[str], Names]
    steps: tuple[Step, ...]
    scale: PerChannel
    shift: PerChannel
    preprocessing: str
    channels_last: bool = False
    foreign: tuple[str, ...] = ()
    bgr_layer: str | None = None

    def recognises(self, weights: Container[str]) -> bool:
        """Return whether the tensor names are this variant's."""
        return any(name in weights for name in self.signature) and not any(
            name in weights for name in self.foreign
        )

    def build(self, name: str, weights: Mapping[str, np.ndarray]) -> tuple[Network, str | None]:
        """Return the network, and its last layer where the weights are not all there."""
        parameters = Parameters(
            weights, self.names, channels_last=self.channels_last, bgr_layer=self.bgr_layer
        )
        network = Network(name, parameters)
        through = append_steps(network, network.image(self.scale, self.shift), self.steps)
        return network, through
