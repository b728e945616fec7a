"""Operators that ONNX itself defines by others: the body of their function takes their place."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import onnx_ir as ir
from onnx import defs, helper, inliner

from ..errors import OperatorError
from ..graph.tensor import Tensor
from .table import Call, Expansion


def expand_function(call: Call) -> Sequence[Tensor | None]:
    """Replace a node by its function's body.

    Raises:
        OperatorError: ONNX has no body for this node's version and types.
    """
    graph = ir.from_proto(_inlined(call)).graph
    if any(inner.op_type == call.node.op_type for inner in graph):
        raise OperatorError(
            f"operator {call.where} has no definition by other operators that fits its inputs"
        )
    for inner in graph.all_nodes():
        # What the graph's opset lacks as well is expanded in turn, in the version of the body.
        if inner.domain == "" and not defs.has(inner.op_type, call.builder.opset, ""):
            inner.version = call.node.version
    inputs = {f"input{i}": tensor for i, tensor in enumerate(call.inputs) if tensor is not None}
    names = [f"output{i}" if value.name else "" for i, value in enumerate(call.node.outputs)]
    values = call.replay(call.builder, graph, inputs, [name for name in names if name])
    return [values.get(name) for name in names]


def _inlined(call: Call) -> onnx.ModelProto:
    """The node as a model of its own, its function inlined.

    Raises:
        OperatorError: it cannot be.
    """
    node = ir.to_proto(call.node)
    given = {f"input{i}": tensor for i, tensor in enumerate(call.inputs) if tensor is not None}
    node.input[:] = [f"input{i}" if tensor else "" for i, tensor in enumerate(call.inputs)]
    node.output[:] = [f"output{i}" if name else "" for i, name in enumerate(node.output)]
    version = call.node.version or call.builder.opset
    # The inliner leaves what a body reads of an attribute that is not set without a value.
    written = {attribute.name for attribute in node.attribute}
    for name, attribute in defs.get_schema(node.op_type, version, "").attributes.items():
        if name not in written and attribute.default_value.name:
            node.attribute.append(attribute.default_value)
    model = helper.make_model(
        helper.make_graph(
            [node],
            "call",
            [helper.make_value_info(name, _type_of(tensor)) for name, tensor in given.items()],
            [helper.make_empty_tensor_value_info(name) for name in node.output if name],
        ),
        opset_imports=[helper.make_opsetid("", version)],
    )
    try:
        return inliner.inline_selected_functions(
            model, [("", node.op_type)], inline_schema_functions=True
        )
    except RuntimeError as error:
        # ONNX asks for the type of each input that a definition depends on, given or not.
        reason = "with inputs left out" if len(given) < len(node.input) else str(error)
        raise OperatorError(
            f"operator {call.where} cannot be written as ONNX defines it: {reason}"
        ) from error


def _type_of(tensor: Tensor) -> onnx.TypeProto:
    proto = onnx.TypeProto()
    if tensor.value.type is not None:
        ir.serde.serialize_type_into(proto, tensor.value.type)
    if tensor.value.shape is not None:
        ir.serde.serialize_shape_into(proto, tensor.value.shape)
    return proto


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("", name): expand_function
    for name in (
        "CausalConvWithState",
        "LinearAttention",
        "NegativeLogLikelihoodLoss",
        "RMSNormalization",
        "RotaryEmbedding",
        "SoftmaxCrossEntropyLoss",
        "SwiGLU",
        "Swish",
    )
}
