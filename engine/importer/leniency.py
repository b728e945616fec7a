"""What ONNX Runtime takes in files though the format has it otherwise, or seldom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from ..errors import ModelError
from ..runtime.own_operators import own_operators
from .checking import all_graphs, all_nodes

_STANDARD = "ai.onnx"
"""The other name of the standard operators, whose usual one is empty."""

# Sparse weights are written out in full up to so many bytes.
_LARGEST = 2**31

# What ONNX Runtime 1.31 reads standard operators as where a file names no version of them.
_ASSUMED_OPSET = 26


def as_runtimes_read(proto: onnx.ModelProto, origin: str) -> onnx.ModelProto:
    """Return a model in the form that the format has for it.

    * Sizes of −1, which older converters write for open ones, are open.
    * Sparse weights, as initializers or constants, are full ones.
    * A file that names versions of other operator sets alone has the newest standard one.
    * Of several versions of one operator set the last counts.
    * Inputs and outputs without a name behind the last that has one are none.
    * The standard operators have two names, and a file may use both.
    * A function that is called like an operator of the runtime's own is that operator.

    Args:
        proto: The model, which stays as it is; what is right is given back itself.
        origin: What to call it in messages.

    Raises:
        ModelError: sparse weights are damaged, or too large.
    """
    sparse = any(graph.sparse_initializer for graph in all_graphs(proto.graph))
    sparse = sparse or any(_sparse_constants(proto.graph))
    domains = {entry.domain for entry in proto.opset_import}
    unnamed = bool(domains) and domains.isdisjoint({"", "ai.onnx"})
    last = {domain_of(entry): entry.version for entry in proto.opset_import}
    repeated = len(last) < len(proto.opset_import)
    every = list(_every_node(proto))
    padded = any(_is_padded(node) for node in every)
    renamed = any(node.domain == _STANDARD for node in every)
    hidden = [_is_operator(function, last) for function in proto.functions]
    odd = sparse or unnamed or repeated or padded or renamed or any(hidden)
    if not (odd or any(_open_sizes(proto.graph))):
        return proto
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if repeated:
        del copy.opset_import[:]
        copy.opset_import.extend(helper.make_opsetid(*pair) for pair in last.items())
    if unnamed:
        copy.opset_import.append(helper.make_opsetid("", _ASSUMED_OPSET))
    functions = [f for f, is_hidden in zip(copy.functions, hidden, strict=True) if not is_hidden]
    del copy.functions[:]
    copy.functions.extend(functions)
    for node in _every_node(copy):
        node.domain = _standard(node.domain)
        while node.input and not node.input[-1]:
            del node.input[-1]
        while len(node.output) > 1 and not node.output[-1]:
            del node.output[-1]
    for dim in list(_open_sizes(copy.graph)):
        dim.Clear()
    for graph in all_graphs(copy.graph):
        graph.initializer.extend(_dense(tensor, origin) for tensor in graph.sparse_initializer)
        del graph.sparse_initializer[:]
    for attribute in list(_sparse_constants(copy.graph)):
        full = _dense(attribute.sparse_tensor, origin)
        attribute.CopyFrom(helper.make_attribute("value", full))
    return copy


def _is_padded(node: onnx.NodeProto) -> bool:
    return (len(node.output) > 1 and not node.output[-1]) or (
        len(node.input) > 0 and not node.input[-1]
    )


def _every_node(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Return all nodes, those of functions and of subgraphs included."""
    yield from all_nodes(proto.graph)
    for function in proto.functions:
        yield from all_nodes(function)


def _is_operator(function: onnx.FunctionProto, versions: Mapping[str, int]) -> bool:
    """Whether ONNX Runtime takes an operator for a function: where it has one of its name."""
    domain = _standard(function.domain)
    if domain.startswith("com.microsoft"):
        return (domain, function.name) in own_operators()
    version = versions.get(domain, _ASSUMED_OPSET if domain == "" else 0)
    return domain in ("", "ai.onnx.ml") and defs.has(function.name, version, domain)


def _standard(domain: str) -> str:
    return "" if domain == _STANDARD else domain


def domain_of(entry: onnx.OperatorSetIdProto) -> str:
    """Return the domain of an operator set, by the usual name where it has two."""
    return _standard(entry.domain)


def _sparse_constants(graph: onnx.GraphProto) -> Iterator[onnx.AttributeProto]:
    """Return what constants have as sparse tensors."""
    for node in all_nodes(graph):
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            yield from (a for a in node.attribute if a.name == "sparse_value")


def _open_sizes(graph: onnx.GraphProto) -> Iterator[onnx.TensorShapeProto.Dimension]:
    """Return the negative sizes of all values."""
    for inner in all_graphs(graph):
        for value in (*inner.input, *inner.output, *inner.value_info):
            for dim in value.type.tensor_type.shape.dim:
                if dim.HasField("dim_value") and dim.dim_value < 0:
                    yield dim


def _dense(tensor: onnx.SparseTensorProto, origin: str) -> onnx.TensorProto:
    """Write a sparse tensor out in full; its indices are positions, or one for each axis."""
    name, shape = tensor.values.name, tuple(tensor.dims)
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * 8 > _LARGEST:
        raise ModelError(
            f"{origin}: the sparse weights {name!r} of the shape {shape} are too large"
        )
    try:
        values = numpy_helper.to_array(tensor.values)
        indices = numpy_helper.to_array(tensor.indices)
        full = np.zeros(count, values.dtype)
        if indices.ndim == 2:
            indices = np.ravel_multi_index(tuple(indices.T), shape)
        if indices.size and not 0 <= indices.min() <= indices.max() < count:
            raise ValueError("positions beyond its end")
        full[indices] = values
    except (ValueError, TypeError, IndexError) as error:
        raise ModelError(
            f"{origin} is damaged: the sparse weights {name!r} have {error}"
        ) from error
    return numpy_helper.from_array(full.reshape(shape), name)
