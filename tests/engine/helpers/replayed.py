"""A model written again by `replay`."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnxscope.graph.builder import Builder
from onnxscope.graph.finish import model_of
from onnxscope.importer.replay import replay


def replayed(proto, inputs, wanted=("y",)):
    """The model written again with inputs of these shapes; (type, shape) or a float32 shape."""
    builder = Builder()
    graph = ir.from_proto(proto).graph
    given = {}
    for name, shape in inputs.items():
        given[name] = builder.input(name, shape, np.float32)
    for name, tensor in replay(builder, graph, given, wanted).items():
        builder.output(name, tensor)
    result = model_of(builder)
    onnx.checker.check_model(result, full_check=True)
    return result
