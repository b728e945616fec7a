"""What a converted model says of itself, in the metadata of its ONNX file.

`onnxscope.models` writes it, `onnxscope.load` reads it. A file of another origin carries none of it
and the user says the same things as arguments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import ModelError

PREFIX = "onnxscope."


@dataclass(frozen=True)
class Metadata:
    """The facts that a converted model carries.

    Attributes:
        architecture: Such as `inception_v1`.
        dataset: What the weights were trained on, such as `ImageNet (ILSVRC 2012)`.
        source: Where the weights were published.
        license: Their licence, as an SPDX name where there is one.
        size: Height and width of the pictures that the network was made for, in pixels.
        layers: Names of the exposed layers, from the image to the output.
        labels: Class names in the order of the logits, empty where there is no classifier.
        preprocessing: In words, what the graph does to the image first, for `inspect`.
        weights_sha256: Hash of the published file, empty where it is unknown. Unlike the hash of
            the converted file it stays the same when the conversion changes.

    A model with metadata takes one input, `image`: float32 (N, 3, H, W), RGB in [0, 1].
    """

    architecture: str
    dataset: str
    source: str
    license: str
    size: int
    layers: tuple[str, ...]
    labels: tuple[str, ...] = ()
    preprocessing: str = ""
    weights_sha256: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def to_props(self) -> dict[str, str]:
        """Write it as keys and values for `ModelProto.metadata_props`."""
        values: dict[str, object] = {
            "architecture": self.architecture,
            "dataset": self.dataset,
            "source": self.source,
            "license": self.license,
            "size": self.size,
            "layers": list(self.layers),
            "labels": list(self.labels),
            "preprocessing": self.preprocessing,
            "weights_sha256": self.weights_sha256,
            "extra": dict(self.extra),
            "input": {"range": [0, 1], "channel_order": "rgb", "layout": "NCHW"},
        }
        return {
            PREFIX + key: value if isinstance(value, str) else json.dumps(value)
            for key, value in values.items()
        }

    @staticmethod
    def from_props(props: Mapping[str, str]) -> Metadata | None:
        """Read back what `to_props` wrote; `None` where the file carries none of it.

        Raises:
            ModelError: the metadata is there but damaged.
        """
        if PREFIX + "architecture" not in props:
            return None
        try:
            return Metadata(
                architecture=props[PREFIX + "architecture"],
                dataset=props[PREFIX + "dataset"],
                source=props[PREFIX + "source"],
                license=props[PREFIX + "license"],
                size=int(props[PREFIX + "size"]),
                layers=tuple(json.loads(props[PREFIX + "layers"])),
                labels=tuple(json.loads(props[PREFIX + "labels"])),
                preprocessing=props[PREFIX + "preprocessing"],
                weights_sha256=props.get(PREFIX + "weights_sha256", ""),
                extra=json.loads(props[PREFIX + "extra"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(
                f"the model's onnxscope metadata is damaged ({error}); convert the weights again"
            ) from error
