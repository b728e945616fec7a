"""Products with vectors, which ONNX Runtime may take apart wrongly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..graph.builder import Builder
from ..graph.tensor import Tensor


def product_with_column(
    builder: Builder, node: ir.Node, arguments: Sequence[Tensor | None]
) -> Tensor | None:
    """Return a MatMul of matrices and a vector, written with the vector as a column.

    Behind a Transpose, ONNX Runtime 1.31 fuses both (`MatmulTransposeFusion`) and multiplies with
    the matrix as it was before; with a column it does not.

    Returns:
        The product, `None` where the node is another one.
    """
    if node.op_type != "MatMul" or node.domain or len(arguments) != 2:
        return None
    a, b = arguments
    if a is None or b is None or a.value.shape is None or b.value.shape is None:
        return None
    if b.rank != 1 or a.rank < 2:
        return None
    product = a @ builder.op.Unsqueeze(b, builder.constant([1], np.int64))
    names = [node.outputs[0].name]
    return builder.append("Squeeze", [product, builder.constant([-1], np.int64)], {}, names=names)[
        0
    ]
