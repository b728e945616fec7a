"""Support vector machines: regressions and classifiers, with any kernel, with probabilities or not.

A classifier decides between each two classes; its scores are these decisions, or one probability
for each class. Probabilities of pairs are coupled as LIBSVM does (Wu, Lin and Weng, "Probability
estimates for multi-class classification by pairwise coupling", 2004, their second method), but
exactly: LIBSVM and ONNX Runtime go towards the same numbers until they are 0.005 / classes close.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ...errors import ModelError, OperatorError
from ...graph.domains import ML
from ...graph.tensor import Tensor
from ..table import Call, Expansion
from .given import (
    FLOAT,
    class_labels,
    fitting_rows,
    integers,
    labels_at,
    matrix,
    numbers,
    required_numbers,
)  # fmt: skip
from .kernels import kernel_of
from .scores import both_classes, transform_of, transformed

# Probabilities of pairs stay this far from 0 and 1.
_MARGIN = 1e-7


def _svm_regressor(call: Call) -> Sequence[Tensor | None]:
    attributes, op = call.node.attributes, call.op
    if transform_of(call) != "NONE":
        raise OperatorError(
            f"{call.where} has the post_transform {transform_of(call)!r}, which ONNX Runtime does "
            "not apply"
        )
    supports = attributes.get_int("n_supports", 0)
    weights, rho = matrix(call, "coefficients", 1), required_numbers(call, "rho")
    if supports:
        if weights.size != supports:
            raise ModelError(
                f"{call.where} has {supports} support vectors, but {weights.size} coefficients"
            )
        vectors = matrix(call, "support_vectors", supports)
        x = kernel_of(call, fitting_rows(call, vectors.shape[1]), vectors)
    else:
        x = fitting_rows(call, weights.shape[1])
    y = op.Gemm(x, op.constant(weights), op.constant(rho[:1]), transB=1)
    if attributes.get_int("one_class", 0):
        inside = op.Greater(y, op.constant(0, FLOAT))
        y = op.Where(inside, op.constant(1, FLOAT), op.constant(-1, FLOAT))
    return [y]


def _svm_classifier(call: Call) -> Sequence[Tensor | None]:
    labels = class_labels(call, "classlabels_ints")
    counts = integers(call, "vectors_per_class")
    if sum(counts):
        if len(labels) < 2 or len(counts) != len(labels):
            raise ModelError(
                f"{call.where} has {len(labels)} class labels, and support vectors of "
                f"{len(counts)} classes"
            )
        return _among_pairs(call, labels, counts)
    return _linear(call, labels)


def _linear(call: Call, labels: Sequence[int] | Sequence[str]) -> Sequence[Tensor | None]:
    """A score for each class, linear in the features."""
    op = call.op
    weights, rho = matrix(call, "coefficients", len(labels)), required_numbers(call, "rho")
    x = fitting_rows(call, weights.shape[1])
    scores = op.Gemm(x, op.constant(weights), op.constant(rho[:1]), transB=1)
    best = op.ArgMax(scores, axis=1, keepdims=0)
    if len(labels) == 2 and not numbers(call, "prob_a").size:
        # The second class wins as well where the larger score is high.
        largest = op.ReduceMax(scores, op.constant([1], np.int64), keepdims=0)
        limit = op.constant(0.5 if (weights >= 0).all() else 0, FLOAT)
        passed = op.GreaterOrEqual if (weights >= 0).all() else op.Greater
        best = op.Where(passed(largest, limit), op.constant(1, np.int64), best)
    return [labels_at(call, labels, best), transformed(call, scores)]


def _among_pairs(
    call: Call, labels: Sequence[int] | Sequence[str], counts: Sequence[int]
) -> Sequence[Tensor | None]:
    """Decisions between each two classes, by kernels on the support vectors of both."""
    op, pairs = call.op, list(combinations(range(len(labels)), 2))
    vectors = matrix(call, "support_vectors", sum(counts))
    rho, proba, probb = (numbers(call, name) for name in ("rho", "prob_a", "prob_b"))
    for name, found in (("rho", rho), ("prob_a", proba), ("prob_b", probb)):
        if found.size < len(pairs) and (found.size or name == "rho" or proba.size):
            raise ModelError(
                f"{call.where} has {found.size} {name}, expected one for each of {len(pairs)} "
                "pairs of classes"
            )
    weights = _weights_of_pairs(call, pairs, counts)
    kernels = kernel_of(call, fitting_rows(call, vectors.shape[1]), vectors)
    decisions = op.Gemm(kernels, op.constant(weights), op.constant(rho[: len(pairs)]), transB=1)
    label = labels_at(call, labels, _most_votes(decisions, pairs, len(labels)))
    if proba.size:
        a, b = (op.constant(-found[: len(pairs)]) for found in (proba, probb))
        likely = op.Sigmoid(decisions * a + b)
        likely = op.Clip(likely, op.constant(_MARGIN, FLOAT), op.constant(1 - _MARGIN, FLOAT))
        return [label, transformed(call, _coupled(likely, pairs, len(labels)))]
    if len(labels) > 2:
        return [label, transformed(call, decisions)]
    if transform_of(call) == "NONE":
        return [label, op.Concat(-decisions, decisions, axis=1)]
    return [label, both_classes(call, decisions)]


def _weights_of_pairs(
    call: Call, pairs: Sequence[tuple[int, int]], counts: Sequence[int]
) -> np.ndarray:
    """What each kernel value is weighted with in each decision, (pairs, vectors).

    The coefficients are (classes − 1, vectors): a vector has one for each class but its own.
    """
    classes, total = len(counts), sum(counts)
    given = required_numbers(call, "coefficients")
    if given.size < (classes - 1) * total:
        raise ModelError(
            f"{call.where} has {given.size} coefficients for {total} support vectors of {classes} "
            f"classes, expected {(classes - 1) * total}"
        )
    given = given[: (classes - 1) * total].reshape(classes - 1, total)
    starts = np.cumsum([0, *counts])
    weights = np.zeros((len(pairs), total), FLOAT)
    for row, (i, j) in enumerate(pairs):
        for own, other in ((i, j - 1), (j, i)):
            part = slice(starts[own], starts[own + 1])
            weights[row, part] = given[other, part]
    return weights


def _most_votes(decisions: Tensor, pairs: Sequence[tuple[int, int]], classes: int) -> Tensor:
    """The index of the class that wins most decisions, the first one of several, (N,) int64."""
    op = decisions.op
    won, lost = np.zeros((len(pairs), classes), FLOAT), np.zeros(classes, FLOAT)
    for row, (i, j) in enumerate(pairs):
        won[row, i], won[row, j] = 1, -1
        lost[j] += 1
    first = decisions.greater(0).astype(FLOAT)
    return op.ArgMax(op.Gemm(first, op.constant(won), op.constant(lost)), axis=1, keepdims=0)


def _coupled(likely: Tensor, pairs: Sequence[tuple[int, int]], classes: int) -> Tensor:
    """Probabilities of classes, (N, classes), of those of the first of each pair, (N, pairs).

    They are the p that makes pᵀQp least, its sum being 1, where Qᵢᵢ is the sum of all r²ⱼᵢ and
    Qᵢⱼ = −rⱼᵢ rᵢⱼ. So Qp is the same number for each class, and so is (Q + 1·1ᵀ) p; that
    matrix is positive definite, and is eliminated without pivoting.
    """
    op = likely.op
    if classes == 2:
        return op.Concat(likely, 1 - likely, axis=1)
    first, second = (np.zeros((len(pairs), classes * classes), FLOAT) for _ in range(2))
    mixed = np.zeros((len(pairs), classes * classes), FLOAT)
    for row, (i, j) in enumerate(pairs):
        first[row, j * classes + j] = 1  # r²ᵢⱼ is a part of Qⱼⱼ
        second[row, i * classes + i] = 1
        mixed[row, i * classes + j] = mixed[row, j * classes + i] = -1
    other = 1 - likely
    q = (likely * likely) @ first + (other * other) @ second + (likely * other) @ mixed
    square = (q + 1).reshape(likely.sizes[0], classes, classes)
    ones = op.constant(np.ones((1, classes, 1), FLOAT))
    # Ones, as many as there are rows.
    system = op.Concat(square, square[:, :, :1] * 0 + ones, axis=2)
    # A step takes six nodes for all rows at once.
    for step in range(classes):
        pivot = system[:, step : step + 1]
        pivot = pivot / pivot[:, :, step : step + 1]
        unit = np.zeros((1, classes, 1), FLOAT)
        unit[0, step] = 1
        system = system - (system[:, :, step : step + 1] - unit) * pivot
    solution = system[:, :, -1]
    return solution / solution.sum(1, keepdims=True)


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    (ML, "SVMClassifier"): _svm_classifier,
    (ML, "SVMRegressor"): _svm_regressor,
}
