"""Rules of matrix products."""

from __future__ import annotations

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("MatMul", _matmul_left, _matmul_right)
    rules.define(
        "Gemm", _gemm_left, _gemm_right, _gemm_bias, ignores=("alpha", "beta", "transA", "transB")
    )


def _swapped(x: Tensor) -> Tensor:
    return x.transpose(*range(x.rank - 2), x.rank - 1, x.rank - 2)


def _as_matrices(dy: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """MatMul's vectors as the matrices that it takes them for."""
    rows = 1 if a.rank == 1 else a.sizes[-2]
    columns = 1 if b.rank == 1 else b.sizes[-1]
    batch = dy.sizes[: dy.rank - (a.rank > 1) - (b.rank > 1)]
    dy = dy if a.rank > 1 and b.rank > 1 else dy.reshape(*batch, rows, columns)
    a = a if a.rank > 1 else a.reshape(1, *a.sizes)
    b = b if b.rank > 1 else b.reshape(*b.sizes, 1)
    return dy, a, b


def _matmul_left(op: Operators, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    dy, _, b = _as_matrices(dy, a, b)
    da = dy @ _swapped(b)
    return _drop_axis(da, -2) if a.rank == 1 else da


def _matmul_right(op: Operators, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    dy, a, _ = _as_matrices(dy, a, b)
    db = _swapped(a) @ dy
    return _drop_axis(db, -1) if b.rank == 1 else db


def _drop_axis(x: Tensor, axis: int) -> Tensor:
    shape = list(x.sizes)
    del shape[axis]
    return x.reshape(*shape)


# ONNX spells these attributes so, and a rule names its attributes as ONNX does.
# ruff: noqa: N803


def _gemm_left(
    op: Operators, dy: Tensor, a: Tensor, b: Tensor, *, alpha: float, transA: int, transB: int
) -> Tensor:
    if transA:
        return op.Gemm(b, dy, alpha=alpha, transA=transB, transB=1)
    return op.Gemm(dy, b, alpha=alpha, transB=1 - transB)


def _gemm_right(
    op: Operators, dy: Tensor, a: Tensor, b: Tensor, *, alpha: float, transA: int, transB: int
) -> Tensor:
    if transB:
        return op.Gemm(dy, a, alpha=alpha, transA=1, transB=transA)
    return op.Gemm(a, dy, alpha=alpha, transA=1 - transA)


def _gemm_bias(
    op: Operators, dy: Tensor, a: Tensor, b: Tensor, c: Tensor, *, beta: float
) -> Tensor:
    return dy if beta == 1 else dy * beta
