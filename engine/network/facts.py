"""What is known of a model without its graph: found once, and kept beside the finished graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..graph.metadata import Metadata
from .inputs.expectations import Expectation, find_expectation
from .inputs.preprocessing import Preprocessing, ranges_from_json
from .layers.naming import Naming

if TYPE_CHECKING:
    from ..importer.opsets import LoadedModel
    from .network import Network


@dataclass(frozen=True)
class Facts:
    """What a file says, with the arguments that it was loaded with.

    Attributes:
        sha256: Hash of the model's content.
        opset: See `LoadedModel.opset`.
        props: The file's metadata.
        image_input: The input that takes pictures.
        several_inputs: Whether there are others.
        layout: Of the pictures, such as `NCHW`.
        channels: How many they have.
        fixed_depth: How many slices or frames, where the file accepts one number only.
        sides: Height and width, each where the file accepts one number only, else `None`.
        fixed_size: Height and width where the file accepts one picture size only, else `None`.
        fixed_batch: How many pictures the file takes at a time; `None` where that is open.
        expectation: What the file says of the pictures that it expects.
        layer_names: Names of the layers' values, from the image to the output.
        naming: Names of these values for people.
        self_contained: Whether no weights are in files beside its own, which may change.
    """

    sha256: str
    opset: int
    props: Mapping[str, str]
    image_input: str
    several_inputs: bool
    layout: str
    channels: int
    fixed_depth: int | None
    sides: tuple[int | None, int | None]
    fixed_size: tuple[int, int] | None
    fixed_batch: int | None
    expectation: Expectation
    layer_names: tuple[str, ...]
    naming: Naming
    self_contained: bool

    @staticmethod
    def of(loaded: LoadedModel, network: Network) -> Facts:
        """Look all of them up in the graph.

        Raises:
            ModelError: the metadata of a converted model is damaged.
        """
        metadata = Metadata.from_props(loaded.props)
        if metadata is not None:
            # It names its layers itself, and normalises pictures in the graph.
            expectation = Expectation(Preprocessing(), "in the graph")
            names, naming = metadata.layers, Naming()
        else:
            expectation = find_expectation(
                network.graph, network.image, network.layout, network.channels, loaded.props
            )
            names, naming = tuple(network.value_names), network.naming()
        return Facts(
            loaded.sha256,
            loaded.opset,
            loaded.props,
            network.image.name or "",
            len(network.graph.inputs) > 1,
            network.layout,
            network.channels,
            network.fixed_depth,
            network.sides,
            network.fixed_size,
            network.fixed_batch,
            expectation,
            names,
            naming,
            network.self_contained,
        )

    def to_json(self) -> dict[str, Any]:
        """Write it as plain data."""
        return vars(self) | {
            "props": dict(self.props),
            "expectation": asdict(self.expectation),
            "naming": self.naming.to_json(),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Facts:
        """Read back what `to_json` wrote; the cache has checked it."""
        size = data["fixed_size"]
        return Facts(
            **dict(data)
            | {
                "fixed_size": None if size is None else (size[0], size[1]),
                "sides": (data["sides"][0], data["sides"][1]),
                "expectation": _expectation(**data["expectation"]),
                "layer_names": tuple(data["layer_names"]),
                "naming": Naming.from_json(data["naming"]),
            }
        )


def _expectation(preprocessing: dict[str, Any] | None, words: str) -> Expectation:
    if preprocessing is None:
        return Expectation(None, words)
    numbers = {name: tuple(preprocessing[name]) for name in ("mean", "std")}
    numbers["input_range"] = ranges_from_json(preprocessing["input_range"])
    return Expectation(Preprocessing(**preprocessing | numbers), words)
