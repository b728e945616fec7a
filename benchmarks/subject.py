"""What is measured: a unit of a network, the picture's size, where it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ProviderError, TargetError
from ..files import write_bytes
from ..gradient.objective import append_objective
from ..graph.builder import Builder
from ..network.loading import load
from ..network.model import Model
from ..objectives.algebra import Objective
from ..objectives.targets import find_unit, resolve
from ..runtime.session import choose_provider
from .random_weights import random_network


@dataclass(frozen=True)
class Subject:
    """The work that every contestant does.

    Attributes:
        source: The network, as `onnxscope.load` takes it.
        target: `LAYER:UNIT`, or a layer alone.
        kind: Of objective: `channel`, `neuron` or `layer`.
        size: Height and width of the pictures, in pixels.
        batch: How many pictures at once.
        provider: Where it runs, `cpu` or `cuda`.
        precision: `float32`, `tf32` or `float16` (see `onnxscope.render`); on the CPU `float32`.
        preprocessing: Further arguments of `onnxscope.load`, for files of other origin.
    """

    source: str
    target: str
    kind: str
    size: int
    batch: int = 1
    provider: str = "cpu"
    precision: str = "float32"
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(
        source: str,
        target: str,
        *,
        size: int,
        kind: str | None = None,
        batch: int = 1,
        provider: str = "auto",
        precision: str = "float32",
        preprocessing: Mapping[str, Any] | None = None,
    ) -> Subject:
        """Return a subject that fits the model and this machine.

        Args:
            source: As `onnxscope.load` takes it.
            target: `LAYER:UNIT`, or a layer alone.
            size: Height and width of the pictures.
            kind: Of objective, by default what the target means.
            batch: How many pictures.
            provider: `auto`, `cpu` or `cuda`.
            precision: See above.
            preprocessing: Further arguments of `onnxscope.load`.

        Raises:
            OnnxscopeError: the model cannot be read, the target or the size does not fit it, or
                the provider does not work here.
        """
        chosen = choose_provider(provider).name
        if chosen not in ("cpu", "cuda"):
            raise ProviderError(f"speed is compared on cpu and cuda, not on {chosen}")
        given = dict(preprocessing or {})
        model = load(source, **given)
        meant = kind or ("layer" if find_unit(model, target)[1] is None else "channel")
        objective = resolve(model, target, objective=meant)
        builder = Builder(opset=model.opset)
        image = builder.input("image", (batch, 3, size, size), np.float32)
        append_objective(model, objective, image)
        return Subject(source, target, meant, size, batch, chosen, precision, given)

    @staticmethod
    def from_text(text: str) -> Subject:
        """Read back what `to_text` wrote."""
        return Subject(**json.loads(text))

    def to_text(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @cached_property
    def model(self) -> Model:
        """The network."""
        return load(self.source, **self.preprocessing)

    @cached_property
    def objective(self) -> Objective:
        """What is maximised."""
        return resolve(self.model, self.target, objective=self.kind)

    @property
    def layer(self) -> str:
        """The layer that is looked at."""
        return find_unit(self.model, self.target)[0]

    @property
    def unit(self) -> int:
        """The channel that is looked at.

        Raises:
            TargetError: it is a whole layer.
        """
        unit = find_unit(self.model, self.target)[1]
        if unit is None:
            raise TargetError(f"{self.target} is a whole layer")
        return unit

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the pictures: (N, 3, H, W)."""
        return self.batch, 3, self.size, self.size

    def pictures(self) -> np.ndarray:
        """Return random pictures in [0, 1], always the same: (N, 3, H, W) float32."""
        return np.random.default_rng(0).random(self.shape, np.float32)


def save_random(architecture: str, folder: Path) -> str:
    """Write a network with random weights to a folder; gives its path.

    Raises:
        ModelError: there is no such architecture.
    """
    path = folder / f"{architecture}-random.onnx"
    write_bytes(path, random_network(architecture).SerializeToString())
    return str(path)
