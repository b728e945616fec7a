"""Weights files of any kind that is read here, recognised by what they hold."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..graph import wire
from ..importer.not_onnx import known_kind
from .archives import open_zip, read_member
from .caffe import is_caffe, read_caffe
from .graphdef import is_graphdef, read_graphdef
from .numpy_pickle import read_numpy_pickle
from .torch_files import LEGACY_MAGIC, read_torch

_MAX_FILE = 2 << 30  # the largest message that Protocol Buffers allow, and ample for the others
_MAX_MEMBER = 1 << 30
_MAX_LABELS = 16 << 20
_KINDS_READ = (
    "PyTorch state dicts (.pth), TensorFlow frozen graphs (.pb), Caffe models (.caffemodel), "
    "safetensors, pickles of NumPy arrays, and Google's Inception archives (.zip, .tgz)"
)
_SAFETENSORS_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


class Kind(StrEnum):
    """What kind of file weights were read from."""

    TORCH = "pytorch"
    GRAPHDEF = "graphdef"
    CAFFE = "caffe"
    SAFETENSORS = "safetensors"
    NUMPY_PICKLE = "numpy pickle"


@dataclass(frozen=True)
class Weights:
    """Tensors by their published names, in their published memory layout.

    Attributes:
        tensors: The tensors.
        kind: The kind of file that they come from.
        labels: Class names in the order of the logits, where the file brings them.
    """

    tensors: Mapping[str, NDArray[Any]]
    kind: Kind
    labels: tuple[str, ...] = ()


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a weights file, whose kind is told by its content, not its name.

    Raises:
        ModelError: the file is missing, damaged, or of a kind that is not read here.
    """
    path = Path(path)
    data = _content(path)
    source = str(path)
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return _from_zip(data, source)
    if data[:2] == b"\x1f\x8b":
        return _from_tar(data, source)
    if data.startswith(LEGACY_MAGIC):
        return Weights(read_torch(data, source), Kind.TORCH)
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return Weights(read_numpy_pickle(data, source), Kind.NUMPY_PICKLE)
    if data[8:9] == b"{" and 2 <= int.from_bytes(data[:8], "little") <= len(data) - 8:
        return Weights(_read_safetensors(data, source), Kind.SAFETENSORS)
    _refuse_known_others(data, path)
    if is_graphdef(data):
        return Weights(read_graphdef(data, source), Kind.GRAPHDEF)
    if is_caffe(data):
        return Weights(read_caffe(data, source), Kind.CAFFE)
    # A damaged file may still be told by its name; its reader then says where it is damaged.
    if path.suffix == ".pb":
        return Weights(read_graphdef(data, source), Kind.GRAPHDEF)
    if path.suffix == ".caffemodel":
        return Weights(read_caffe(data, source), Kind.CAFFE)
    if path.suffix == ".safetensors":
        return Weights(_read_safetensors(data, source), Kind.SAFETENSORS)
    raise ModelError(f"{source} is no weights file of a known kind; read are {_KINDS_READ}")


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path} is a folder; expected a weights file")
    try:
        length = path.stat().st_size
        data = path.read_bytes() if length <= _MAX_FILE else b""
    except FileNotFoundError as error:
        raise ModelError(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    if length > _MAX_FILE:
        raise ModelError(f"{path} has {length:,} bytes, more than any weights read here")
    if not data:
        raise ModelError(f"{path} is empty")
    return data


def _refuse_known_others(data: bytes, path: Path) -> None:
    """Say what the file is, where it is something that people do pass by mistake."""
    if _is_onnx(data):
        raise ModelError(f"{path} is an ONNX model already; it can be used as it is")
    found = known_kind(data, path)
    if found is not None:
        raise ModelError(found)
    if _is_text(data[:4096]):
        raise ModelError(f"{path} is a text file; expected weights: {_KINDS_READ}")


def _is_text(sample: bytes) -> bool:
    """Whether the bytes are UTF-8, up to a character cut at the end, without control characters."""
    try:
        decoded = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in decoded)


def _is_onnx(data: bytes) -> bool:
    """Whether the fields are those of a ModelProto: its version, a graph and operator sets."""
    try:
        found = {(number, kind) for number, kind, _ in wire.fields(memoryview(data))}
    except wire.WireError:
        return False
    return {(1, wire.VARINT), (7, wire.BYTES), (8, wire.BYTES)} <= found


def _read_safetensors(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """The tensors by name; bfloat16, which NumPy lacks, becomes float32, exactly."""
    import safetensors

    deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
    try:
        found = deserialize(data)
    except (safetensors.SafetensorError, ValueError) as error:
        raise ModelError(f"{source} is a damaged safetensors file: {error}") from error
    tensors: dict[str, NDArray[Any]] = {}
    for name, tensor in found:
        kind = tensor["dtype"]
        if kind not in _SAFETENSORS_TYPES:
            raise ModelError(f"{source} holds {name!r} as {kind}, a type that is not read here")
        flat: NDArray[Any] = np.frombuffer(bytes(tensor["data"]), _SAFETENSORS_TYPES[kind])
        if kind == "BF16":
            flat = (flat.astype(np.uint32) << np.uint32(16)).view(np.float32)
        tensors[name] = flat.reshape(tensor["shape"])
    if not tensors:
        raise ModelError(f"{source} holds no tensors")
    return tensors


def _from_zip(data: bytes, source: str) -> Weights:
    """A `.pth`, or an archive with a frozen graph and its labels, as inception5h.zip is."""
    archive = open_zip(data, source)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return Weights(read_torch(data, source), Kind.TORCH)

    def member(name: str, most: int) -> bytes:
        return read_member(archive, archive.getinfo(name), source, most)

    if not any(name.endswith(".pb") for name in names):
        _refuse_known_others(data, Path(source))
    graph = _only_graph(names, source)
    labels = [name for name in names if name.endswith("label_strings.txt")]
    return Weights(
        read_graphdef(member(graph, _MAX_MEMBER), f"{source}, {graph}"),
        Kind.GRAPHDEF,
        _lines(member(labels[0], _MAX_LABELS), source) if labels else (),
    )


def _only_graph(names: list[str], source: str) -> str:
    graphs = [name for name in names if name.endswith(".pb")]
    if len(graphs) != 1:
        shown = ", ".join(repr(name)[:60] for name in names[:8]) or "nothing"
        raise ModelError(
            f"{source} is an archive with {len(graphs)} frozen graphs (.pb) and no PyTorch state "
            f"dict; it holds {shown}"
        )
    return graphs[0]


def _lines(content: bytes, source: str) -> tuple[str, ...]:
    try:
        return tuple(content.decode("utf-8").splitlines())
    except UnicodeDecodeError as error:
        raise ModelError(f"{source} has a damaged label file: {error}") from error


def _from_tar(data: bytes, source: str) -> Weights:
    """A compressed archive with a frozen graph, as inception-2015-12-05.tgz is."""
    found: dict[str, bytes] = {}
    claimed = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for info in archive:
                claimed += info.size
                if claimed > _MAX_MEMBER:
                    raise ModelError(f"{source} unpacks to more than {_MAX_MEMBER:,} bytes")
                stream = archive.extractfile(info) if info.isreg() else None
                if stream is not None and info.name.endswith((".pb", ".txt", ".pbtxt")):
                    found[Path(info.name).name] = stream.read()
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, OSError) as error:
        raise ModelError(f"{source} is a damaged or truncated archive: {error}") from error
    graph = _only_graph(list(found), source)
    tensors = read_graphdef(found[graph], f"{source}, {graph}")
    return Weights(tensors, Kind.GRAPHDEF, _synset_labels(found, source))


def _synset_labels(found: Mapping[str, bytes], source: str) -> tuple[str, ...]:
    """Labels from the two files beside the graph: logit to synset, and synset to words."""
    numbers = found.get("imagenet_2012_challenge_label_map_proto.pbtxt")
    words = found.get("imagenet_synset_to_human_label_map.txt")
    if numbers is None or words is None:
        return ()
    names = dict(line.split("\t", 1) for line in _lines(words, source) if "\t" in line)
    entries = re.findall(
        r"target_class:\s*(\d{1,5})\s+target_class_string:\s*\"(\w+)\"",
        "\n".join(_lines(numbers, source)),
    )
    by_logit = {int(number): names.get(synset, synset) for number, synset in entries}
    # The numbers start at 1; logit 0 is a class of its own that no picture belongs to.
    return tuple(by_logit.get(logit, "dummy") for logit in range(max(by_logit, default=-1) + 1))
