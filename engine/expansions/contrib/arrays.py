"""ONNX Runtime's own operators (com.microsoft) on arrays: padding, indices, windows, distances.

ONNX has most of them since, with other arguments or under another name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ...errors import OperatorError
from ...graph.tensor import Tensor
from ...graph.words import count_up
from ..table import Call, Expansion

# From here on GridSample calls its modes linear and cubic.
_OPSET_OF_MODES = 20

# From here on Pad repeats what it pads.
_OPSET_OF_WRAP = 19

_INT64 = np.dtype(np.int64)


def _cdist(call: Call) -> Sequence[Tensor | None]:
    """Distances (M, N) of the rows of (M, K) and (N, K), or their squares.

    Of differences, unlike the runtime's product of matrices: a row that is in both has the
    distance zero, and there the gradient is zero as well.
    """
    op, a, b = call.op, call.required(0), call.required(1)
    metric = call.node.attributes.get_string("metric", "sqeuclidean") or "sqeuclidean"
    first, second = (op.constant([axis], np.int64) for axis in (0, 1))
    difference = op.Unsqueeze(a, second) - op.Unsqueeze(b, first)
    last = op.constant([2], np.int64)
    if metric == "euclidean":
        return [op.ReduceL2(difference, last, keepdims=0)]
    if metric == "sqeuclidean":
        return [op.ReduceSumSquare(difference, last, keepdims=0)]
    raise OperatorError(f"{call.where} has the metric {metric!r}, which is not known")


def _conv_transpose(call: Call) -> Sequence[Tensor | None]:
    """A ConvTranspose whose margins are an input, which has to be known.

    Raises:
        OperatorError: they follow from what the graph is given.
    """
    x, w, bias = call.required(0), call.required(1), call.input(3)
    pads = _known(call, call.required(2), "its pads").ravel().tolist()
    attributes = {**call.node.attributes, "pads": ir.AttrInt64s("pads", pads)}
    return [call.builder.append("ConvTranspose", [x, w, bias], attributes)[0]]


def _expand_dims(call: Call) -> Sequence[Tensor | None]:
    axis = call.required(1).astype(_INT64).reshape(1)
    return [call.op.Unsqueeze(call.required(0), axis)]


def _gather_nd(call: Call) -> Sequence[Tensor | None]:
    return [call.op.GatherND(call.required(0), call.required(1).astype(_INT64))]


def _grid_sample(call: Call) -> Sequence[Tensor | None]:
    """Of pictures, as the standard operator, whose modes have other names from opset 20 on."""
    attributes = dict(call.node.attributes)
    mode = call.node.attributes.get_string("mode", "bilinear") or "bilinear"
    if call.builder.opset >= _OPSET_OF_MODES:
        mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    attributes["mode"] = ir.AttrString("mode", mode)
    return [call.builder.append("GridSample", call.inputs, attributes)[0]]


def _pad(call: Call) -> Sequence[Tensor | None]:
    """A Pad whose margins may be one row (1, 2 · rank), and whose value has one element."""
    op, x, pads, value = call.op, call.required(0), call.required(1), call.input(2)
    mode = call.node.attributes.get_string("mode", "constant") or "constant"
    if mode == "wrap" and call.builder.opset < _OPSET_OF_WRAP:
        return [_wrapped(x, _known(call, pads, "its pads").ravel().tolist())]
    pads = pads.reshape(-1)
    return [op.Pad(x, pads, None if value is None else value.reshape(), mode=mode)]


def _wrapped(x: Tensor, pads: Sequence[int]) -> Tensor:
    """Return x as it goes on beyond its ends when what negative margins leave is repeated."""
    op = x.op
    for axis, (before, after) in enumerate(zip(pads[: x.rank], pads[x.rank :], strict=True)):
        if before or after:
            cut = max(-before, 0)
            kept = x.sizes[axis] - cut - max(-after, 0)
            beyond = count_up(op, kept + max(before, 0) + max(after, 0)) - max(before, 0)
            x = op.Gather(x, op.Mod(beyond, op.vector([kept])) + cut, axis=axis)
    return x


def _range(call: Call) -> Sequence[Tensor | None]:
    start, limit, delta = call.required(0), call.required(1), call.input(2)
    step = call.op.constant(1, start.dtype) if delta is None else delta.reshape()
    return [call.op.Range(start.reshape(), limit.reshape(), step)]


def _sample(call: Call) -> Sequence[Tensor | None]:
    """The identity, which shows how to write an operator."""
    return [call.op.Identity(call.required(0))]


def _trilu(call: Call) -> Sequence[Tensor | None]:
    return [call.builder.append("Trilu", call.inputs, dict(call.node.attributes))[0]]


def _unfold(call: Call) -> Sequence[Tensor | None]:
    """Windows along an axis, whose elements lie along a new last axis."""
    op, x, attributes = call.op, call.required(0), call.node.attributes
    size, step = call.integer("size"), attributes.get_int("step", 1) or 1
    axis = (attributes.get_int("dim", -1) or 0) % max(x.rank, 1)
    length = x.dims[axis]
    if isinstance(length, int):
        starts = op.constant(np.arange(0, length - size + 1, step), np.int64)
    else:
        number = op.Div(op.vector([x.sizes[axis]]) - size, op.constant([step], np.int64)) + 1
        starts = count_up(op, number) * step
    within = op.constant(np.arange(size)[None], np.int64)
    windows = op.Gather(x, starts.reshape(-1, 1) + within, axis=axis)
    others = [other for other in range(x.rank + 1) if other != axis + 1]
    return [windows if axis == x.rank - 1 else windows.transpose(*others, axis + 1)]


def _unique(call: Call) -> Sequence[Tensor | None]:
    """The different elements in the order of their first, the place of each, how often each is."""
    outputs = call.builder.append("Unique", [call.required(0)], {"sorted": 0}, outputs=4)
    return [outputs[0], *outputs[2:]][: len(call.node.outputs)]


def _known(call: Call, tensor: Tensor, what: str) -> np.ndarray:
    """Return the elements of an input that has to be known before the graph runs.

    Raises:
        OperatorError: it is not.
    """
    known = tensor.array
    if known is None:
        raise OperatorError(
            f"{call.where} of {call.node.domain} is written as others where {what} are known"
            f"{call.remedy(tensor)}"
        )
    return known


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", "CDist"): _cdist,
    ("com.microsoft", "ConvTransposeWithDynamicPads"): _conv_transpose,
    ("com.microsoft", "ExpandDims"): _expand_dims,
    ("com.microsoft", "GatherND"): _gather_nd,
    ("com.microsoft", "GridSample"): _grid_sample,
    ("com.microsoft", "Pad"): _pad,
    ("com.microsoft", "Range"): _range,
    ("com.microsoft", "SampleOp"): _sample,
    ("com.microsoft", "Trilu"): _trilu,
    ("com.microsoft", "UnfoldTensor"): _unfold,
    ("com.microsoft", "Unique"): _unique,
}
