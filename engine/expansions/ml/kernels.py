"""Kernels of support vector machines: the similarity of each example to each support vector."""

from __future__ import annotations

import numpy as np

from ...errors import OperatorError
from ...graph.tensor import Tensor
from ..table import Call
from .given import FLOAT, numbers

# So many differences of one example to all vectors are computed one by one (4 MB); beyond, squared
# distances are written as a product, which takes no memory for them.
_DIFFERENCES = 2**20


def kernel_of(call: Call, x: Tensor, vectors: np.ndarray) -> Tensor:
    """Return the kernel on x (N, features) and support vectors (n, features), as (N, n).

    LINEAR is x·v, POLY (γ x·v + c)ᵈ, SIGMOID tanh(γ x·v + c), RBF exp(−γ |x − v|²).

    Raises:
        OperatorError: the kernel is unknown, or lacks its parameters.
    """
    op = call.op
    kind = call.node.attributes.get_string("kernel_type", None) or "LINEAR"
    if kind == "LINEAR":
        return op.Gemm(x, op.constant(vectors), transB=1)
    if kind not in ("POLY", "RBF", "SIGMOID"):
        raise OperatorError(
            f"{call.where} has the kernel {kind!r}; known are LINEAR, POLY, RBF and SIGMOID"
        )
    parameters = numbers(call, "kernel_params")
    if parameters.size < 3:
        raise OperatorError(
            f"{call.where} has the kernel {kind}, and lacks its three kernel_params: gamma, coef0 "
            "and degree"
        )
    gamma, coef0, degree = (float(number) for number in parameters[:3])
    if kind == "RBF":
        return op.Exp(_squared_distances(x, vectors) * -gamma)
    product = op.Gemm(x, op.constant(vectors), op.constant([coef0], FLOAT), transB=1, alpha=gamma)
    if kind == "SIGMOID":
        return op.Tanh(product)
    return product * product if degree == 2 else product**degree


def _squared_distances(x: Tensor, vectors: np.ndarray) -> Tensor:
    """|x − v|² for each row of x and each vector, (N, n)."""
    op = x.op
    if vectors.size <= _DIFFERENCES:
        apart = op.Unsqueeze(x, op.constant([1], np.int64)) - vectors[None]
        return (apart * apart).sum(2)
    # Distances do not depend on the origin; in the middle of the vectors the least digits are lost.
    middle = vectors.mean(0, dtype=np.float64).astype(FLOAT)
    moved, x = vectors - middle, x - middle
    lengths = (moved.astype(np.float64) ** 2).sum(1).astype(FLOAT)
    product = op.Gemm(x, op.constant(moved), op.constant(lengths), transB=1, alpha=-2.0)
    return product + (x * x).sum(1, keepdims=True)
