"""Functions of a file, written out where they are called, under the names that the file has."""

from __future__ import annotations

from collections.abc import Set

import onnx
import onnx.checker
import onnx.inliner
import onnx.version_converter
import onnx_ir as ir

from ..errors import ModelError


def inlined(proto: onnx.ModelProto, origin: str) -> onnx.ModelProto:
    """Return a model that has functions without any: their nodes stand where they are called.

    Args:
        proto: The model.
        origin: What to call it in messages.

    Raises:
        ModelError: a function cannot be written out.
    """
    try:
        return onnx.inliner.inline_local_functions(proto)
    except (
        RuntimeError,
        ValueError,
        onnx.checker.ValidationError,
        onnx.version_converter.ConvertError,
    ) as error:
        raise ModelError(f"the functions of {origin} cannot be inlined: {error}") from error


def call_as_in_file(graph: ir.Graph, own: Set[str]) -> None:
    """Let a value that only a function has a name for be called what the file calls it.

    The last node of many functions is an Identity: what it gives has a name in the file, and the
    same value before it one that the inliner has made up.

    Args:
        graph: The model's, its functions inlined.
        own: The names of values in the file.
    """
    for node in reversed(list(graph)):
        source = node.inputs[0] if node.op_type == "Identity" and node.domain == "" else None
        result = node.outputs[0]
        if source is None or source.producer() is None or source.producer() not in graph:
            continue
        if source.name in own or result.name not in own:
            continue
        name = result.name
        source.shape = result.shape if source.shape is None else source.shape
        source.type = result.type if source.type is None else source.type
        result.replace_all_uses_with(source, replace_graph_outputs=True)
        graph.remove(node)
        result.name, source.name = None, name
