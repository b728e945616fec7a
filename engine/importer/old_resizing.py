"""Resize and Upsample of opsets before 11, which had one way to place pixels.

Converters leave out that a later Resize places them otherwise by default.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .checking import all_graphs, all_nodes


def keep_old_resizing(graph: onnx.GraphProto) -> None:
    """State in every Resize of a converted graph where opset 10 took its pixels from.

    From the corners of the picture (`asymmetric`); the nearest pixel is the one before, and behind
    where the picture shrinks, as ONNX Runtime has it.
    """
    constants: dict[str, onnx.TensorProto] = {}
    for inner in all_graphs(graph):
        constants |= {tensor.name: tensor for tensor in inner.initializer}
        for node in inner.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                constants[node.output[0]] = node.attribute[0].t
    for node in all_nodes(graph):
        if node.op_type == "Resize" and node.domain in ("", "ai.onnx"):
            named = {attribute.name for attribute in node.attribute}
            scales = constants.get(node.input[2]) if len(node.input) > 2 else None
            shrinks = scales is not None and bool(np.any(numpy_helper.to_array(scales) < 1))
            wanted = {
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "ceil" if shrinks else "floor",
            }
            node.attribute.extend(
                helper.make_attribute(name, value)
                for name, value in wanted.items()
                if name not in named
            )
