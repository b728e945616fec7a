"""By how much two computations of one value may differ, and by how much they do."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import defs

# What one node may make of rounding, relative to the largest element: by the digits of its result.
_ROUNDING = {np.dtype(np.float64): 1e-9, np.dtype(np.float16): 2e-2}
_SINGLE_ROUNDING = 3e-5


def difference(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Return the largest difference of an element, over the largest element that is a number.

    Infinite where the shapes differ, or where one of both is infinite or no number and the other is
    not the same. The largest number of a type stands for infinity, as in masks.
    """
    if theirs.size == ours.size == 0 and theirs.ndim == ours.ndim:
        # Of what a loop collects in no round, ONNX Runtime takes sizes that it cannot infer for 0.
        return 0.0
    if theirs.shape != ours.shape:
        return np.inf
    if theirs.dtype.kind in "OSU" or ours.dtype.kind in "OSU":
        return 0.0 if bool(np.all(theirs == ours)) else np.inf
    one, other = _in_double(theirs), _in_double(ours)
    finite = np.isfinite(one) & np.isfinite(other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if not bool(np.all(finite | same)):
        return np.inf
    if not finite.any():
        return 0.0
    largest = float(np.abs(one[finite]).max())
    apart = float(np.abs(one[finite] - other[finite]).max())
    return apart / largest if largest else (np.inf if apart else 0.0)


def _in_double(value: np.ndarray) -> np.ndarray:
    double = value.astype(np.float64)
    if value.dtype.kind != "f" or value.dtype.itemsize == 1:
        return double  # the largest number of eight bits may well be meant
    largest = float(np.finfo(value.dtype).max)
    return np.where(np.abs(double) >= largest, np.copysign(np.inf, double), double)


def rounding(value: np.ndarray) -> float:
    """Return how far two results of one node may differ by rounding, over the largest element."""
    if value.dtype.kind in "biuOSU" or value.dtype.itemsize == 1:
        return 0.0  # where a node rounds to few bits, it does so wherever it is run
    if value.dtype.itemsize == 2 and value.dtype != np.float16:
        return 1e-1  # bfloat16
    return _ROUNDING.get(value.dtype, _SINGLE_ROUNDING)


def coarseness(node: onnx.NodeProto) -> float:
    """Return how far ONNX Runtime is from what a node stands for, over the largest element.

    Zero but for nodes that compute in fewer digits than their result has, as they say or do.
    """
    return max(_iterated(node), _staged(node))


def _iterated(node: onnx.NodeProto) -> float:
    """How far ONNX Runtime is from what it iterates towards, over the largest element.

    The probabilities of a support vector machine are 0.005 / classes off at most in what they have
    to fulfil, and some times as much in themselves.
    """
    given = {attribute.name for attribute in node.attribute if attribute.floats}
    return 0.02 if node.op_type == "SVMClassifier" and "prob_a" in given else 0.0


def _staged(node: onnx.NodeProto) -> float:
    """How far a node may be off that computes its first stage in single precision, as it says."""
    stash = next((a.i for a in node.attribute if a.name == "stash_type"), onnx.TensorProto.FLOAT)
    has_stage = (
        node.domain in ("", "ai.onnx")
        and defs.has(node.op_type)
        and ("stash_type" in defs.get_schema(node.op_type).attributes)
    )
    return _SINGLE_ROUNDING if has_stage and stash == onnx.TensorProto.FLOAT else 0.0
