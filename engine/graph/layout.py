"""Where the channels are: which axis of each value, from what the operators say."""

from __future__ import annotations

import onnx_ir as ir

# These read and write (N, C, ...), whatever the layout of the picture that the file takes.
_CHANNELS_FIRST = frozenset(
    {
        "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
        "LpPool", "GlobalLpPool", "BatchNormalization", "InstanceNormalization",
        "GroupNormalization", "LRN", "DepthToSpace", "SpaceToDepth", "PRelu", "GridSample",
    }
)  # fmt: skip

# After these an axis is no longer what it was.
_RESHAPING = frozenset(
    {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Einsum", "Shape", "NonZero", "Constant"}
)


def channel_axes(graph: ir.Graph, image: ir.Value, layout: str) -> dict[ir.Value, int]:
    """The channel axis of each four-dimensional value that one can be told for.

    Args:
        graph: The network, in topological order.
        image: Its input.
        layout: Of the input, `NCHW` or `NHWC`.

    Returns:
        1 for (N, C, H, W), 3 for (N, H, W, C); values that it cannot be told for are left out.
    """
    axes = {image: 3 if layout == "NHWC" else 1}
    for node in graph:
        known = next((axes[v] for v in node.inputs if v is not None and v in axes), None)
        axis: int | None
        if node.op_type in _CHANNELS_FIRST:
            axis = 1
        elif node.op_type == "Transpose":
            axis = _transposed(node, known)
        elif node.op_type in _RESHAPING:
            axis = None
        else:
            axis = known
        if axis is not None:
            axes.update(dict.fromkeys(node.outputs, axis))
    return axes


def _transposed(node: ir.Node, axis: int | None) -> int | None:
    order = node.attributes.get_ints("perm", None)
    if order is None or axis is None or len(order) != 4:
        return None
    return list(order).index(axis)
