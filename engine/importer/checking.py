"""Look a model over before anything is made of it: a damaged file is refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx
from onnx import TensorProto, helper

from ..errors import ModelError

_LARGEST = 2**40
"""Elements of one tensor: beyond any machine, and products of sizes stay exact."""

_TYPED_FIELDS = (
    "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data",
)  # fmt: skip


def check_model(proto: onnx.ModelProto, origin: str) -> None:
    """Check that names are defined once and before a cycle, and that tensors hold their elements.

    Raises:
        ModelError: the model is damaged.
    """
    for tensor in _tensors(proto.graph):
        _check_tensor(tensor, origin)
    _check_graph(proto.graph, set(), origin)


def all_nodes(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    """Return all nodes of a graph or function, those of subgraphs included."""
    for node in graph.node:
        yield node
        for inner in _subgraphs(node):
            yield from all_nodes(inner)


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Return a graph and all subgraphs of its nodes, of theirs, and so on."""
    yield graph
    for node in list(graph.node):
        for inner in _subgraphs(node):
            yield from all_graphs(inner)


def _check_graph(graph: onnx.GraphProto, outer: set[str], origin: str) -> None:
    known = {value.name for value in graph.input} | {t.name for t in graph.initializer}
    known |= {sparse.values.name for sparse in graph.sparse_initializer} | outer
    producers: dict[str, int] = {}
    for number, node in enumerate(graph.node):
        for name in node.output:
            if name and name in producers:
                raise ModelError(
                    f"{origin} is damaged: {name!r} is computed by two nodes, {shown(node)} and "
                    f"{shown(graph.node[producers[name]])}"
                )
            if name:
                producers[name] = number
    for node in graph.node:
        for name in node.input:
            if name and name not in known and name not in producers:
                raise ModelError(
                    f"{origin} is damaged: {shown(node)} reads {name!r}, which is neither "
                    "computed nor given"
                )
    _check_acyclic(graph, producers, origin)
    for value in graph.output:
        if value.name not in known and value.name not in producers:
            raise ModelError(f"{origin} is damaged: its output {value.name!r} is not computed")
    for node in graph.node:
        for inner in _subgraphs(node):
            _check_graph(inner, known | producers.keys(), origin)


def _check_acyclic(graph: onnx.GraphProto, producers: dict[str, int], origin: str) -> None:
    """Peel off nodes whose inputs are computed; what remains waits for itself."""
    waiting = [
        {producers[name] for name in _reads(node) if name in producers} for node in graph.node
    ]
    readers: dict[int, list[int]] = {}
    for number, sources in enumerate(waiting):
        for source in sources:
            readers.setdefault(source, []).append(number)
    ready = [number for number, sources in enumerate(waiting) if not sources]
    done = 0
    while ready:
        number = ready.pop()
        done += 1
        for reader in readers.get(number, ()):
            waiting[reader].discard(number)
            if not waiting[reader]:
                ready.append(reader)
    if done < len(waiting):
        stuck = next(number for number, sources in enumerate(waiting) if sources)
        raise ModelError(
            f"{origin} is damaged: {shown(graph.node[stuck])} is part of a cycle or behind one"
        )


def is_sorted(graph: onnx.GraphProto) -> bool:
    """Return whether every node stands behind those that it reads from."""
    produced = {name for node in graph.node for name in node.output if name}
    for node in graph.node:
        if any(name in produced for name in _reads(node)):
            return False
        produced.difference_update(node.output)
    return True


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node reads, its subgraphs included."""
    yield from node.input
    for graph in _subgraphs(node):
        own = {value.name for value in graph.input}
        for inner in graph.node:
            yield from (name for name in _reads(inner) if name not in own)
            own.update(inner.output)
        yield from (value.name for value in graph.output if value.name not in own)


def _check_tensor(tensor: TensorProto, origin: str) -> None:
    name = tensor.name or "a constant"
    if any(dim < 0 for dim in tensor.dims) or math.prod(tensor.dims) > _LARGEST:
        raise ModelError(f"{origin} is damaged: {name!r} has the shape {tuple(tensor.dims)}")
    if tensor.data_type not in TensorProto.DataType.values() or tensor.data_type == 0:
        raise ModelError(f"{origin} is damaged: {name!r} has the unknown type {tensor.data_type}")
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.STRING:
        return
    count = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        needed = -(-count * _bits(tensor.data_type) // 8)
        held = len(tensor.raw_data)
        if held != needed:
            raise ModelError(
                f"{origin} is damaged: {name!r} of the shape {tuple(tensor.dims)} holds {held} "
                f"bytes, not {needed}"
            )
        return
    held = max(len(getattr(tensor, field)) for field in _TYPED_FIELDS)
    # Complex numbers take two, and several small integers may share one.
    fewest = -(-count * min(_bits(tensor.data_type), 32) // 32)
    if not fewest <= held <= 2 * count:
        raise ModelError(
            f"{origin} is damaged: {name!r} of the shape {tuple(tensor.dims)} holds {held} "
            f"elements, not {count}"
        )


def _bits(data_type: int) -> int:
    """Bits of one element."""
    if data_type in _SMALL_TYPES:
        return _SMALL_TYPES[data_type]
    return helper.tensor_dtype_to_np_dtype(data_type).itemsize * 8


_SMALL_TYPES = {
    getattr(TensorProto, name): bits
    for name, bits in (
        ("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2),
    )
    if hasattr(TensorProto, name)
}  # fmt: skip


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
        for inner in _subgraphs(node):
            yield from _tensors(inner)


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def shown(node: onnx.NodeProto) -> str:
    """Return operator and name of a node, for messages."""
    name = node.name or (node.output[0] if node.output else "")
    return f"{node.op_type or 'an operator without a name'} (node {name!r})"
