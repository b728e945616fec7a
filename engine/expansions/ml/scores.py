"""What becomes of scores at the end: `post_transform`, as ONNX Runtime computes it."""

from __future__ import annotations

import math

import numpy as np

from ...errors import OperatorError
from ...graph.tensor import Tensor
from ..table import Call

# Scores up to this one count as zero for SOFTMAX_ZERO.
_ZERO = 1e-7

# The constant of Winitzki's approximation of the error function.
_A = 0.147

# Below this square a logarithm is written as its series, which has a slope at zero as well.
_SMALL_SQUARE = 1e-3


def transformed(call: Call, scores: Tensor) -> Tensor:
    """Return the scores (N, classes), transformed as the node says.

    A single score per row is changed by PROBIT alone, as in ONNX Runtime.

    Raises:
        OperatorError: the transform is unknown.
    """
    kind = transform_of(call)
    if kind == "PROBIT":
        return _probit(scores)
    if scores.number(-1) == 1 or kind == "NONE":
        return scores
    if kind == "LOGISTIC":
        return call.op.Sigmoid(scores)
    return call.op.Softmax(scores, axis=-1) if kind == "SOFTMAX" else _softmax_of_nonzero(scores)


def transform_of(call: Call) -> str:
    """Return the node's `post_transform`.

    Raises:
        OperatorError: it is unknown.
    """
    kind = call.node.attributes.get_string("post_transform", None) or "NONE"
    known = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
    if kind not in known:
        raise OperatorError(
            f"{call.where} has the post_transform {kind!r}; known are {', '.join(known)}"
        )
    return kind


def both_classes(call: Call, score: Tensor) -> Tensor:
    """Return two scores, (N, 2), 1 − s and s, of the second class's (N, 1).

    For LOGISTIC, s is the score's sigmoid; SOFTMAX changes nothing, as in ONNX Runtime.

    Raises:
        OperatorError: the transform is PROBIT, whose second score ONNX Runtime leaves unset.
    """
    if transform_of(call) == "LOGISTIC":
        return call.op.Sigmoid(call.op.Concat(-score, score, axis=1))
    if transform_of(call) == "PROBIT":
        raise OperatorError(
            f"{call.where} has the post_transform PROBIT and one score for two classes: what the "
            "other score is, is not defined, and ONNX Runtime gives what was in its memory; NONE, "
            "LOGISTIC and SOFTMAX define both"
        )
    return call.op.Concat(1 - score, score, axis=1)


def _softmax_of_nonzero(scores: Tensor) -> Tensor:
    """A softmax among the scores that are not zero; those that are stay (nearly) zero."""
    op = scores.op
    largest = op.ReduceMax(scores, op.constant([-1], np.int64), keepdims=1)
    counts = op.Greater(op.Abs(scores), op.constant(_ZERO, scores.dtype))
    powers = op.Exp(scores - largest)
    total = op.Where(counts, powers, op.constant(0, scores.dtype)).sum(-1, keepdims=True)
    return op.Where(counts, powers, scores * op.Exp(-largest)) / total


def _probit(p: Tensor) -> Tensor:
    """The quantile of the normal distribution, by Winitzki's approximation of the error function.

    erf⁻¹(x)² = √(v² − L/a) − v, where L = log(1 − x²) and v = 2/(πa) + L/2. Written as
    x² (−L/x²)/a / (v + √(v² − L/a)) it has a slope at x = 0.
    """
    op, x = p.op, p * 2 - 1
    square = x * x
    small = op.Less(square, op.constant(_SMALL_SQUARE, p.dtype))
    safe = op.Where(small, op.constant(0.5, p.dtype), (1 - x) * (1 + x))
    logarithm = op.Where(small, square * (square * -0.5 - 1), op.Log(safe))
    ratio = op.Where(
        small,
        square * 0.5 + 1,
        op.Neg(logarithm) / op.Where(small, op.constant(1, p.dtype), square),
    )
    v = logarithm * 0.5 + 2 / (3.14159 * _A)
    root = (v * v - logarithm * (1 / _A)).sqrt()
    return x * (ratio * (1 / _A) / (v + root)).sqrt() * math.sqrt(2)
