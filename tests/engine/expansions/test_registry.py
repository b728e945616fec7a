"""Every expansion has a test, and no operator both a rule and an expansion."""

from __future__ import annotations

import onnxscope as osc
from fused_cases import FUSED
from onnxscope.expansions import registry


def test_every_expansion_has_a_test():
    tested = {("com.microsoft", op_type) for op_type, _, _ in FUSED}
    tested |= {("com.microsoft", name) for name in (
        "BiasSoftmax", "BiasSplitGelu", "GemmFastGelu", "NhwcConv",
        # In files of their own.
        "Attention", "EmbedLayerNormalization", "GatherBlockQuantized", "GroupNorm",
        "GroupQueryAttention", "MatMulBnb4", "MatMulNBits", "MultiHeadAttention",
        "RotaryEmbedding", "SkipGroupNorm", "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
    )}  # fmt: skip
    tested |= {("", name) for name in (
        "LSTM", "GRU", "RNN", "If", "Loop", "Scan", "Attention", "RotaryEmbedding", "Swish",
        "RMSNormalization", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss",
        "Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "SimplifiedLayerNormalization",
    )}  # fmt: skip
    expanded = {
        key
        for key, expansion in registry.all_expansions().items()
        if expansion.__module__.removeprefix("onnxscope.expansions.")
        in (
            *("attention", "block_quantized", "contrib.fused", "contrib.attention"),
            *("contrib.normalization", "control", "functions", "grouped_attention", "quantized"),
            *("recurrent.expansion", "rotary"),
        )
        and expansion.__name__ != "_refuse_integers"
    }
    # Beyond what ONNX Runtime 1.31 runs, or the same operator under the runtime's domain.
    untestable = {("", name) for name in ("CausalConvWithState", "LinearAttention", "SwiGLU")}
    untestable |= {("com.microsoft", f"{kind}Linear") for kind in ("Quantize", "Dequantize")}
    untestable |= {("com.microsoft", "BiasAdd")}
    assert expanded - untestable == tested


def test_an_operator_has_a_rule_or_an_expansion():
    rules = osc.standard_rules()
    # Of ScatterND only the reductions are expanded, of BatchNormalization only the training mode,
    # of casts only those to few bits.
    twice = [name for domain, name in registry.all_expansions() if not domain and name in rules]
    assert twice == ["BatchNormalization", "Cast", "CastLike", "ScatterND"]
