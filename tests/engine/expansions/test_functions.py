"""Operators that ONNX itself defines by others."""

from __future__ import annotations

import numpy as np
import pytest
from expansion_checks import check, values


def test_root_mean_square_normalization():
    check("RMSNormalization", [values(2, 3, 8), values(8)], opset=23)
    check("RMSNormalization", [values(2, 3, 8), values(3, 8)], opset=23, axis=1, epsilon=0.1)


def test_swish():
    check("Swish", [values(2, 3)], opset=24, alpha=1.3)
    check("Swish", [values(2, 3)], opset=24)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("op_type", ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
def test_losses(op_type, reduction):
    labels = np.array([0, 1, 4, 2])
    check(op_type, [values(4, 5), labels], reduction=reduction)
    check(op_type, [values(4, 5), labels, np.abs(values(5))], reduction=reduction, ignore_index=1)
