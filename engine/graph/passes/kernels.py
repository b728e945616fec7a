"""Kernels of convolutions that are computed, kept from what ONNX Runtime does with them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..builder import Builder
from ..tensor import Tensor
from .plan import Plan

# What ONNX Runtime looks through, or takes away, before it joins a Pad with a Conv.
_MOVED_ASIDE = frozenset({"Identity", "Transpose"})


def keep_pads_of_kernels(builder: Builder, plan: Plan) -> None:
    """Write padded kernels so that no Pad is taken for the padding of the picture.

    ONNX Runtime makes a Pad before a Conv the Conv's own padding, also where it is the kernel that
    is padded, and then refuses the graph. It leaves alone what adds outputs: one more, which is cut
    off again.
    """
    del plan  # what there is to do does not depend on it
    # In the graph's order: a set of nodes has another one in each process, and so would the names.
    padded = dict.fromkeys(
        pad
        for node in builder.graph
        if node.op_type == "Conv" and node.domain == "" and len(node.inputs) > 1
        if (pad := _pad_behind(node.inputs[1])) is not None
    )
    for node in padded:
        x, pads, *rest = node.inputs
        # What has axes of its own, or is read from outside, stays as it is.
        if x is None or x.shape is None or pads is None or pads.const_value is None or rest[1:]:
            continue
        if node.outputs[0].is_graph_output():
            continue
        rank = len(x.shape)
        more = pads.const_value.numpy().astype(np.int64)
        if more[0] or more[rank]:
            continue
        more = np.array([*more[:rank], 1, *more[rank + 1 :]])
        value = [None if v is None else Tensor(builder, v) for v in rest]
        wide = builder.op.Pad(Tensor(builder, x), builder.constant(more), *value)
        node.outputs[0].replace_all_uses_with(wide[:-1].value)
    if padded:
        builder.graph.sort()


def _pad_behind(kernel: ir.Value | None) -> ir.Node | None:
    """The Pad that a kernel is made by, but for axes that change places."""
    node = None if kernel is None else kernel.producer()
    while node is not None and node.op_type in _MOVED_ASIDE and node.domain == "":
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    if node is None or node.op_type != "Pad" or node.domain != "":
        return None
    return node if node.attributes.get_string("mode", "constant") == "constant" else None
