"""Units that an encoder makes of a layer: the outputs of another ONNX file, appended behind it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from ..errors import InputError, LayerError, OnnxscopeError, TargetError
from ..graph.tensor import Tensor
from ..plain import path as a_path
from ..plain import shown, text, whole
from .algebra import OBJECTIVES, Objective, layer_named
from .places import Place, Placed, mean_over
from .seen import Seen
from .units import check_unit


def encoder(
    path: str | os.PathLike[str],
    layer: str,
    unit: int,
    *,
    output: str = "",
    **place: Unpack[Place],
) -> Objective:
    """Look at a unit of an encoder behind a layer, such as a latent of a sparse autoencoder.

    The encoder is an ONNX file with one input, of a cell's channels (M, C), and units (M, D) for
    each of M cells; or of whole layers, (N, C, H, W). It is a part of the network then: a unit's
    bias and activation function count. At the command line, and where a target is text,
    `fire5@encoder.onnx:17` is one. Latents of sparse autoencoders are what single units often are
    not: about one thing each (Bricken et al., *Towards Monosemanticity*, 2023).

    Args:
        path: The file. A recipe keeps where it is and its hash, not what is in it.
        layer: The layer that it reads.
        unit: Number of the unit, from 0.
        output: Which of the file's outputs has the units; by default the only one.
        place: Where to look, as for `direction`: the mean over these cells is taken.

    Raises:
        OnnxscopeError: there is no such file, or an argument is of another kind.
    """
    layer_named(layer)
    file, unit = a_path("path", path), whole("the unit of an encoder", unit, 0)
    if not isinstance(output, str) or output:
        text("output", output, "the name of an output")
    return Encoded(layer, str(file), _sha256(file), unit, output, **place)


@OBJECTIVES.add("encoded")
@dataclass(frozen=True, eq=False)
class Encoded(Placed):
    """The mean of an encoder's unit over cells (see `encoder`)."""

    layer: str
    path: str
    sha256: str
    unit: int
    output: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        layer_named(self.layer)
        for name in ("path", "sha256", "output"):
            if not isinstance(getattr(self, name), str):
                raise TargetError(f"{name} of an encoder is text, not {shown(getattr(self, name))}")
        object.__setattr__(self, "unit", whole("the unit of an encoder", self.unit, 0))

    def layers(self) -> tuple[str, ...]:
        """Name the one layer."""
        return (self.layer,)

    def build(self, seen: Seen) -> Tensor:
        """Append the encoder and (N,), from (N, C, H, W), tokens (N, C, L) or (N, C)."""
        cells, weights = self.cells(seen, self.layer)
        units = self._appended(cells)
        check_unit(units, f"{Path(self.path).name} behind {self.layer}", self.unit)
        return mean_over(units[:, self.unit], weights)

    def _appended(self, cells: Tensor) -> Tensor:
        """Append the encoder: from cells (N, C, …) to units (N, D, …)."""
        from ..importer.opsets import load_graph
        from ..importer.replay import replay

        file = Path(self.path)
        if _sha256(file) != self.sha256:
            raise InputError(f"{file} is another encoder than the one that the objective is for")
        graph = load_graph(file).model.graph
        given = [value for value in graph.inputs if value.name not in graph.initializers]
        outputs = [value.name for value in graph.outputs if value.name]
        if len(given) != 1 or given[0].shape is None or given[0].shape.rank() not in (2, 4):
            raise InputError(
                f"{file} must have one input, of cells (M, C) or of layers (N, C, H, W)"
            )
        if self.output not in ("" if len(outputs) == 1 else None, *outputs):
            raise InputError(
                f"{file} has the outputs {', '.join(outputs)}: say with output= which has the units"
            )
        name, rank = given[0].name or "", given[0].shape.rank()
        count, channels, *places = cells.shape
        if rank == 4 and cells.rank != 4:
            raise LayerError(
                f"{file} reads layers (N, C, H, W), and {self.layer} has the shape {cells.shape}"
            )
        rows = cells
        if rank == 2 and places:
            across = cells.transpose(0, *range(2, cells.rank), 1)
            rows = across.reshape(count * int(np.prod(places)), channels)
        wanted = self.output or outputs[0]
        try:
            found = replay(cells.builder, graph, {name: rows}, [wanted])[wanted]
            shape = found.shape
        except OnnxscopeError as error:
            raise InputError(f"{file} does not take the cells of {self.layer}: {error}") from error
        if rank == 4:
            return found
        if len(shape) != 2 or shape[0] != rows.shape[0]:
            raise InputError(f"{file} must give units (M, D) of {rows.shape[0]} cells, not {shape}")
        if not places:
            return found
        units = found.reshape(count, *places, shape[1])
        return units.transpose(0, units.rank - 1, *range(1, units.rank - 1))

    def __str__(self) -> str:
        output = f" {self.output}" if self.output else ""
        return self.at_place(f"encoded {self.layer}@{Path(self.path).name}{output}:{self.unit}")


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
