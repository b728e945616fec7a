"""The architectures that published weights can be converted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from ..errors import ModelError
from ..graph.metadata import Metadata
from . import efficientnet_lite, inception_v1, inception_v3, squeezenet
from .variants import Variant


@dataclass(frozen=True)
class Origin:
    """Where weights come from.

    Attributes:
        dataset: What they were trained on.
        source: Where they were published.
        license: Their licence, as an SPDX name where there is one.
        labels: Class names in the order of the logits.
        weights_sha256: Hash of the published file, empty where there is none.
    """

    dataset: str
    source: str
    license: str
    labels: tuple[str, ...] = ()
    weights_sha256: str = ""


@dataclass(frozen=True)
class Architecture:
    """An architecture, with the publications of it that are known.

    Attributes:
        name: For the command line and the catalogue.
        title: For people.
        size: Height and width of the pictures it was made for.
        variants: The publications.
    """

    name: str
    title: str
    size: int
    variants: tuple[Variant, ...]

    def recognises(self, weights: Mapping[str, np.ndarray]) -> bool:
        """Return whether the tensor names are those of a publication of this architecture."""
        return self._variant(weights) is not None

    def build(self, weights: Mapping[str, np.ndarray], origin: Origin) -> onnx.ModelProto:
        """Return the network with these weights, every layer an output.

        Input `image` is float32 (N, 3, H, W), RGB in [0, 1], of any size; the graph does the rest
        of the preprocessing. Batch normalisation is folded into the convolutions; dropout and
        auxiliary classifiers are left out. Weights that end early make a network that ends early:
        the metadata's `extra["through"]` names its last layer.

        Args:
            weights: Tensors by their published names, in their published memory layout.
            origin: What the metadata says of them. There may be fewer labels than classes: the
                last classes of TensorFlow's networks are unused.

        Raises:
            ModelError: the names are of no known publication, a tensor is missing before the last
                one that is there, a tensor has another shape than the architecture's, or there are
                more labels than classes.
        """
        variant = self._variant(weights)
        if variant is None:
            known = "; ".join(f"{one.title}: {one.signature[0]}" for one in self.variants)
            raise ModelError(f"these are not weights of {self.title}, expected tensors as {known}")
        network, through = variant.build(self.name, weights)
        classes = next(reversed(network.exposed.values())).dims[-1]
        if through is None and isinstance(classes, int) and len(origin.labels) > classes:
            raise ModelError(f"there are {len(origin.labels)} labels for {classes} classes")
        return network.model(
            Metadata(
                architecture=self.name,
                dataset=origin.dataset,
                source=origin.source,
                license=origin.license,
                size=self.size,
                layers=tuple(network.exposed),
                labels=origin.labels if through is None else (),
                weights_sha256=origin.weights_sha256,
                preprocessing=variant.preprocessing,
                extra={"variant": variant.title} | ({"through": through} if through else {}),
            )
        )

    def _variant(self, weights: Mapping[str, np.ndarray]) -> Variant | None:
        return next((one for one in self.variants if one.recognises(weights)), None)


ARCHITECTURES: Mapping[str, Architecture] = {
    one.name: one
    for one in (
        Architecture(
            "inception_v1",
            "Inception v1 (GoogLeNet)",
            inception_v1.SIZE,
            inception_v1.VARIANTS,
        ),
        Architecture("inception_v3", "Inception v3", inception_v3.SIZE, inception_v3.VARIANTS),
        Architecture("squeezenet", "SqueezeNet 1.1", squeezenet.SIZE, squeezenet.VARIANTS),
        Architecture(
            "efficientnet_lite0",
            "EfficientNet-Lite0",
            efficientnet_lite.SIZE,
            efficientnet_lite.VARIANTS,
        ),
    )
}
