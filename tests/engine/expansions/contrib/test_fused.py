"""Fused operators: equal to ONNX Runtime's kernel, or to what they fuse."""

from __future__ import annotations

import numpy as np
import onnxscope as osc
import pytest
from expansion_checks import check, node_model, values
from fused_cases import FUSED
from graphs import session
from onnxscope.errors import OperatorError


@pytest.mark.parametrize(("op_type", "arrays", "options"), FUSED)
def test_fused_operators(op_type, arrays, options):
    check(op_type, arrays, domain="com.microsoft", **options)


@pytest.mark.parametrize(
    "name",
    [
        *("Celu", "Elu", "HardSigmoid", "LeakyRelu", "ParametricSoftplus", "Relu", "ScaledTanh"),
        *("Selu", "Sigmoid", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"),
    ],
)
def test_activations_of_a_fused_product(name):
    # Far from the kinks on both sides, and for HardSigmoid between them.
    sides = [-0.3, 0.2] if name == "HardSigmoid" else [-6, 5]
    arrays = [values(6, 4) * 0.1, values(4, 2) * 0.5, np.array(sides, np.float32)]
    options = {"activation_alpha": 0.7, "activation_beta": 0.4, "activation_gamma": 1.2}
    check("FusedGemm", arrays, domain="com.microsoft", activation=name, **options)


@pytest.mark.parametrize("name", ["Clip", "HardSigmoid", "HardSwish"])
def test_activations_of_a_fused_convolution(name):
    arrays = [values(1, 3, 5, 5) * 0.05, values(3, 3, 3, 3), np.array([-0.6, 0.3, 5], np.float32)]
    options = {"activation": name, "activation_params": [0.2, 0.5]}
    if name == "Clip":
        options["activation_params"] = [-3.0, 2.0]
    check("FusedConv", arrays, domain="com.microsoft", **options)


def test_an_activation_that_is_not_known():
    arrays = [values(2, 3), values(3, 4), values(4)]
    proto = node_model("FusedGemm", arrays, domain="com.microsoft", activation="Wave")
    with pytest.raises(OperatorError, match="the activation 'Wave', which is not known"):
        osc.differentiate(proto, of="o0", wrt=["i0"])


def test_bias_softmax():
    # ONNX Runtime has no CPU kernel for it, nor for the next two: what they fuse is the oracle.
    def oracle(x, bias):
        weights = np.exp((x + bias).astype(np.float64).reshape(2, 3, 20))
        return (weights / weights.sum(-1, keepdims=True)).reshape(x.shape)

    options = {"axis": 2, "is_inner_broadcast": 1, "oracle": oracle}
    for shape in ((2, 1, 4, 5), (1, 1, 4, 5), (3, 4, 5)):
        arrays = [values(2, 3, 4, 5), values(*shape)]
        check("BiasSoftmax", arrays, domain="com.microsoft", **options)


@pytest.mark.parametrize("bias", [True, False])
def test_gemm_fast_gelu(bias):
    gelu = session(node_model("FastGelu", [values(2, 3, 5)], domain="com.microsoft"))

    def oracle(x, w, bias=0):
        return gelu.run(None, {"i0": x @ w + bias})[0]

    arrays = [values(2, 3, 4), values(4, 5), *([values(5)] if bias else [])]
    check("GemmFastGelu", arrays, domain="com.microsoft", oracle=oracle)


def test_convolution_of_channels_last():
    def turned(x):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    arrays = [values(1, 6, 5, 3), values(4, 3, 2, 3), values(4)]
    options = {"strides": [2, 1], "pads": [1, 0, 1, 1]}
    plain = session(node_model("Conv", [*map(turned, arrays[:2]), arrays[2]], **options))

    def oracle(x, w, bias):
        y = plain.run(None, {"i0": turned(x), "i1": turned(w), "i2": bias})[0]
        return y.transpose(0, 2, 3, 1)

    check("NhwcConv", arrays, domain="com.microsoft", oracle=oracle, **options)


def test_bias_split_gelu():
    # ONNX Runtime has no CPU kernel for it: its Gelu is the oracle.
    gelu = session(node_model("Gelu", [values(2, 3, 4)], domain="com.microsoft"))

    def oracle(x, bias):
        left, right = np.split(x + bias, 2, axis=-1)
        return left * gelu.run(None, {"i0": right})[0]

    check("BiasSplitGelu", [values(2, 3, 8), values(8)], domain="com.microsoft", oracle=oracle)
