"""The results of one node whose inputs are constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ..errors import ModelError, OnnxscopeError
from ..graph.builder import Builder
from ..graph.names import node_name

Arrays = Sequence[np.ndarray | None]

# What shapes and weights are computed by. The onnx package's reference evaluator is quick to set up
# and right about these; of others, such as LRN, it gives wrong values, and some it refuses.
_PLAIN = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Floor", "Ceil"}
    | {"And", "Or", "Not", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Where"}
    | {"Cast", "CastLike", "Identity", "Constant", "ConstantOfShape", "Range", "Shape", "Size"}
    | {"Concat", "Expand", "Flatten", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Tile"}
    | {"Transpose", "Unsqueeze", "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean"}
    | {"MatMul", "BatchNormalization"}
)


def evaluated(builder: Builder, node: ir.Node, arrays: Arrays) -> list[np.ndarray]:
    """Return the node's results.

    Args:
        builder: Of the graph, for its opset.
        node: The node.
        arrays: Its inputs, `None` where one is left out.

    Raises:
        ModelError: the node cannot be computed of these.
    """
    ways: list[Callable[[int, ir.Node, Arrays], list[np.ndarray]]] = [_by_reference, _by_runtime]
    reasons = []
    for way in ways if node.op_type in _PLAIN else reversed(ways):
        try:
            return way(builder.opset, node, arrays)
        except OnnxscopeError as error:
            reasons.append(error)
    raise ModelError(
        f"{node.op_type} (node {node_name(node)!r}) fails on its constants: {reasons[0]}"
    ) from reasons[0]


def _by_reference(opset: int, node: ir.Node, arrays: Arrays) -> list[np.ndarray]:
    # Imported here: it takes time to load, and most models have nothing to compute.
    from onnx.reference import ReferenceEvaluator

    proto = ir.to_proto(node)
    feeds = {
        name: array for name, array in zip(proto.input, arrays, strict=True) if array is not None
    }
    try:
        # Functions without the attributes that they have defaults for are an AttributeError to it.
        # What has no value is NaN, as it is to every runtime.
        with np.errstate(all="ignore"):
            return list(ReferenceEvaluator(proto, opsets={"": opset}).run(None, feeds))
    except (
        ArithmeticError, RuntimeError, ValueError, TypeError, LookupError, AttributeError,
    ) as error:  # fmt: skip
        raise ModelError(str(error)) from error


def _by_runtime(opset: int, node: ir.Node, arrays: Arrays) -> list[np.ndarray]:
    # Imported here: both write graphs with what imports this module.
    from ..graph.finish import model_of
    from ..runtime.session import open_session

    builder = Builder(opset=opset)
    inputs = [None if array is None else builder.constant(array) for array in arrays]
    outputs = builder.append(
        node.op_type, inputs, dict(node.attributes), outputs=len(node.outputs), domain=node.domain
    )
    for number, output in enumerate(outputs):
        builder.output(f"result{number}", output)
    return list(open_session(model_of(builder), "cpu").run({}).values())
