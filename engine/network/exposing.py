"""`expose`: inner values of a file as its outputs, by the names that people have for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnx.external_data_helper import uses_external_data

from ..errors import InputError, LayerError, NoPictureError
from ..importer.external import (
    check_data_is_there,
    read_external_data,
    with_data_inside,
    write_apart,
)
from ..importer.model_file import ModelFile
from ..importer.opsets import parsed
from ..importer.outputs import cut_behind, with_outputs
from ..plain import flag, texts
from .loading import find_source
from .model import Model
from .reading import Reading
from .values import Values

if TYPE_CHECKING:
    from ..importer.opsets import ModelSource


@dataclass(frozen=True)
class Exposed:
    """A file with more outputs.

    Attributes:
        proto: The model, its weights inside.
        values: The outputs that were asked for, as the file calls them, in the order of asking.
        beside: Whether the file's weights are in files beside it.
        source: The file, which `save` does not write over; `None` where it was given otherwise.
    """

    proto: onnx.ModelProto
    values: tuple[str, ...]
    beside: bool
    source: Path | None = None

    def save(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write the model whole or not at all.

        Its weights go to a second file, called after it with `.data` behind, where those of the
        original are in files of their own, or where one file would have more than 2 GB.

        Raises:
            OutputError: it cannot be written, or is the original.
        """
        return write_apart(Path(path), self.proto, self.source, 0 if self.beside else None)


def expose(
    model: Model | ModelSource, layers: Sequence[str] | str, *, cut: bool = False
) -> onnx.ModelProto:
    """Return a model as its file has it, with inner values as further outputs.

    The values keep their names, types and shapes, in the layout of the file, and all the rest of
    the file stays as it is: what runs the file runs this, and gets more. Unlike all else here it is
    the file itself, and nothing is brought to another opset or written otherwise.

    Args:
        model: A model, or what `onnxscope.load` takes; it need not take pictures.
        layers: Names of layers, or of values that the file's nodes compute.
        cut: Whether these are all outputs there are, in this order, and what computes the others
            is dropped with its weights.

    Returns:
        The model, with the weights inside.

    Raises:
        LayerError: there is no such layer; or it is inside of a subgraph or function, or an input.
        ModelError: the file is missing or damaged, or does not tell a value's type.
    """
    return exposed(model, layers, cut=cut).proto


def exposed(
    model: Model | ModelSource, layers: Sequence[str] | str, *, cut: bool = False
) -> Exposed:
    """Return what `expose` does, with what the values are called in the file.

    Raises:
        OnnxscopeError: see `expose`.
    """
    cut = flag("cut", cut)
    layers = texts("layers", layers, "names of layers", LayerError)
    if not layers:
        raise LayerError("expose takes the names of one or more layers")
    proto, origin, beside, reading = _file(model)
    computed = {name for node in proto.graph.node for name in node.output if name}
    # What the file itself calls a value needs no other name.
    found = tuple(name if name in computed else _value(reading, name) for name in layers)
    unknown = any(name not in computed for name in found)
    with_outputs(proto, found, origin, called=_called(reading) if unknown else ())
    if cut:
        cut_behind(proto, found)
    return Exposed(proto, found, beside, reading.path)


def _file(model: Model | ModelSource) -> tuple[onnx.ModelProto, str, bool, Reading | Model]:
    """A copy of the file, what to call it, whether weights lie beside it, and who knows names."""
    proto = onnx.ModelProto()
    reading: Reading | Model
    if isinstance(model, Model):
        original, reading, origin = model.original, model, model.name
        proto.CopyFrom(original.read())
        path = original.path
    else:
        source, origin = find_source(model)
        reading, path = Reading(source, origin), None
        if isinstance(source, ModelFile):
            proto, path = parsed(source), source.path
        elif isinstance(source, onnx.ModelProto):
            check_data_is_there(source)
            proto.CopyFrom(source)
        else:
            proto = with_data_inside(source)
    beside = any(map(uses_external_data, proto.graph.initializer))
    # What an object has beside it lies in the current folder.
    given = path is None and isinstance(model, bytes | bytearray | memoryview)
    read_external_data(proto, ModelFile(b"", path if path or given else Path("model.onnx")))
    return proto, origin, beside, reading


def _called(reading: Reading | Model) -> list[str]:
    """What people may write for values, besides their names."""
    naming = _opened(reading).names.naming
    scopes = [scope.name for scope in naming.scopes.values()]
    return [*naming.aliases.values(), *scopes]


def _opened(reading: Reading | Model) -> Model | Values:
    """Who knows what people call values."""
    if isinstance(reading, Model):
        return reading
    try:
        return Model(reading)
    except (InputError, NoPictureError):
        # Which input takes pictures does not matter to what values are called.
        return Values(reading.loaded, reading.name)


def _value(reading: Reading | Model, name: str) -> str:
    """The value that people call so; a name that nobody knows as it is."""
    model = _opened(reading)
    if model.names.meanings(name):
        return model.names.find(name)
    return model.logits() if name == "logits" and isinstance(model, Model) else name
