"""Compute only what is looked at: move slices of channels towards the input.

An objective that reads one channel slices a layer. The slice commutes with everything that treats
channels alike and alone, picks one branch of a concatenation, and becomes a slice of the weights of
a convolution or of a product: exactly the same numbers, from a fraction of the work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..builder import Builder
from ..cuts import constant_cuts
from ..tensor import Tensor
from ..traits import Trait, has, operators_with
from ..words import normalized_axes
from .plan import Plan

# Their parameters are vectors of one number for each channel.
_OF_CHANNELS = operators_with(Trait.CHANNELWISE) & {"BatchNormalization", "InstanceNormalization"}


def narrow(builder: Builder, plan: Plan) -> None:
    """Move channel slices as far towards the input as they go.

    Each channel that is left is computed as before.
    """
    del plan  # what is looked at says the graph
    pending = [node for node in builder.graph if node.op_type == "Slice"]
    while pending:
        node = pending.pop()
        cut = _channel_cut(node)
        if cut is None or node.outputs[0].is_graph_output():
            continue
        replacement, new_slices = _above(builder, node, *cut)
        if replacement is None:
            continue
        result = _split_off_other_axes(builder, node, replacement)
        pending.extend(new_slices)
        # A slice of this slice now reads what may be narrowed further.
        pending.extend(reader for reader in result.value.consumers() if reader.op_type == "Slice")
    builder.graph.sort()


def _channel_cut(node: ir.Node) -> tuple[int, int] | None:
    """The channels that a slice takes, where they are a proper, consecutive part of all."""
    source = node.inputs[0]
    if source is None or source.shape is None or len(source.shape) < 2:
        return None
    size, cuts = source.shape[1], constant_cuts(node)
    if cuts is None or not isinstance(size, int):
        return None
    along = [cut for cut in cuts if cut.axis == 1]
    if len(along) != 1 or along[0].step != 1:
        return None
    taken = along[0].positions(size)
    return None if not taken or len(taken) == size else (taken.start, taken.stop)


def _slice_channels(builder: Builder, x: Tensor, start: int, stop: int) -> Tensor:
    ends = builder.constant([stop], np.int64)
    axis = builder.constant([1], np.int64)
    return builder.op.Slice(x, builder.constant([start], np.int64), ends, axis)


def _above(
    builder: Builder, node: ir.Node, start: int, stop: int
) -> tuple[Tensor | None, list[ir.Node]]:
    """The sliced channels computed without the others, and the slices that this needs above."""
    source = node.inputs[0]
    producer = source.producer() if source is not None else None
    if source is None or producer is None or producer.domain != "":
        return None, []
    inputs = [None if value is None else Tensor(builder, value) for value in producer.inputs]
    first = inputs[0] if inputs else None
    if first is None:
        return None, []
    if has(producer, Trait.CHANNELWISE) and len(producer.outputs) == 1:
        parameters = [
            None if tensor is None else _of_channels(producer, first, tensor, start, stop)
            for tensor in inputs[1:]
        ]
        upper = _slice_channels(builder, first, start, stop)
        result = builder.append(
            producer.op_type,
            [upper, *parameters],
            dict(producer.attributes),
            names=[source.name],
        )[0]
        return result, _producers([upper])
    if producer.op_type == "Slice" and _leaves_channels_alone(producer):
        upper = _slice_channels(builder, first, start, stop)
        return builder.op.Slice(upper, *inputs[1:]), _producers([upper])
    if producer.op_type == "Concat" and producer.attributes.get_int("axis", 0) in (
        1,
        1 - first.rank,
    ):
        return _branches(builder, inputs, start, stop)
    if producer.op_type == "Conv":
        return _convolution(builder, producer, inputs, start, stop)
    if producer.op_type in ("Gemm", "MatMul"):
        return _product(builder, producer, inputs, start, stop), []
    if producer.op_type.startswith("Reduce") and _reduces_behind_channels(first, inputs[1:]):
        upper = _slice_channels(builder, first, start, stop)
        attributes = dict(producer.attributes)
        result = builder.append(
            producer.op_type, [upper, *inputs[1:]], attributes, names=[source.name]
        )[0]
        return result, _producers([upper])
    if has(producer, Trait.RESHAPING):
        return _reshaped(builder, first, Tensor(builder, source), start, stop)
    return None, []


def _of_channels(node: ir.Node, x: Tensor, parameter: Tensor, start: int, stop: int) -> Tensor:
    """What some channels of a channelwise operator's first input see of a parameter."""
    if node.op_type in _OF_CHANNELS:
        return _rows(parameter.builder, parameter, start, stop)
    if not has(node, Trait.BROADCASTING):
        return parameter
    # Aligned with the first input at the last axis, the channels may lie before the first one.
    axis = 1 - x.rank + parameter.rank
    if axis < 0 or parameter.dims[axis] == 1:
        return parameter
    return _rows(parameter.builder, parameter, start, stop, axis)


def _leaves_channels_alone(node: ir.Node) -> bool:
    """Whether a slice is along other axes than the channels."""
    cuts = constant_cuts(node)
    return cuts is not None and all(cut.axis != 1 for cut in cuts)


def _reduces_behind_channels(x: Tensor, axes: Sequence[Tensor | None]) -> bool:
    """Whether a reduction is along known axes behind the channels alone, as a mean over pixels."""
    known = axes[0].array if axes and axes[0] is not None else None
    if known is None or not known.size:
        return False
    return min(normalized_axes(known.ravel().tolist(), x.rank)) > 1


def _branches(
    builder: Builder, inputs: Sequence[Tensor | None], start: int, stop: int
) -> tuple[Tensor | None, list[ir.Node]]:
    """The parts of a concatenation that the wanted channels come from."""
    parts: list[Tensor] = []
    slices: list[ir.Node] = []
    offset = 0
    for branch in inputs:
        if branch is None:
            return None, []
        size = branch.shape[1]
        low, high = max(start - offset, 0), min(stop - offset, size)
        offset += size
        if low >= high:
            continue
        if (low, high) != (0, size):
            branch = _slice_channels(builder, branch, low, high)
            slices += _producers([branch])
        parts.append(branch)
    return (parts[0] if len(parts) == 1 else builder.op.Concat(*parts, axis=1)), slices


def _convolution(
    builder: Builder, producer: ir.Node, inputs: Sequence[Tensor | None], start: int, stop: int
) -> tuple[Tensor | None, list[ir.Node]]:
    """Some output channels of a convolution: some rows of its kernel and bias."""
    x, kernel, *bias = inputs
    if x is None or kernel is None or kernel.array is None:
        return None, []
    attributes = dict(producer.attributes)
    group = producer.attributes.get_int("group", 1)
    slices: list[ir.Node] = []
    if group > 1:
        if group != kernel.shape[0] or kernel.shape[1] != 1:
            return None, []
        # Depthwise: output channel i is made of input channel i.
        x = _slice_channels(builder, x, start, stop)
        slices = _producers([x])
        attributes["group"] = ir.AttrInt64("group", stop - start)
    rows = [_rows(builder, tensor, start, stop) for tensor in [kernel, *bias] if tensor is not None]
    result = builder.append("Conv", [x, *rows], attributes, names=[producer.outputs[0].name])[0]
    return result, slices


def _product(
    builder: Builder, producer: ir.Node, inputs: Sequence[Tensor | None], start: int, stop: int
) -> Tensor | None:
    """Some columns of a product of rows with weights, such as the score of one class.

    Only where nobody reads the others: two products of halves are slower than the whole.
    """
    x, weights, *bias = inputs
    result = producer.outputs[0]
    if x is None or weights is None or weights.array is None or weights.rank != 2:
        return None
    if x.rank != 2 or len(result.uses()) != 1 or result.is_graph_output():
        return None
    outputs = 0 if producer.attributes.get_int("transB", 0) else 1
    parts = [_rows(builder, weights, start, stop, outputs)]
    for added in bias:
        if added is None or not added.rank or added.dims[-1] == 1:
            parts += [] if added is None else [added]
        else:
            parts.append(_rows(builder, added, start, stop, added.rank - 1))
    return builder.append(
        producer.op_type, [x, *parts], dict(producer.attributes), names=[result.name]
    )[0]


def _reshaped(
    builder: Builder, x: Tensor, result: Tensor, start: int, stop: int
) -> tuple[Tensor | None, list[ir.Node]]:
    """Channels in another shape, where each has its elements as before: (N, C, 1, 1) as (N, C)."""
    if x.dims[:2] != result.dims[:2]:
        return None, []
    before, behind = ([n for n in y.dims[2:] if isinstance(n, int)] for y in (x, result))
    known = len(before) == x.rank - 2 and len(behind) == result.rank - 2
    if not known or math.prod(before) != math.prod(behind):
        return None, []
    upper = _slice_channels(builder, x, start, stop)
    reshaped = upper.reshape(x.sizes[0], stop - start, *result.sizes[2:])
    return reshaped, _producers([upper])


def _rows(builder: Builder, weights: Tensor, start: int, stop: int, axis: int = 0) -> Tensor:
    part = (slice(None),) * axis + (slice(start, stop),)
    if weights.array is None:
        return weights[part]
    return builder.constant(weights.array[part], name=f"{weights.name}_{start}_{stop}")


def _producers(tensors: Sequence[Tensor]) -> list[ir.Node]:
    nodes = (tensor.value.producer() for tensor in tensors)
    return [node for node in nodes if node is not None]


def _split_off_other_axes(builder: Builder, node: ir.Node, channels: Tensor) -> Tensor:
    """Let everything that read the slice read what replaces it, cut along its other axes."""
    result = channels
    keep = [cut for cut in constant_cuts(node) or () if cut.axis != 1]
    if keep:
        columns = zip(*((cut.start, cut.end, cut.axis, cut.step) for cut in keep), strict=True)
        result = builder.op.Slice(
            channels, *(builder.constant(column, np.int64) for column in columns)
        )
    node.outputs[0].replace_all_uses_with(result.value)
    return result
