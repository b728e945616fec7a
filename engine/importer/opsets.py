"""From whatever the user has to one ONNX graph in a known opset."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnx.version_converter
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx import defs

from ..errors import ModelError
from ..expansions.registry import expansion_of
from ..graph.versions import OPSET
from ..plain import shown
from .attributes import check_attributes
from .checking import all_nodes, check_model, is_sorted
from .checking import shown as shown_node
from .external import check_data_is_there, read_external_data, with_data_inside
from .inlining import call_as_in_file, inlined
from .leniency import as_runtimes_read, domain_of
from .lightened import without_weights
from .model_file import ModelFile
from .not_onnx import refusal
from .old_meanings import keep_old_meanings, needs_hiding
from .old_resizing import keep_old_resizing
from .traditional import note_versions, without_map_types
from .unchanged import is_unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping

ModelSource = str | os.PathLike[str] | bytes | onnx.ModelProto | ir.Model

# The highest opset whose operators all have CUDA kernels in ONNX Runtime (see `versions`).
_HIGHEST_OPSET = 21

# The highest that ONNX Runtime 1.31 runs.
_RUNNABLE_OPSET = 26

# Where in the converter's source something was found amiss.
_ASSERTION = re.compile(r"^\S+:\d+: \w+: Assertion `.*` failed: ")

# A domain that no file has.
_ELSEWHERE = "onnxscope.unknown"


@dataclass(frozen=True)
class Original:
    """A model file as it is, to be read once more.

    Attributes:
        content: What was given; `None` for a file, whose bytes are not kept.
        path: Of the file.
        sha256: Of the file.
    """

    content: bytes | onnx.ModelProto | None
    path: Path | None = None
    sha256: str = ""

    def read(self) -> onnx.ModelProto:
        """Read it again; its weights in other files stay there.

        Raises:
            ModelError: the file is gone, or is another by now.
        """
        if isinstance(self.content, onnx.ModelProto):
            return self.content
        if self.content is not None or self.path is None:
            return parsed(ModelFile(self.content or b""))
        file = ModelFile.read(self.path)
        if file.sha256 != self.sha256:
            raise ModelError(f"{self.path} has changed since it was read")
        return parsed(file)


@dataclass(frozen=True)
class LoadedModel:
    """A model file as a graph.

    Attributes:
        model: The graph, its weights left where they are.
        opset: Version of the standard operator set, 18 to 21; up to 26 where an operator needs it.
        sha256: Hash of the model's content.
        origin: Where it came from, for messages and recipes.
        props: The file's metadata.
        original: The file as it is.
        ir_version: Of the file; before 4, no other value can be given for a weight.
    """

    model: ir.Model
    opset: int
    sha256: str
    origin: str
    props: Mapping[str, str]
    original: Original
    ir_version: int


def load_graph(source: ModelSource | ModelFile) -> LoadedModel:
    """Read a model and bring it to an opset that the engine writes.

    Raises:
        ModelError: the file is missing, is no ONNX model, or cannot be brought to opset 18.
    """
    proto, origin, digest, original = _read(source)
    written_in = proto.ir_version
    if not proto.graph.node:
        raise ModelError(f"{origin} has no nodes: it is empty, or not an ONNX model")
    check_model(proto, origin)
    check_attributes(proto, origin)
    proto = as_runtimes_read(proto, origin)
    if not is_sorted(proto.graph):
        unsorted = _to_ir(proto, origin)
        unsorted.graph.sort()
        proto = ir.to_proto(unsorted)
    own = {name for node in proto.graph.node for name in node.output} if proto.functions else set()
    if proto.functions:
        proto = inlined(proto, origin)
        check_attributes(proto, origin)
    written = _standard_opset(proto, origin)
    opset = written
    if written < OPSET:
        proto, opset = _convert_upwards(proto, written, origin), OPSET
    elif written > _HIGHEST_OPSET:
        opset = _fitting_opset(proto.graph, written)
    model = _to_ir(proto, origin)
    call_as_in_file(model.graph, own)
    note_versions(model, origin)
    if opset != written:
        _note_versions(model.graph, opset, max(written, OPSET))
    props = {entry.key: entry.value for entry in proto.metadata_props}
    return LoadedModel(model, opset, digest, origin, props, original, written_in)


def _to_ir(proto: onnx.ModelProto, origin: str) -> ir.Model:
    try:
        return ir.from_proto(without_map_types(proto))
    except (ValueError, KeyError, TypeError, AttributeError, ir.serde.SerdeError) as error:
        raise ModelError(f"{origin} is damaged: {error}") from error


def _read(source: ModelSource | ModelFile) -> tuple[onnx.ModelProto, str, str, Original]:
    if isinstance(source, ir.Model):
        source = with_data_inside(source)
    if isinstance(source, onnx.ModelProto):
        check_data_is_there(source)
        data = source.SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).hexdigest()
        return source, "the model", digest, Original(source)
    if isinstance(source, bytes | bytearray | memoryview):
        source = ModelFile(bytes(source))
    elif not isinstance(source, ModelFile):
        if not isinstance(source, str | os.PathLike) or not os.fspath(source):
            raise ModelError(
                "a model is a path, bytes, an onnx.ModelProto or an onnx_ir.Model, "
                f"not {shown(source)}"
            )
        source = ModelFile.read(source)
    proto = parsed(source)
    digest = read_external_data(proto, source)
    content = source.data if source.path is None else None
    return proto, source.origin, digest, Original(content, source.path, source.sha256)


def parsed(file: ModelFile) -> onnx.ModelProto:
    """Return what a file says, as it is; weights in other files stay there.

    Raises:
        ModelError: it is no ONNX model.
    """
    try:
        proto = onnx.load_model_from_string(file.data)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ModelError(refusal(file.data, file.path)) from error
    if not proto.HasField("graph"):
        raise ModelError(refusal(file.data, file.path))
    return proto


def _standard_opset(proto: onnx.ModelProto, origin: str) -> int:
    for entry in proto.opset_import:
        if domain_of(entry) == "":
            return int(entry.version)
    raise ModelError(f"{origin} names no version of the standard operator set")


def _convert_upwards(proto: onnx.ModelProto, opset: int, origin: str) -> onnx.ModelProto:
    """The model in the lowest opset that the engine writes."""
    unchanged = all(is_unchanged(node, opset) for node in all_nodes(proto.graph))
    written = _called_by(proto, OPSET) if unchanged else _converted(proto, opset, origin)
    keep_old_meanings(written.graph, opset)
    if opset < 11:
        keep_old_resizing(written.graph)
    return written


def _converted(proto: onnx.ModelProto, opset: int, origin: str) -> onnx.ModelProto:
    """The model as ONNX's converter writes it in the lowest opset that the engine writes."""
    light, weights = without_weights(proto)
    # Up to IR 3 initializers had to be listed among the inputs, which not all files do.
    light.ir_version = max(light.ir_version, 4)
    # The converter refuses operators that it does not know, though layers before them are of use.
    unknown = [
        node
        for node in all_nodes(light.graph)
        if _is_unknown(node, opset) or needs_hiding(node, opset)
    ]
    for node in unknown:
        node.domain = _ELSEWHERE
    if unknown:
        light.opset_import.append(onnx.helper.make_opsetid(_ELSEWHERE, 1))
    try:
        converted = onnx.version_converter.convert_version(light, OPSET)
    except (
        RuntimeError,
        ValueError,
        TypeError,
        onnx.version_converter.ConvertError,
        onnx.shape_inference.InferenceError,
    ) as error:
        reason = _ASSERTION.sub("", (str(error).strip().splitlines() or ["no reason given"])[-1])
        raise ModelError(
            f"{origin} is written in opset {opset} and cannot be brought to {OPSET}: {reason}"
            f"{_along_axes(proto, opset)}"
        ) from error
    for tensor in converted.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(weights[tensor.name])
    for node in all_nodes(converted.graph):
        if node.domain == _ELSEWHERE:
            node.domain = ""
    # Of sizes of 0 the converter infers negative ones.
    return as_runtimes_read(converted, origin)


def _called_by(proto: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """A copy of the model whose standard operators are those of an opset."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for entry in copy.opset_import:
        if domain_of(entry) == "":
            entry.version = opset
    return copy


def _along_axes(proto: onnx.ModelProto, opset: int) -> str:
    """Name the nodes that may be to blame: the converter does not know how they broadcast."""
    nodes = [
        shown_node(node)
        for node in all_nodes(proto.graph)
        if opset < 7 and {"axis", "broadcast"} <= {attribute.name for attribute in node.attribute}
    ]
    named = f"{', '.join(nodes[:3])}{', …' if len(nodes) > 3 else ''}"
    return f"; operands are broadcast along an axis in {named}" if nodes else ""


def _is_unknown(node: onnx.NodeProto, opset: int) -> bool:
    return node.domain in ("", "ai.onnx") and not defs.has(node.op_type, opset, "")


def _fitting_opset(graph: onnx.GraphProto, written: int) -> int:
    """The lowest opset from 21 on that has all nodes as they are, or expands them.

    Beyond 21 the standard operators have taken on types and attributes; what they compute has not
    changed.
    """
    for opset in range(_HIGHEST_OPSET, min(written, _RUNNABLE_OPSET)):
        if all(_expressible(node, opset) for node in all_nodes(graph)):
            return opset
    return written


def _expressible(node: onnx.NodeProto, opset: int) -> bool:
    if node.domain not in ("", "ai.onnx") or expansion_of(node.domain, node.op_type) is not None:
        return True
    try:
        schema = defs.get_schema(node.op_type, opset, "")
    except defs.SchemaError:
        return False
    return all(attribute.name in schema.attributes for attribute in node.attribute)


def _note_versions(graph: ir.Graph, opset: int, written: int) -> None:
    """Operators that the graph's opset lacks keep the version that they were written in."""
    for node in graph.all_nodes():
        if node.domain == "" and not defs.has(node.op_type, opset, ""):
            node.version = written
