"""The results of one node whose inputs are constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..errors import ModelError, OnnxscopeError
from .builder import Builder


def evaluated(
    builder: Builder, node: ir.Node, arrays: Sequence[np.ndarray | None]
) -> Sequence[np.ndarray]:
    """The node's results, by the reference or, where that does not know how, by the runtime.

    Args:
        builder: Of the graph, for its opset.
        node: The node.
        arrays: Its inputs, `None` where one is left out.

    Raises:
        ModelError: the node cannot be computed of these.
    """
    # Imported here: it takes time to load, and most models have nothing to compute.
    from onnx.reference import ReferenceEvaluator

    proto = ir.to_proto(node)
    evaluator = ReferenceEvaluator(proto, opsets={"": builder.opset})
    feeds = {
        name: array for name, array in zip(proto.input, arrays, strict=True) if array is not None
    }
    try:
        return list(evaluator.run(None, feeds))
    except (ArithmeticError, RuntimeError, ValueError, TypeError, LookupError) as error:
        # Of valid nodes it refuses some, such as a GatherElements of fewer rows than the data has.
        try:
            return _evaluated_by_runtime(builder.opset, node, arrays)
        except OnnxscopeError:
            raise ModelError(
                f"{node.op_type} (node {node.name!r}) fails on its constants: {error}"
            ) from error


def _evaluated_by_runtime(
    opset: int, node: ir.Node, arrays: Sequence[np.ndarray | None]
) -> list[np.ndarray]:
    # Imported here: both write graphs with what imports this module.
    from ..session import open_session
    from .replay import model_of

    builder = Builder(opset=opset)
    inputs = [None if array is None else builder.constant(array) for array in arrays]
    outputs = builder.append(
        node.op_type, inputs, dict(node.attributes), outputs=len(node.outputs), domain=node.domain
    )
    for number, output in enumerate(outputs):
        builder.output(f"result{number}", output)
    return list(open_session(model_of(builder), "cpu").run({}).values())
