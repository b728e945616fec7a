"""A model file that says itself what it expects of a picture, and what its classes are called.

What is said goes into the file's metadata, which every reader of ONNX keeps and none needs. Nothing
else of the file is touched: its bytes are copied, the weights among them.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, ModelError, OutputError
from ..files import atomic_path, write_bytes
from ..graph.wire import BYTES, WireError, bytes_field, content, fields, text, whole_fields
from ..importer.model_file import ModelFile
from .inputs.expectations import AXES
from .inputs.preprocessing import Preprocessing

if TYPE_CHECKING:
    import onnx

# Of ModelProto and of the entries of its metadata.
_METADATA, _KEY, _VALUE = 14, 1, 2

# What readers look for under other names as well; see `expectations`.
_RANGE, _MEAN, _STD, _ORDER, _LABELS = "input_range", "mean", "std", "channel_order", "labels"


def said_of(
    preprocessing: Preprocessing | None,
    labels: Sequence[str],
    channel_axis: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """Return the metadata that say a preprocessing, names of classes and axes of channels.

    What there is none of is left out.

    Args:
        preprocessing: What the network expects; its layout is not said, the file has it.
        labels: Names of the classes, in the order of their scores.
        channel_axis: Of layers, by name, the axis with the channels.
    """
    said: dict[str, str] = {}
    if preprocessing is not None:
        said[_RANGE] = json.dumps(list(preprocessing.input_range))
        said[_MEAN] = json.dumps(list(preprocessing.mean))
        said[_STD] = json.dumps(list(preprocessing.std))
        said[_ORDER] = preprocessing.channel_order
    if labels:
        said[_LABELS] = json.dumps(list(labels), ensure_ascii=False)
    if channel_axis:
        said[AXES] = json.dumps(dict(channel_axis), ensure_ascii=False)
    return said


def write_prepared(
    source: str | os.PathLike[str], target: str | os.PathLike[str], said: Mapping[str, str]
) -> list[Path]:
    """Write a model file with metadata added, or in the place of those of the same names.

    Args:
        source: The file; weights that it has in files beside it are copied along, where the target
            is in another folder.
        target: The new file.
        said: Keys and values, as `said_of` gives them.

    Returns:
        The files that were written, the model first.

    Raises:
        ModelError: the source is no model, or a file beside it is missing.
        InputError: the target is the source.
        OutputError: a file cannot be written, or one of that name is there and is another.
    """
    source, target = Path(source), Path(target)
    if target.exists() and target.samefile(source):
        raise InputError(f"{target} is the model itself; give the new file another name")
    data = ModelFile.read(source).data
    beside = _files_beside(data, source)
    new = with_metadata(data, said, source)
    copied = []
    if target.parent.resolve() != source.parent.resolve():
        copied = [_copy(source.parent / name, target.parent / name) for name in beside]
    write_bytes(target, new)
    return [target, *copied]


def with_metadata(data: bytes, said: Mapping[str, str], source: Path) -> bytes:
    """Return a model's bytes with these metadata, and without those of the same names.

    Raises:
        ModelError: the bytes are no model.
    """
    try:
        kept = b"".join(
            whole
            for number, wire, value, whole in whole_fields(memoryview(data))
            if number != _METADATA or wire != BYTES or _key_of(content(value)) not in said
        )
    except WireError as error:
        raise ModelError(f"{source} is not an ONNX model, or truncated: {error}") from error
    return kept + b"".join(bytes_field(_METADATA, _entry(*pair)) for pair in said.items())


def _key_of(entry: memoryview) -> str:
    return "".join(text(value) for number, _, value in fields(entry) if number == _KEY)


def _entry(key: str, value: str) -> bytes:
    return bytes_field(_KEY, key.encode()) + bytes_field(_VALUE, value.encode())


def _files_beside(data: bytes, source: Path) -> list[str]:
    """The names of the files with weights beside a model, below its folder.

    Raises:
        ModelError: it is no model, or one of them is missing.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelError(f"{source} is not an ONNX model, or truncated") from error
    found: dict[str, None] = {}
    for tensor in _tensors(model.graph):
        if uses_external_data(tensor):
            found[ExternalDataInfo(tensor).location] = None
    for name in found:
        if not (source.parent / name).is_file():
            raise ModelError(f"the weights of {source} are in {source.parent / name}, and missing")
    return list(found)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The tensors of a graph and of those inside of its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(inner)


def _copy(source: Path, target: Path) -> Path:
    """Copy a file of weights, unless the same one is there.

    Raises:
        OutputError: it cannot be written, or another file of that name is there.
    """
    if target.exists():
        if filecmp.cmp(source, target, shallow=False):
            return target
        raise OutputError(
            f"{target} is there and holds other weights; write the model to another folder"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {target.parent}: {error.strerror}") from error
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return target
