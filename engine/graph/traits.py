"""What each operator does, in the few words that every pass asks for."""

from __future__ import annotations

_ACTIVATIONS = frozenset(
    {
        "Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid", "Tanh",
        "Celu", "Gelu", "HardSwish", "Mish", "Shrink", "Softplus", "Softsign", "Swish",
        "ThresholdedRelu",
    }
)  # fmt: skip


# Operators that treat every channel alike and alone, so that channel i of the output is channel i
# of the first input.
CHANNELWISE = frozenset(
    {
        "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh",
        "Clip", "Softplus", "Softsign", "Celu", "Gelu", "Mish", "ThresholdedRelu", "Erf",
        "Identity", "Dropout", "Cast", "Abs", "Neg", "Sqrt", "Exp", "BatchNormalization",
        "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
    }
)  # fmt: skip


WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU"})
