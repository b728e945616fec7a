"""Linear models: regressions, and classifiers with their labels and scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import ModelError, OperatorError
from ...graph.domains import ML
from ...graph.tensor import Tensor
from ..table import Call, Expansion
from .given import class_labels, fitting_rows, labels_at, matrix, numbers, rows
from .scores import both_classes, transformed


def _linear_regressor(call: Call) -> Sequence[Tensor | None]:
    targets = call.node.attributes.get_int("targets", 1)
    weights, bias = matrix(call, "coefficients", targets), numbers(call, "intercepts")
    if bias.size not in (0, targets):
        raise ModelError(f"{call.where} has {targets} targets, but {bias.size} intercepts")
    return [transformed(call, _scores(call, weights, bias))]


def _linear_classifier(call: Call) -> Sequence[Tensor | None]:
    labels, bias = class_labels(call, "classlabels_ints"), numbers(call, "intercepts")
    features = None if bias.size else rows(call).number(1)
    count = bias.size or numbers(call, "coefficients").size // (features or 1)
    scores = _scores(call, matrix(call, "coefficients", count), bias)
    if count > 1:
        if len(labels) < count:
            raise OperatorError(f"{call.where} has {count} scores, but {len(labels)} class labels")
        best = call.op.ArgMax(scores, axis=1, keepdims=0)
        return [labels_at(call, labels, best), transformed(call, scores)]
    if len(labels) != 2:
        raise OperatorError(
            f"{call.where} has one score, and {len(labels)} class labels instead of two"
        )
    positive = scores.greater(0).astype(np.dtype(np.int64)).reshape(-1)
    return [labels_at(call, labels, positive), both_classes(call, scores)]


def _scores(call: Call, weights: np.ndarray, bias: np.ndarray) -> Tensor:
    """(N, targets) of weights (targets, features) and a bias, which may be empty."""
    x = fitting_rows(call, weights.shape[1])
    constant = call.builder.constant
    addend = constant(bias) if bias.size else None
    return call.op.Gemm(x, constant(weights), addend, transB=1)


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    (ML, "LinearClassifier"): _linear_classifier,
    (ML, "LinearRegressor"): _linear_regressor,
}
