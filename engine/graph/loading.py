"""From whatever the user has to one ONNX graph in a known opset."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnx.inliner
import onnx.version_converter
import onnx_ir as ir
from google.protobuf.message import DecodeError

from ..errors import ModelError, OperatorError
from .builder import OPSET

if TYPE_CHECKING:
    from collections.abc import Mapping

ModelSource = str | os.PathLike[str] | bytes | onnx.ModelProto | ir.Model

# The highest opset whose operators all have CUDA kernels in ONNX Runtime (see builder.OPSET).
_HIGHEST_OPSET = 21


@dataclass(frozen=True)
class LoadedModel:
    """A model file as a graph.

    Attributes:
        model: The graph, its weights left where they are.
        opset: Version of the standard operator set, 18 to 21.
        sha256: Hash of the model's content.
        origin: Where it came from, for messages and recipes.
        props: The file's metadata.
    """

    model: ir.Model
    opset: int
    sha256: str
    origin: str
    props: Mapping[str, str]


def load_graph(source: ModelSource) -> LoadedModel:
    """Read a model and bring it to an opset that the engine writes.

    Raises:
        ModelError: the file is missing, is no ONNX model, or cannot be brought to opset 18–21.
    """
    proto, origin, digest = _read(source)
    if not proto.graph.node:
        raise ModelError(f"{origin} has no nodes: it is empty, or not an ONNX model")
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    opset = _standard_opset(proto, origin)
    if not OPSET <= opset <= _HIGHEST_OPSET:
        proto, opset = _convert(proto, opset, origin), max(OPSET, min(opset, _HIGHEST_OPSET))
    try:
        model = ir.from_proto(proto)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{origin} is damaged: {error}") from error
    props = {entry.key: entry.value for entry in proto.metadata_props}
    return LoadedModel(model, opset, digest, origin, props)


def _read(source: ModelSource) -> tuple[onnx.ModelProto, str, str]:
    if isinstance(source, ir.Model):
        source = ir.to_proto(source)
    if isinstance(source, onnx.ModelProto):
        data = source.SerializeToString(deterministic=True)
        return source, "the model", hashlib.sha256(data).hexdigest()
    if isinstance(source, bytes):
        return _parse(source, "the model"), "the model", hashlib.sha256(source).hexdigest()
    path = Path(source)
    if path.is_dir():
        raise ModelError(f"{path} is a folder; an ONNX model is a file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    proto = _parse(data, str(path))
    digest = hashlib.sha256(data)
    if any(onnx.external_data_helper.uses_external_data(t) for t in proto.graph.initializer):
        try:
            onnx.load_external_data_for_model(proto, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise ModelError(f"the external data of {path} cannot be read: {error}") from error
        for tensor in proto.graph.initializer:
            digest.update(tensor.raw_data)
    return proto, str(path), digest.hexdigest()


def _parse(data: bytes, origin: str) -> onnx.ModelProto:
    if not data:
        raise ModelError(f"{origin} is empty")
    try:
        proto = onnx.load_model_from_string(data)
    except (DecodeError, ValueError, RuntimeError) as error:
        kind = "a text file" if _looks_like_text(data) else "not an ONNX model, or truncated"
        raise ModelError(f"{origin} is {kind}; expected an ONNX model file") from error
    if not proto.HasField("graph"):
        kind = "a text file" if _looks_like_text(data) else "no ONNX model: it holds no graph"
        raise ModelError(f"{origin} is {kind}; expected an ONNX model file")
    return proto


def _looks_like_text(data: bytes) -> bool:
    head = data[:512]
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def _standard_opset(proto: onnx.ModelProto, origin: str) -> int:
    for entry in proto.opset_import:
        if entry.domain in ("", "ai.onnx"):
            return int(entry.version)
    raise ModelError(f"{origin} names no version of the standard operator set")


def _convert(proto: onnx.ModelProto, opset: int, origin: str) -> onnx.ModelProto:
    target = OPSET if opset < OPSET else _HIGHEST_OPSET
    foreign = {node.domain for node in proto.graph.node} - {"", "ai.onnx"}
    if foreign:
        node = next(node for node in proto.graph.node if node.domain in foreign)
        raise OperatorError(
            f"no gradient rule for operator {node.domain}::{node.op_type} (node "
            f"{node.name or node.output[0]!r} of {origin})"
        )
    try:
        return onnx.version_converter.convert_version(proto, target)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no reason given"
        raise ModelError(
            f"{origin} is written in opset {opset} and cannot be brought to {target}: {reason}"
        ) from error
