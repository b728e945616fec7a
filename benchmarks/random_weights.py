"""Networks of the known architectures with random weights: for speed they are as good as any."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import onnx

from ..errors import ModelError, nearest
from ..graph.metadata import Metadata
from ..models.architectures import ARCHITECTURES
from ..models.network import Network
from ..models.parameters import Floats, Names, Parameters
from ..models.steps import append_steps


class _Drawn(Parameters):
    """Normal weights that keep the variance through ReLU (He et al., arXiv:1502.01852)."""

    def __init__(self) -> None:
        super().__init__({}, Names)

    def has(self, layer: str) -> bool:
        """Every layer is there."""
        del layer
        return True

    def conv(self, layer: str, shape: Sequence[int]) -> tuple[Floats, Floats]:
        """Draw a kernel of `shape` and a bias of zeros."""
        return _draw(layer, shape), np.zeros(shape[0], np.float32)

    def dense(self, layer: str, inputs: int) -> tuple[Floats, Floats]:
        """Draw a matrix of a thousand classes and a bias of zeros."""
        return _draw(layer, (1000, inputs)), np.zeros(1000, np.float32)


def random_network(architecture: str) -> onnx.ModelProto:
    """Return a whole network with random weights, always the same ones.

    Raises:
        ModelError: there is no such architecture.
    """
    known = ARCHITECTURES.get(architecture)
    if known is None:
        raise ModelError(
            f"there is no architecture {architecture!r}{nearest(architecture, ARCHITECTURES)}; "
            f"known are {', '.join(ARCHITECTURES)}"
        )
    variant = known.variants[0]
    network = Network(architecture, _Drawn())
    append_steps(network, network.image(variant.scale, variant.shift), variant.steps)
    return network.model(
        Metadata(
            architecture=architecture,
            dataset="none: random weights",
            source="drawn here",
            license="Apache-2.0",
            size=known.size,
            layers=tuple(network.exposed),
            labels=(),
            preprocessing=variant.preprocessing,
            extra={"variant": variant.title},
        )
    )


def _draw(layer: str, shape: Sequence[int]) -> Floats:
    rng = np.random.default_rng(zlib.crc32(layer.encode()))
    deviation = np.float32(np.sqrt(2 / np.prod(shape[1:])))
    return rng.standard_normal(tuple(shape), np.float32) * deviation
