"""What ONNX Runtime takes in files though the format has it otherwise, or seldom."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import ModelError
from .checking import all_graphs, all_nodes

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
    last = {_domain(entry): entry.version for entry in proto.opset_import}
    repeated = len(last) < len(proto.opset_import)
    padded = any(_is_padded(node) for node in all_nodes(proto.graph))
    if not (sparse or unnamed or repeated or padded or any(_open_sizes(proto.graph))):
        return proto
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if repeated:
        del copy.opset_import[:]
        copy.opset_import.extend(helper.make_opsetid(*pair) for pair in last.items())
    if unnamed:
        copy.opset_import.append(helper.make_opsetid("", _ASSUMED_OPSET))
    for node in all_nodes(copy.graph):
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


def _domain(entry: onnx.OperatorSetIdProto) -> str:
    """Return an operator set's name; the standard one has two."""
    return "" if entry.domain == "ai.onnx" else entry.domain


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
