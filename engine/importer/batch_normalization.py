"""Batch normalisation, which goes into a convolution before it, or has no axis of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..errors import ModelError
from ..graph.builder import Builder
from ..graph.names import node_name
from ..graph.tensor import Tensor
from ..graph.words import reshape_as


def folded_or_reshaped(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> Sequence[Tensor] | None:
    """Write a BatchNormalization in another form where there is one, else `None`.

    Values of one axis have one channel: each of them is a picture of its own.
    """
    x = arguments[0]
    if x is None or x.value.shape is None or x.rank != 1 or len(node.outputs) > 1:
        return _folded(builder, node, arguments)
    column = builder.op.Unsqueeze(x, builder.constant([1], np.int64))
    (y,) = builder.append(
        "BatchNormalization",
        [column, *arguments[1:]],
        dict(node.attributes),
        node_name=node.name,
    )
    return [reshape_as(y, x)]


def _folded(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> Sequence[Tensor] | None:
    """Conv and BatchNormalization as one Conv, computed in double precision.

    The plain Conv stays in the graph for whoever else reads it, and is dropped where nobody does.
    """
    x, *parameters = arguments
    if x is None or node.attributes.get_int("training_mode", 0) == 1:
        return None
    conv = x.value.producer()
    if conv is None or conv.op_type != "Conv" or len(node.outputs) > 1:
        return None
    kernel, *bias = (None if v is None else Tensor(builder, v).array for v in conv.inputs[1:])
    arrays = [None if tensor is None else tensor.array for tensor in parameters]
    if kernel is None or any(array is None for array in [*bias, *arrays]):
        return None
    scale, shift, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    if any(b is not None and b.shape != (kernel.shape[0],) for b in bias):
        return None  # refused where the convolution itself is written
    if any(array.shape != (kernel.shape[0],) for array in (scale, shift, mean, variance)):
        shapes = ", ".join(str(array.shape) for array in (scale, shift, mean, variance))
        raise ModelError(
            f"BatchNormalization (node {node_name(node)!r}) of {kernel.shape[0]} channels has "
            f"parameters of the shapes {shapes}"
        )
    factor = scale / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    before = np.asarray(bias[0], np.float64) if bias else np.zeros_like(factor)
    folded = kernel * factor.reshape(-1, *([1] * (kernel.ndim - 1)))
    source = conv.inputs[0]
    if source is None:
        return None
    return builder.append(
        "Conv",
        [
            Tensor(builder, source),
            builder.constant(folded, kernel.dtype, name=f"{node.outputs[0].name}_kernel"),
            builder.constant(
                (before - mean) * factor + shift, kernel.dtype, name=f"{node.outputs[0].name}_bias"
            ),
        ],
        dict(conv.attributes),
        names=[node.outputs[0].name],
    )
