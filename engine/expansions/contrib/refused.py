"""ONNX Runtime's own operators (com.microsoft) that are refused by name, each with the reason.

Others that are not known are refused as unknown.
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

REASONS: dict[str, str] = {
    "BeamSearch": _SEARCH,
    "DecoderAttention": f"{_NO_CPU}; use the model before this fusion",
    "DecoderMaskedMultiHeadAttention": _DECODING,
    "DecoderMaskedSelfAttention": _DECODING,
    "GatedRelativePositionBias": f"{_NO_CPU}; use the model before this fusion",
    "GreedySearch": _SEARCH,
    "LongformerAttention": f"{_NO_CPU}; use the model before this fusion",
    "MoE": _EXPERTS,
    "PackedAttention": _WITHOUT_PADDING,
    "PackedMultiHeadAttention": _WITHOUT_PADDING,
    "PagedAttention": _DECODING,
    "QOrderedAttention": _INTEGERS,
    "QOrderedGelu": _INTEGERS,
    "QOrderedLayerNormalization": _INTEGERS,
    "QOrderedLongformerAttention": _INTEGERS,
    "QOrderedMatMul": _INTEGERS,
    "RelativePositionBias": f"{_NO_CPU}; use the model before this fusion",
    "RemovePadding": _WITHOUT_PADDING,
    "RestorePadding": _WITHOUT_PADDING,
    "Sampling": _SEARCH,
    "SparseAttention": "it attends to blocks of a cache; use the model before this fusion",
    "WhisperBeamSearch": _SEARCH,
}


def _refuse_by_name(call: Call) -> Sequence[Tensor | None]:
    reason = REASONS[call.node.op_type]
    raise OperatorError(f"{call.where} of {call.node.domain} is not supported: {reason}")


EXPANSIONS: dict[tuple[str, str], Expansion] = {
    ("com.microsoft", name): _refuse_by_name for name in REASONS
}
