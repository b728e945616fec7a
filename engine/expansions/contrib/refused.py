"""ONNX Runtime's own operators (com.microsoft) that are refused by name, each with the reason.

A test asks for each that the installed runtime knows whether it is expanded or stands here.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import OperatorError
from ...graph.tensor import Tensor
from ..table import Call, Expansion

_NO_CPU = "ONNX Runtime's CPU provider does not run it"
_WITHOUT_PADDING = (
    "its tokens are packed without padding for CUDA; use the model before its conversion to "
    "packing mode"
)
_DECODING = (
    "it generates one token in a cache that past and present share; use the model before its "
    "conversion for generation"
)
_SEARCH = "it searches for tokens, which are no real numbers; use the model inside of it"
_INTEGERS = "it computes with integers on CUDA; use the model before its quantisation"
_EXPERTS = "it chooses experts for each token; use the model before this fusion"
_NO_FORM = "onnxscope does not write it as standard operators"
_UNWRITTEN = f"{_NO_FORM}; use the model before this fusion"
_OTHERS = f"{_NO_CPU}; use the model before this fusion"
_NO_NUMBERS = "what it gives are whole numbers, which have no derivative"
_GRIDS = "it computes with whole numbers; use the model before its quantisation"
_PACKED_WEIGHTS = (
    "its weights are packed for one kind of processor; use the model before its quantisation"
)
_MASKED = "in the runtime a masked element ends its row of the window, which no MaxPool does"
_DROPOUT = "it drops elements at random in training; use the model as it is exported for inference"
_PROVIDER = "it holds what another provider has compiled; use the model before that"

REASONS: dict[str, str] = {
    "AttnLSTM": _NO_FORM,
    "BeamSearch": _SEARCH,
    "BiasDropout": _DROPOUT,
    "BifurcationDetector": _NO_NUMBERS,
    "BitmaskBiasDropout": _DROPOUT,
    "BitmaskDropout": _DROPOUT,
    "BranchwiseRMSNorm": _UNWRITTEN,
    "CausalConvWithState": _UNWRITTEN,
    "ComplexMul": _OTHERS,
    "ComplexMulConj": _OTHERS,
    "CropAndResize": _NO_FORM,
    "DecoderAttention": _OTHERS,
    "DecoderMaskedMultiHeadAttention": _DECODING,
    "DecoderMaskedSelfAttention": _DECODING,
    "DequantizeBFP": f"{_NO_CPU}; use the model before its quantisation",
    "DequantizeWithOrder": f"{_NO_CPU}; use the model before its quantisation",
    "DynamicSparseAttention": _OTHERS,
    "DynamicTimeWarping": _NO_NUMBERS,
    "EPContext": _PROVIDER,
    "EngramGate": _UNWRITTEN,
    "FusedMatMulActivation": _OTHERS,
    "GatedAdd": _UNWRITTEN,
    "GatedDeltaNet": _OTHERS,
    "GatedRMSNorm": _UNWRITTEN,
    "GatedRelativePositionBias": _OTHERS,
    "GemmFloat8": f"{_NO_CPU}; use the model before its quantisation",
    "GemmaRotaryEmbedding": _OTHERS,
    "GreedySearch": _SEARCH,
    "HyperConnectionPostMix": _UNWRITTEN,
    "HyperConnectionPreMix": _UNWRITTEN,
    "Inverse": "standard operators cannot write the inverse of a matrix; use the model before it",
    "Irfft": _OTHERS,
    "IsAllFinite": "what it gives are truth values, which have no derivative",
    "LinearAttention": _UNWRITTEN,
    "LinearAttentionGate": _UNWRITTEN,
    "LongformerAttention": _OTHERS,
    "MRotaryEmbedding": _UNWRITTEN,
    "MatMulBlockQuantizedFp4Weight": f"{_NO_CPU}; use the model before its quantisation",
    "MatMulBlockQuantizedFp8Weight": f"{_NO_CPU}; use the model before its quantisation",
    "MatMulFpQ4": _PACKED_WEIGHTS,
    "MatMulInteger16": _GRIDS,
    "MatMulNBitsMlp": _OTHERS,
    "MatMulNBitsQkv": _OTHERS,
    "MaxpoolWithMask": _MASKED,
    "MoE": _EXPERTS,
    "MulInteger": _GRIDS,
    "MurmurHash3": _NO_NUMBERS,
    "NGramHashMapping": _NO_NUMBERS,
    "NGramRepeatBlock": "it forbids tokens in a search; use the model inside of it",
    "NhwcFusedConv": _OTHERS,
    "NhwcMaxPool": _GRIDS,
    "PackedAttention": _WITHOUT_PADDING,
    "PackedMultiHeadAttention": _WITHOUT_PADDING,
    "PackedSparseAttentionIndexer": _OTHERS,
    "PagedAttention": _DECODING,
    "QEmbedLayerNormalization": _GRIDS,
    "QOrderedAttention": _INTEGERS,
    "QOrderedGelu": _INTEGERS,
    "QOrderedLayerNormalization": _INTEGERS,
    "QOrderedLongformerAttention": _INTEGERS,
    "QOrderedMatMul": _INTEGERS,
    "QuantizeBFP": f"{_NO_CPU}; use the model before its quantisation",
    "QuantizeWithOrder": f"{_NO_CPU}; use the model before its quantisation",
    "ReduceSumInteger": _GRIDS,
    "RelativePositionBias": _OTHERS,
    "RemovePadding": _WITHOUT_PADDING,
    "RestorePadding": _WITHOUT_PADDING,
    "Rfft": _OTHERS,
    "Sampling": _SEARCH,
    "ScaledSiLU": _UNWRITTEN,
    "Snpe": _PROVIDER,
    "SparseAttention": "it attends to blocks of a cache; use the model before this fusion",
    "SparseAttentionIndexer": _OTHERS,
    "SparsePagedAttention": _OTHERS,
    "SparseToDenseMatMul": "it multiplies a sparse tensor; use the model with a dense one",
    "Tokenizer": "it splits text, which has no derivative",
    "TorchEmbedding": _OTHERS,
    "VarlenCausalConvWithState": _OTHERS,
    "VarlenNGramHashMapping": _NO_NUMBERS,
    "WhisperBeamSearch": _SEARCH,
    "WordConvEmbedding": _NO_FORM,
}


def _refuse_by_name(call: Call) -> Sequence[Tensor | None]:
    reason = REASONS[call.node.op_type]
    raise OperatorError(f"{call.where} of {call.node.domain} is not supported: {reason}")


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", name): _refuse_by_name for name in REASONS
}
