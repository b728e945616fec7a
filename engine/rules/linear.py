"""Rules of matrix products and determinants."""

from __future__ import annotations

import numpy as np

from ..graph.builder import Operators
from ..graph.tensor import Tensor
from ..graph.words import count_up, reshape_as
from .table import RuleTable


def define(rules: RuleTable) -> None:
    """Add the rules of this module to a table."""
    rules.define("MatMul", _matmul_left, _matmul_right)
    rules.define("Det", _determinant)
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
    if a.rank > 1 and b.rank == 2:
        # All batches are rows of one product, and the weights need no transposition.
        return reshape_as(op.Gemm(_rows(dy), b, transB=1), a)
    dy, _, b = _as_matrices(dy, a, b)
    da = dy @ _swapped(b)
    return _drop_axis(da, -2) if a.rank == 1 else da


def _matmul_right(op: Operators, dy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    if a.rank > 1 and b.rank == 2:
        return op.Gemm(_rows(a), _rows(dy), transA=1)
    dy, a, _ = _as_matrices(dy, a, b)
    db = _swapped(a) @ dy
    return _drop_axis(db, -1) if b.rank == 1 else db


def _rows(x: Tensor) -> Tensor:
    return x if x.rank == 2 else x.reshape(-1, x.sizes[-1])


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


def _determinant(op: Operators, dy: Tensor, x: Tensor) -> Tensor:
    """Cofactors, each a determinant of the matrix without one row and one column.

    ONNX has no inverse, and a singular matrix none, but it has cofactors. They take n⁵ operations
    and n⁴ numbers for a matrix of n rows, which is meant for small ones.
    """
    n = x.sizes[-1]
    matrices = x.reshape(-1, n, n)
    spread = dy.reshape(-1, 1, 1)
    if n == 1:
        return reshape_as(spread, x)
    others, sign = _all_others(op, x)
    # (batch, row left out, column left out, n − 1, n − 1)
    rows = op.Gather(matrices, others, axis=1)
    minors = op.Transpose(op.Gather(rows, others, axis=3), perm=[0, 1, 3, 2, 4])
    return reshape_as(op.Det(minors) * sign.astype(x.dtype) * spread, x)


def _all_others(op: Operators, x: Tensor) -> tuple[Tensor, Tensor]:
    """(n, n − 1) indices, in row i all but i; and (n, n) signs of a chessboard, int64."""
    n = x.dims[-1]
    if isinstance(n, int):
        index = np.arange(n)
        shorter = np.arange(n - 1)
        others = op.constant(shorter + (shorter >= index[:, None]), np.int64)
        return others, op.constant(1 - (index + index[:, None]) % 2 * 2, np.int64)
    size = x.sizes[-1]
    first, second = op.constant([0], np.int64), op.constant([1], np.int64)
    index_, shorter_ = (count_up(op, count) for count in (size, size - 1))
    column, row = op.Unsqueeze(index_, second), op.Unsqueeze(shorter_, first)
    behind = op.GreaterOrEqual(row, column).astype(np.dtype(np.int64))
    parity = op.Mod(column + op.Unsqueeze(index_, first), op.constant(2, np.int64))
    return row + behind, 1 - parity * 2
