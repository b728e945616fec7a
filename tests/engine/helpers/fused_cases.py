"""ONNX Runtime's fused operators that have a CPU kernel: name, inputs, attributes."""

from __future__ import annotations

from expansion_checks import values

FUSED = [
    ("Gelu", [values(2, 5)], {}),
    ("BiasGelu", [values(2, 5), values(5)], {}),
    ("FastGelu", [values(2, 5), values(5)], {}),
    ("FastGelu", [values(2, 5)], {}),
    ("QuickGelu", [values(2, 5)], {"alpha": 1.2}),
    ("FusedConv", [values(1, 3, 5, 5), values(4, 3, 3, 3), values(4)], {"activation": "Tanh"}),
    ("FusedConv", [values(1, 3, 5, 5), values(4, 3, 3, 3), values(4), values(1, 4, 3, 3)],
     {"activation": "Sigmoid", "pads": [0, 0, 0, 0]}),
    ("FusedConv", [values(1, 3, 5, 5), values(4, 3, 3, 3), values(4) + 20],
     {"activation": "LeakyRelu", "activation_params": [0.2]}),
    ("FusedGemm", [values(3, 4), values(4, 5), values(5)], {"activation": "Tanh", "alpha": 0.7}),
    ("FusedMatMul", [values(2, 3, 4), values(2, 5, 4)], {"transB": 1, "alpha": 0.5}),
    ("FusedMatMul", [values(4, 2, 3, 5), values(2, 3, 4, 6)], {"transA": 1, "transBatchA": 1}),
    ("TransposeMatMul", [values(2, 3, 4), values(2, 5, 4)], {"transB": 1, "alpha": 0.5}),
]  # fmt: skip
