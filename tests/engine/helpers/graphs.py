"""Small ONNX models for the tests, and ONNX Runtime to run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, np.ndarray | tuple[type, Sequence[int | str | None]]],
    outputs: Sequence[str],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    opset: int = 18,
) -> onnx.ModelProto:
    """A checked model; an input is an array of its type and shape, or (type, shape)."""
    declared = []
    for name, like in inputs.items():
        dtype, shape = like if isinstance(like, tuple) else (like.dtype, like.shape)
        code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        declared.append(helper.make_tensor_value_info(name, code, list(shape)))
    graph = helper.make_graph(
        list(nodes),
        "test",
        declared,
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    # Of a convolution with a kernel of open size ONNX does not infer even the rank.
    if all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        onnx.checker.check_model(proto)
    return proto


def text_model(text: str) -> onnx.ModelProto:
    """A model in ONNX's text form; the header is added."""
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 18]>\n{text}')


def session(proto: onnx.ModelProto, *, optimized: bool = True) -> ort.InferenceSession:
    """A session on one thread of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(proto: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs by name."""
    opened = session(proto)
    names = [output.name for output in opened.get_outputs()]
    return dict(zip(names, opened.run(names, dict(feeds)), strict=True))


def operators(proto: onnx.ModelProto) -> list[str]:
    """The operators of a model in order."""
    return [node.op_type for node in proto.graph.node]
